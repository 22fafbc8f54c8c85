"""What is written is what is read, whatever the facts are."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.records.logbook import differences
from tailmark.records.model import COLUMNS, NEVER, NONE, Manifest, References, Round, Status
from tailmark.records.store import RunWriter, open_run

NANOSECONDS = st.integers(-1, 2**62)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
FACTS = st.dictionaries(TEXT, PLAIN, max_size=3)


def manifest(**changes: Any) -> Manifest:
    """The least a run says of itself."""
    held: dict[str, Any] = {
        "tailmark": "0.1.0",
        "created": "2026-01-01T00:00:00+00:00",
        "experiment": {"rounds": 1},
        "design_id": "d",
        "hashes": {},
        "environment": {},
        "system": {},
        "audit": {},
        "cold_start": {},
    }
    return Manifest(**{**held, **changes})


OPTIONAL = ("started_ns", "preprocess_ns", "inference_ns", "postprocess_ns")
SOME = st.sets(st.sampled_from(OPTIONAL))


@st.composite
def arbitrary_rounds(draw: st.DrawFn, index: int = 0, optional: set[str] | None = None) -> Round:
    """A round of any rows, with these of the optional columns, or with any."""
    rows = draw(st.integers(1, 20))
    present = draw(SOME) if optional is None else optional

    def column(dtype: str, elements: st.SearchStrategy[int]) -> npt.NDArray[Any]:
        return draw(hnp.arrays(dtype, rows, elements=elements))

    return Round(
        index=index,
        facts=draw(FACTS),
        query=column("int64", st.integers(0, 2**62)),
        sample=column("int32", st.integers(0, 2**31 - 1)),
        scheduled_ns=column("int64", NANOSECONDS),
        issued_ns=column("int64", NANOSECONDS),
        completed_ns=column("int64", NANOSECONDS),
        status=column("int8", st.sampled_from([int(s) for s in Status])),
        output_id=np.full(rows, -1, dtype=np.int32),
        **{name: column("int64", NANOSECONDS) for name in present},
    )


def same(a: Round, b: Round) -> bool:
    """Every column and its type, and every fact."""

    def alike(name: str) -> bool:
        x, y = getattr(a, name), getattr(b, name)
        if x is None or y is None:
            return x is y
        return bool(x.dtype == y.dtype and np.array_equal(x, y))

    return a.index == b.index and a.facts == b.facts and all(map(alike, COLUMNS))


@given(st.data(), SOME, st.integers(1, 3))
@settings(max_examples=25)
def test_rounds_come_back_as_they_were(data: st.DataObject, optional: set[str], count: int) -> None:
    """Columns, types, missing values and facts; on their own and as one table."""
    rounds = [data.draw(arbitrary_rounds(i, optional)) for i in range(count)]
    with tempfile.TemporaryDirectory() as folder, RunWriter(Path(folder, "run")) as writer:
        writer.begin(manifest(), References(ids=("a",)))
        for one in rounds:
            writer.append(one, {})
        run = open_run(writer.path)
        assert len(run) == len(rounds)
        assert all(same(a, b) for a, b in zip(run.rounds(), rounds, strict=True))

        table = run.to_arrow()
        assert table.column_names[0] == "round"
        assert table.num_rows == sum(map(len, rounds))
        assert table["sample"].to_pylist() == [int(s) for one in rounds for s in one.sample]
        assert table["status"].to_pylist() == [Status(s).name for one in rounds for s in one.status]
        missing = [int(t) if t != -1 else None for one in rounds for t in one.completed_ns]
        assert table["completed_ns"].to_pylist() == missing


@given(
    st.builds(manifest, experiment=FACTS, environment=FACTS, system=FACTS, hashes=FACTS),
    st.lists(TEXT, min_size=1, max_size=5, unique=True),
    st.data(),
)
@settings(max_examples=25)
def test_what_is_true_of_the_run_comes_back_as_it_was(
    about: Manifest, ids: list[str], data: st.DataObject
) -> None:
    """The manifest, the references with their pictures, and outputs of one and of two axes."""
    labels = data.draw(st.none() | hnp.arrays(np.int64, len(ids)))
    pictures = tuple(data.draw(st.binary(max_size=9)) for _ in ids) or None
    outputs = {
        "labels": data.draw(hnp.arrays(np.int32, (3, 2))),
        "scores": data.draw(hnp.arrays(np.float32, (3, 2))),
        "length": data.draw(hnp.arrays(np.int64, 3)),
    }
    one = data.draw(arbitrary_rounds())
    with tempfile.TemporaryDirectory() as folder, RunWriter(Path(folder, "run")) as writer:
        writer.begin(about, References(ids=tuple(ids), values=labels, thumbnails=pictures))
        writer.append(one, outputs)
        run = open_run(writer.path)
    assert run.manifest == about
    assert run.references.ids == tuple(ids)
    assert run.references.thumbnails == pictures
    if labels is None:
        assert run.references.values is None
    else:
        assert run.references.values is not None
        assert run.references.values.dtype == labels.dtype
        assert np.array_equal(run.references.values, labels)
    for name, values in outputs.items():
        assert run.outputs[name].dtype == values.dtype
        assert run.outputs[name].tobytes() == values.tobytes()


@given(arbitrary_rounds())
def test_a_query_without_an_answer_is_later_than_every_deadline(one: Round) -> None:
    """Its latency is the largest number there is, whatever its columns hold; so is one untold."""
    latency = one.latency_ns()
    answered = one.status == Status.ok
    told = answered & (one.completed_ns != NONE)
    assert (latency[~told] == NEVER).all()
    spent = one.completed_ns - one.scheduled_ns
    assert np.array_equal(latency[told], spent[told])
    if one.inference_ns is not None:
        stage = one.latency_ns("inference")
        assert np.array_equal(stage[told], one.inference_ns[told])
        assert (stage[~told] == NEVER).all()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": {"c": 1, "d": 2}}, {"a": 2, "b": {"c": 1, "d": 3}}, ["a", "b.d"]),
        ({"a": 1}, {"b": None}, ["a"]),
        ({"a": {"b": 1}}, {"a": 1}, ["a"]),
    ],
)
def test_differences_name_each_setting(
    old: dict[str, Any], new: dict[str, Any], found: list[str]
) -> None:
    """By its dotted name; absent and null are alike."""
    assert differences(old, new) == found
    assert differences(new, old) == found
