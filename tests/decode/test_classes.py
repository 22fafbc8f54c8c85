"""Class scores become the best labels exactly as a plain sort says."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.base import BadOutputError, Declared
from tailmark.decode.classes import Classes
from tailmark.errors import SystemSetupError

DTYPES = st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int64", "uint64"])


@st.composite
def score_rows(draw: st.DrawFn) -> npt.NDArray[Any]:
    """A row of scores of any type, with ties and infinities more often than chance has them."""
    dtype = np.dtype(draw(DTYPES))
    shape = (1, draw(st.integers(1, 40)))
    if dtype.kind == "f":
        elements: st.SearchStrategy[Any] = hnp.from_dtype(dtype, allow_nan=False) | st.integers(
            -2, 2
        ).map(float)
    else:
        elements = hnp.from_dtype(dtype) | st.integers(0, 2)
    return draw(hnp.arrays(dtype, shape, elements=elements))


@given(score_rows(), st.integers(1, 45), st.integers(-3, 3))
def test_the_best_come_as_a_plain_sort_ranks_them(
    raw: npt.NDArray[Any], top: int, offset: int
) -> None:
    """By falling score, and equal scores in class order; a label below zero is none."""
    decode, _ = Classes(top=top, offset=offset).bind(raw, Declared())
    labels, scores = decode(raw, 0)

    rows = raw[0].tolist()
    ranked = sorted(range(len(rows)), key=lambda c: (-rows[c], c))[:top]
    assert labels.tolist() == [c + offset if c + offset >= 0 else -1 for c in ranked]
    with np.errstate(over="ignore"):
        assert scores.tolist() == [float(np.float32(rows[c])) for c in ranked]
    assert labels.dtype == np.int32
    assert scores.dtype == np.float32


@given(st.permutations(range(12)), st.integers(1, 12))
def test_a_map_names_each_class(labels: list[int], top: int) -> None:
    """Class c is the map's entry c, whatever the file's form."""
    raw = np.arange(12.0)[None]
    for text in (json.dumps(labels), "\n".join(map(str, labels))):
        with_map = Classes(top=top, map=_written(text))
        decode, _ = with_map.bind(raw, Declared(classes=12))
        assert decode(raw, 0)[0].tolist() == labels[::-1][:top]


def _written(text: str) -> Path:
    import tempfile

    with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
        file.write(text)
    return Path(file.name)


@pytest.mark.parametrize("shape", [(1, 6), (1, 6, 1, 1)])
def test_trailing_axes_of_one_are_no_matter(shape: tuple[int, ...]) -> None:
    """SqueezeNet gives (1, classes, 1, 1)."""
    raw = np.arange(6.0, dtype=np.float16).reshape(shape)
    decode, _ = Classes(top=2).bind(raw, Declared(classes=6))
    assert decode(raw, 0)[0].tolist() == [5, 4]


def test_scores_that_differ_beyond_float32_do_not_tie() -> None:
    """Ranking is done in the model's own type; only what is stored is narrower."""
    raw = np.array([[0.5, 0.5 + 1e-12, 0.1]])
    decode, _ = Classes(top=1).bind(raw, Declared(classes=3))
    assert decode(raw, 0)[0].tolist() == [1]


@pytest.mark.parametrize(
    ("later", "says"),
    [
        (np.array([[0.0, np.nan, 1.0]]), "NaN"),
        (np.zeros((1, 4)), "4 scores, the first had 3"),
        (np.zeros(3), r"shape \(3,\)"),
        (np.zeros((2, 3)), r"shape \(2, 3\)"),
        (np.zeros((1, 3, 2)), r"shape \(1, 3, 2\)"),
        (np.array([["a", "b", "c"]]), "type <U1"),
        ([[1.0], [1.0, 2.0]], "ragged"),
        (None, "type object"),
    ],
)
def test_an_output_that_is_no_answer_is_a_bad_one(later: Any, says: str) -> None:
    """Such a query fails; it is not read as something it is not."""
    decode, _ = Classes().bind(np.zeros((1, 3)), Declared(classes=3))
    with pytest.raises(BadOutputError, match=says):
        decode(later, 0)


def test_a_list_of_numbers_is_as_good_as_an_array() -> None:
    """A plain function need not know NumPy."""
    decode, _ = Classes(top=1).bind([[0.1, 0.9]], Declared(classes=2))
    assert decode([[0.9, 0.1]], 0)[0].tolist() == [0]


@pytest.mark.parametrize("raw", [np.zeros(3), {"a": np.zeros((1, 3))}, "cat"])
def test_a_first_output_that_is_no_scores_is_refused_before_timing(raw: Any) -> None:
    """The sentence says what to do about a model of several outputs."""
    with pytest.raises(SystemSetupError, match=r"choose one with system\.output, or decode"):
        Classes().bind(raw, Declared())


@pytest.mark.parametrize(
    ("classes", "offset"), [(1000, 0), (1001, -1), (999, -1), (1002, 0), (1002, -1)]
)
def test_another_number_of_classes_is_refused(classes: int, offset: int) -> None:
    """1001 classes against 1000 is the trap: a background class shifts every label."""
    with pytest.raises(SystemSetupError, match=f"the workload declares {classes}") as caught:
        Classes(offset=offset).bind(np.zeros((1, 1001)), Declared(classes=classes))
    assert "the model has 1001 classes" in str(caught.value)
    assert "declare decode.offset or decode.map" in str(caught.value)


def test_a_declared_offset_makes_the_counts_agree() -> None:
    """1001 with a background class first are 1000, and the background is never right."""
    raw = np.zeros((1, 1001))
    raw[0, 0] = 1
    decode, warnings = Classes(top=2, offset=-1).bind(raw, Declared(classes=1000))
    assert decode(raw, 0)[0].tolist() == [-1, 0]
    assert warnings == []


def test_a_label_no_class_can_be_is_refused_where_no_number_is_declared() -> None:
    """The references themselves tell."""
    with pytest.raises(SystemSetupError, match="the workload has label 3"):
        Classes().bind(np.zeros((1, 3)), Declared(references=np.array([0, 3])))


def test_what_cannot_be_checked_is_said() -> None:
    """Without a declared number, labels that stop short leave the count open."""
    _, warnings = Classes().bind(np.zeros((1, 1001)), Declared(references=np.array([0, 999])))
    assert len(warnings) == 1
    assert "set workload.classes" in warnings[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"1\n2", "maps 2 classes, the model has 3"),
        (b"[1, 2", "not a list of whole numbers"),
        (b"a\nb\nc", "not a list of whole numbers"),
        (b"[[1], 2, 3]", "not a list of whole numbers"),
        (b"1\n99999999999\n2", "not a list of whole numbers"),
        (b"\xff\xfe1", "cannot be read"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_map_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """Missing, unreadable, no numbers, or another length."""
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemSetupError, match=says) as caught:
        Classes(map=file).bind(np.zeros((1, 3)), Declared())
    assert repr(str(file)) in str(caught.value)


def test_map_and_offset_together_are_refused(tmp_path: Path) -> None:
    """Two answers to one question."""
    file = tmp_path / "labels.txt"
    file.write_text("2\n1\n0\n")
    with pytest.raises(SystemSetupError, match="both map and offset"):
        Classes(map=file, offset=1).bind(np.zeros((1, 3)), Declared())


def test_keeping_none_of_the_classes_is_refused() -> None:
    """There would be nothing to grade."""
    with pytest.raises(SystemSetupError, match="top is 0: keep 1 class or more"):
        Classes(top=0).bind(np.zeros((1, 3)), Declared())
