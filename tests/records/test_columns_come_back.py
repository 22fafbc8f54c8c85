"""Law: whatever answers and references are made of, they come back from a run as they were."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from records.test_logbook import a_round, manifest
from tailmark.errors import InputError
from tailmark.records.catalogue import Catalogue
from tailmark.records.columns import content_of, from_arrow, joined, joined_columns, to_arrow
from tailmark.records.model import Columns, References
from tailmark.records.ragged import Ragged
from tailmark.records.store import RunWriter, open_run

ROWS = 4
DTYPES = st.sampled_from([np.int32, np.int64, np.float32, np.float64, np.bool_, np.uint8])
WORDS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=6)


@st.composite
def columns(draw: st.DrawFn) -> Any:
    """An array of up to four axes, strings, or rows of different lengths."""
    kind = draw(st.sampled_from(["plain", "words", "ragged", "boxes"]))
    if kind == "plain":
        inner = draw(st.lists(st.integers(1, 3), max_size=3))
        return draw(hnp.arrays(draw(DTYPES), (ROWS, *inner)))
    if kind == "words":
        return np.array(draw(st.lists(WORDS, min_size=ROWS, max_size=ROWS)))
    inner = [4] if kind == "boxes" else []
    dtype = draw(DTYPES)
    lengths = draw(st.lists(st.integers(0, 3), min_size=ROWS, max_size=ROWS))
    return Ragged.of([draw(hnp.arrays(dtype, (n, *inner))) for n in lengths], dtype, *inner)


def same(a: Any, b: Any) -> bool:
    """Type, shape and every bit."""
    if isinstance(a, Ragged) or isinstance(b, Ragged):
        return type(a) is type(b) and same(a.values, b.values) and same(a.starts, b.starts)
    if a.dtype.kind == "U":
        return bool(b.dtype.kind == "U" and a.tolist() == b.tolist())
    return bool(a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes())


@given(columns())
def test_a_column_comes_back_from_arrow(values: Any) -> None:
    """Whole, and as the end of a longer one."""
    assert same(values, from_arrow(to_arrow(values)))
    tail = to_arrow(values).slice(1)
    if isinstance(values, Ragged):
        assert same(values.take(np.arange(1, ROWS)), from_arrow(tail))


@given(st.dictionaries(st.sampled_from("abc"), columns(), min_size=1), columns())
@settings(max_examples=40)
def test_outputs_and_references_come_back_from_a_run(
    outputs: dict[str, Any], reference: Any
) -> None:
    """References of one column, of several, and which sequence each sample is of."""
    ids = tuple(map(str, range(ROWS)))
    for right in (reference, outputs):
        sequences = np.arange(ROWS, dtype=np.int32) // 2
        with tempfile.TemporaryDirectory() as folder, RunWriter(Path(folder, "run")) as writer:
            writer.begin(manifest(), References(ids=ids, values=right, sequences=sequences))
            writer.append(a_round(0), outputs)
            run = open_run(writer.path)
        assert all(same(values, run.outputs[name]) for name, values in outputs.items())
        held = run.references.values
        pairs = [(right, held)]
        if isinstance(right, dict):
            assert held.keys() == right.keys()
            pairs = [(right[name], held[name]) for name in right]
        assert all(same(a, b) for a, b in pairs)
        assert run.references.sequences is not None
        assert run.references.sequences.tolist() == sequences.tolist()


@given(st.data())
def test_answers_of_any_length_keep_their_numbers_after_resuming(data: st.DataObject) -> None:
    """The same boxes are one answer, before and after."""
    boxes = hnp.arrays(np.float32, st.tuples(st.integers(0, 2), st.just(4)), elements=st.just(1.0))
    answers = data.draw(st.lists(boxes, min_size=1, max_size=6))
    catalogue = Catalogue(("boxes",), {}, ("boxes",))
    numbers = [catalogue.number((one,)) for one in answers]
    stored: Columns = catalogue.take_new()
    assert [stored["boxes"][n].tobytes() for n in numbers] == [one.tobytes() for one in answers]
    again = Catalogue(("boxes",), stored, ("boxes",))
    assert [again.number((one,)) for one in answers] == numbers
    assert again.take_new() == {}


@given(columns(), columns())
def test_columns_join_where_they_are_of_one_kind(a: Any, b: Any) -> None:
    """The rows of the one, then those of the other; a narrower one is filled by nothing."""
    kinds = [("ragged", 0) if isinstance(x, Ragged) else ("plain", x.ndim) for x in (a, b)]
    shapes = [x.shape[1:] if kind[1] > 2 else () for x, kind in zip((a, b), kinds, strict=True)]
    if kinds[0] != kinds[1] or shapes[0] != shapes[1]:
        with pytest.raises(InputError, match="cannot stand in for each other"):
            joined([a, b])
        return
    inner = [x.values.shape[1:] if isinstance(x, Ragged) else x.shape[2:] for x in (a, b)]
    words = [x.dtype.kind == "U" for x in (a, b) if not isinstance(x, Ragged)]
    if inner[0] != inner[1] or any(words) != all(words):
        return
    both: Any = joined([a, b])
    assert len(both) == 2 * ROWS
    for row in range(ROWS):
        for part, offset in ((a, 0), (b, ROWS)):
            given_row, found = np.asarray(part[row]), np.asarray(both[offset + row])
            width = len(given_row) if given_row.ndim == 1 and kinds[0] != ("ragged", 0) else None
            kept = found[:width] if width is not None else found
            assert np.array_equal(kept, given_row, equal_nan=given_row.dtype.kind == "f")


def test_tables_join_by_the_columns_both_have() -> None:
    """What only one has is no column of both."""
    one, other = {"labels": np.zeros((2, 5), int), "scores": np.zeros((2, 5))}, {"labels": [[1]]}
    found = joined_columns([one, {"labels": np.array(other["labels"])}])
    assert list(found) == ["labels"]
    assert found["labels"].tolist() == [[0] * 5, [0] * 5, [1, -1, -1, -1, -1]]


@given(columns(), columns())
def test_other_contents_have_other_bytes(a: Any, b: Any) -> None:
    """So that a run whose references changed is another run."""
    if same(a, b):
        assert content_of(a) == content_of(b)
    assert content_of({"x": a}) != content_of({"y": a})


def test_rows_are_taken_in_any_order() -> None:
    """Also twice, and none."""
    ragged = Ragged.of([[1, 2], [], [3]], np.int64)
    assert [row.tolist() for row in ragged.take(np.array([2, 0, 0, 1]))] == [
        [3],
        [1, 2],
        [1, 2],
        [],
    ]
    assert len(ragged.take(np.array([], dtype=np.int64))) == 0
    assert ragged.lengths.tolist() == [2, 0, 1]
