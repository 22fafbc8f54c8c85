"""The models' own outputs come back as they were, or it is said why not."""

from pathlib import Path

import numpy as np
import pytest

from tailmark.errors import StoreError
from tailmark.records.raw import RawWriter, read_raw


def test_outputs_come_back(tmp_path: Path) -> None:
    """Each output in its own type, a row a sample, without its batch axis."""
    rows = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float16)
    with RawWriter(tmp_path, 4) as writer:
        for sample in (2, 0, 3):
            writer.add(sample, {"scores": rows[sample : sample + 1]})
        writer.fail(1, "it fell over")
    kept = read_raw(tmp_path)
    assert kept is not None
    assert kept.names == ("scores",)
    assert kept.failures == {1: "it fell over"}
    assert kept["scores"].dtype == np.float16
    assert np.array_equal(kept["scores"][[0, 2, 3]], rows[[0, 2, 3]])


def test_what_has_no_one_shape_is_left_out(tmp_path: Path) -> None:
    """Its place is taken by the next, and the reason is kept; so of what is no number."""
    with RawWriter(tmp_path, 2) as writer:
        for sample in range(2):
            writer.add(
                sample,
                {
                    "boxes": np.ones((1, sample + 1)),
                    "names": np.array([["x"]]),
                    "scores": np.full((1, 2), sample),
                },
            )
    kept = read_raw(tmp_path)
    assert kept is not None
    assert kept.names == ("scores",)
    assert kept.left_out == {
        "boxes": "its shape differs from sample to sample",
        "names": "it holds <U1, which are no numbers",
    }
    assert kept["scores"].tolist() == [[0, 0], [1, 1]]


def test_what_was_not_finished_is_no_record(tmp_path: Path) -> None:
    """Also where an earlier one was there."""
    with RawWriter(tmp_path, 1) as writer:
        writer.add(0, {"scores": np.ones((1, 2))})
    again = RawWriter(tmp_path, 1)
    again.__enter__().add(0, {"scores": np.ones((1, 2))})
    again.__exit__(RuntimeError, RuntimeError(), None)
    assert read_raw(tmp_path) is None


def test_damage_is_said(tmp_path: Path) -> None:
    """The file is named."""
    (tmp_path / "outputs.json").write_text("{")
    with pytest.raises(StoreError, match=r"outputs.json' is damaged"):
        read_raw(tmp_path)
