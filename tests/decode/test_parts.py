"""A model of several tasks is read as several models of one are."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from decode.placing import stretched
from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.classes import Classes
from tailmark.decode.detections import Detections
from tailmark.decode.mask import Mask
from tailmark.decode.parts import Parts
from tailmark.errors import InputError, SystemSetupError
from tailmark.testing import check_decoder

DECLARED = stretched(8, 4, image=(16, 8))

GENERATOR = np.random.default_rng(0)
RAW = {
    "objects": np.array([[[1, 1, 3, 2, 0.75, 4], [0, 0, 8, 4, 0.25, 5]]], np.float32),
    "road": GENERATOR.normal(size=(1, 2, 4, 8)),
    "lane": GENERATOR.normal(size=(1, 1, 4, 8)),
    "boxes": np.array([[0, 0, 1, 1]], np.float32),
    "sure": np.array([0.5], np.float32),
}

PARTS: dict[str, dict[str, Any]] = {
    "objects": {"kind": "detections", "order": ["box", "score", "category"]},
    "road": {"kind": "mask", "column": "road"},
    "lanes": {"output": "lane", "kind": "mask", "column": "lane", "threshold": 0},
}


def test_each_part_answers_as_its_decoder_does_alone() -> None:
    """Column after column."""
    both = Parts(parts=PARTS)
    check_decoder(both, RAW, DECLARED)
    assert both.columns == ("boxes", "scores", "categories", "road", "lane")
    assert both.ragged == ("boxes", "scores", "categories")
    decode, _ = both.bind(RAW, DECLARED)
    alone: list[Any] = []
    for decoder, output in (
        (Detections(), "objects"),
        (Mask(column="road"), "road"),
        (Mask(column="lane", threshold=0), "lane"),
    ):
        alone += decoder.bind(RAW[output], DECLARED)[0](RAW[output], 0)
    for found, wanted in zip(decode(RAW, 0), alone, strict=True):
        assert np.array_equal(found, wanted)


def test_a_part_may_read_several_outputs() -> None:
    """By the names they have in the model."""
    part = {"output": ["boxes", "sure"], "kind": "detections", "scores": "sure", "unit": "image"}
    raw = {**RAW, "sure": np.array([[0.5, 0.25]], np.float32)}
    parts = Parts(parts={"objects": {**part, "categories": None}})
    decode, _ = parts.bind(raw, DECLARED)
    assert decode(raw, 0)[2].tolist() == [0]


def test_it_says_what_each_part_is() -> None:
    """The output, and its decoder's settings."""
    described = Parts(parts=PARTS).describe()
    assert described["kind"] == "parts"
    assert described["parts"]["lanes"] == {
        "output": "lane",
        **Mask(column="lane", threshold=0).describe(),
    }
    assert described["parts"]["road"]["output"] == "road"


def test_it_travels_to_another_process() -> None:
    """As every recipe does."""
    parts = Parts(parts=PARTS)
    assert pickle.loads(pickle.dumps(parts)) == parts
    assert pickle.loads(pickle.dumps(parts)).columns == parts.columns


def test_paths_are_relative_to_the_experiment(tmp_path: Path) -> None:
    """As those of a decoder that stands alone are."""
    (tmp_path / "map.txt").write_text("7\n8\n9\n")
    parts = Parts(parts={"what": {"kind": "classes", "map": "map.txt", "top": 1}}, folder=tmp_path)
    raw = {"what": np.array([[0.1, 0.7, 0.2]])}
    decode, _ = parts.bind(raw, Declared())
    wanted, _ = Classes(map=tmp_path / "map.txt", top=1).bind(raw["what"], Declared())
    assert decode(raw, 0)[0].tolist() == wanted(raw["what"], 0)[0].tolist() == [8]


def test_warnings_name_their_part() -> None:
    """Which of the outputs could not be checked."""
    declared = Declared(references=np.array([0, 1]))
    _, warnings = Parts(parts={"what": {"kind": "classes"}}).bind(
        {"what": np.zeros((1, 3))}, declared
    )
    assert len(warnings) == 1
    assert warnings[0].startswith("decode.parts.what: the workload does not declare")


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({}, r"decode\.parts is empty: write \{NAME: \{output: OUTPUT, kind: DECODER\}\}"),
        ({"a": {"output": "x"}}, r"parts\.a has no kind: write kind: and one of .*classes"),
        ({"a": {"kind": 3}}, r"parts\.a has no kind"),
        ({"a": {"kind": "maks"}}, r"no decoder is called 'maks' \(did you mean 'mask'\?\)"),
        (
            {"a": {"kind": "mask", "colum": "road"}},
            r"parts\.a has no setting 'colum' \(did you mean 'column'\?\): it has layout",
        ),
        ({"a": {"kind": "mask", "threshold": "x"}}, r"parts\.a\.threshold is 'x': it should be"),
        ({"a": {"kind": "mask", "layout": "hwc"}}, r"parts\.a\.layout is 'hwc': it should be 'n"),
        ({"a": {"kind": "mask", "output": 3}}, r"parts\.a\.output is 3: give the name of an out"),
        ({"a": {"kind": "mask", "output": []}}, r"parts\.a\.output is \[\]"),
        ({"a": {"kind": "mask", "output": ["x", 3]}}, r"parts\.a\.output is \['x', 3\]"),
        ({"a": {"kind": "ranking", "top": 0}}, r"decode\.top is 0"),
        (
            {"a": {"kind": "mask"}, "b": {"kind": "classes"}, "c": {"kind": "mask"}},
            r"parts a and c have both the column 'mask': give one another name with its setting co",
        ),
        (
            {"a": {"kind": "classes"}, "b": {"kind": "detections"}},
            r"parts a and b have both the column 'scores'",
        ),
    ],
)
def test_parts_that_cannot_be_read_are_refused(parts: Any, says: str) -> None:
    """When they are written, with what is allowed."""
    with pytest.raises(InputError, match=says) as caught:
        Parts(parts=parts)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({**RAW, "rood": 1, "road": None}, r"parts\.road: output of type object"),
        (
            {"road": RAW["road"], "lane": RAW["lane"], "object": RAW["objects"]},
            r"parts\.objects: the model has no output 'objects' \(did you mean 'object'\?\)",
        ),
        (RAW["road"], r"parts\.objects: the system has one output without a name"),
    ],
)
def test_outputs_that_are_not_there_or_of_another_kind_are_refused(raw: Any, says: str) -> None:
    """Before anything is timed, naming the part."""
    with pytest.raises(SystemSetupError, match=says):
        Parts(parts=PARTS).bind(raw, DECLARED)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"road": np.full((1, 2, 4, 8), np.nan)}, "road: output has NaN"),
        ({"objects": np.zeros((1, 3, 5))}, "objects: output has rows of 5 numbers"),
        (None, "objects: the system has one output without a name"),
    ],
)
def test_a_later_output_of_another_kind_is_a_bad_one(change: Any, says: str) -> None:
    """Such a query fails as a whole."""
    decode, _ = Parts(parts=PARTS).bind(RAW, DECLARED)
    with pytest.raises(BadOutputError, match=says):
        decode({**RAW, **change} if change else RAW["road"], 0)
