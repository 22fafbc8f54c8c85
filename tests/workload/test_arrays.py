"""Arrays become samples, or the first thing that does not fit is named."""

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailmark.errors import WorkloadError
from tailmark.records.ragged import Ragged
from tailmark.testing import check_workload
from tailmark.workload.arrays import Arrays, read_npz

RAGGED = Ragged.of([[1, 2], [], [3]], np.int64)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five samples of two inputs, with labels."""
    path = tmp_path / "samples.npz"
    np.savez(path, pixels=np.arange(20.0).reshape(5, 4), hints=np.arange(5), label=[0, 1, 2, 1, 0])
    return path


def test_one_array_is_one_input(file: Path) -> None:
    """The first axis is the samples."""
    samples = Arrays(path=file, input="pixels", reference="label", classes=3).open()
    assert len(samples) == 5
    assert np.asarray(samples.prepare(samples.load(3))).tolist() == [12, 13, 14, 15]
    assert samples.references is not None
    assert samples.references.tolist() == [0, 1, 2, 1, 0]


def test_several_arrays_are_inputs_by_name(file: Path) -> None:
    """A model of several inputs gets each under its name."""
    samples = Arrays(path=file, input=("pixels", "hints"), reference=None).open()
    sample: Any = samples.prepare(samples.load(2))
    assert set(sample) == {"pixels", "hints"}
    assert sample["hints"] == 2
    assert samples.references is None


@pytest.mark.parametrize(
    "references",
    [
        np.array([0.5, -2.5, 1e9]),
        np.array([[0.5, 1], [2, 3], [4, 5]], np.float32),
        np.arange(3 * 4 * 2, dtype=np.uint8).reshape(3, 4, 2),
        np.array([[-1, 2], [3, -1], [5, 6]]),
        np.array([True, False, True]),
        np.array(["yes", "no", "maybe so"]),
    ],
)
def test_references_of_any_kind_are_kept_as_they_are(tmp_path: Path, references: Any) -> None:
    """Values, label maps, several labels a sample, truths and texts; from a file, too."""
    np.savez(tmp_path / "samples.npz", inputs=np.zeros(3), references=references)
    for workload in (
        Arrays(path=tmp_path / "samples.npz"),
        Arrays(inputs=np.zeros(3), references=references),
    ):
        check_workload(workload)
        kept = workload.open().references
        assert kept.dtype == references.dtype
        assert np.array_equal(kept, references)


def test_references_may_be_rows_of_different_lengths_or_come_by_column(file: Path) -> None:
    """Rows from code; columns from a file, too."""
    assert Arrays(inputs=np.zeros(3), references=RAGGED).open().references is RAGGED
    by_column = {"items": RAGGED, "values": [0.5, 1, 2]}
    workload = Arrays(inputs=np.zeros(3), references=by_column)
    check_workload(workload)
    kept = workload.open().references
    assert kept["items"] is RAGGED
    assert kept["values"].tolist() == [0.5, 1, 2]
    of_file = Arrays(path=file, input="pixels", reference=("label", "hints"))
    check_workload(of_file)
    columns = of_file.open().references
    assert {name: values.tolist() for name, values in columns.items()} == {
        "label": [0, 1, 2, 1, 0],
        "hints": [0, 1, 2, 3, 4],
    }


def test_an_input_and_a_column_of_references_may_have_the_same_name() -> None:
    """They are told apart by what they are for."""
    workload = Arrays(inputs={"boxes": np.zeros((3, 4))}, references={"boxes": RAGGED})
    samples = workload.open()
    assert samples.references["boxes"] is RAGGED
    sample: Any = samples.load(0)
    assert sample["boxes"].tolist() == [0, 0, 0, 0]


def test_it_keeps_the_workload_contract(file: Path) -> None:
    """From a file, from memory, with one input and with several."""
    check_workload(Arrays(path=file, input="pixels", reference="label"))
    check_workload(Arrays(path=file, input=("pixels", "hints"), reference=None))
    check_workload(Arrays(inputs=np.zeros((3, 2)), references=[0, 1, 1], classes=2))
    check_workload(Arrays(inputs={"a": np.zeros((3, 2)), "b": np.ones(3)}))


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        (
            {"input": "pixel"},
            r"no array 'pixel' \(did you mean 'pixels'\?\): it holds hints, label",
        ),
        ({"reference": "labels"}, r"no array 'labels' \(did you mean 'label'\?\)"),
        ({"input": ("pixels", "hint")}, r"no array 'hint' \(did you mean 'hints'\?\)"),
        ({"classes": 2}, "sample 2 has label 2, labels are 0 to 1"),
        ({"reference": ("label", "pixel")}, r"no array 'pixel' \(did you mean 'pixels'\?\)"),
    ],
)
def test_settings_that_do_not_fit_the_file_are_named(
    file: Path, given_: dict[str, Any], says: str
) -> None:
    """With the nearest name, or the range allowed."""
    with pytest.raises(WorkloadError, match=says):
        Arrays(**{"path": file, "input": "pixels", "reference": "label", **given_}).open()


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({}, r"no samples: give path \(an .npz file\) or, from code, inputs"),
        ({"inputs": np.zeros((0, 3))}, "the workload has no samples"),
        (
            {"inputs": np.zeros(3), "references": [1, 2]},
            r"differ in length \(inputs 3, references 2",
        ),
        ({"inputs": {"a": np.zeros(3), "b": np.zeros(4)}}, r"differ in length \(a 3, b 4\)"),
        ({"inputs": np.zeros(2), "references": [0.5, np.nan]}, "a reference that is NaN or inf"),
        ({"inputs": np.zeros(2), "references": [None, 1]}, "'references' is of type object: give"),
        ({"inputs": np.zeros(2), "references": [[1], [1, 2]]}, "give them as a Ragged"),
        (
            {"inputs": np.zeros(2), "references": {"values": [0.5, 1], "items": RAGGED}},
            r"differ in length \(inputs 2, values 2, items 3\)",
        ),
        ({"inputs": np.zeros(2), "references": [0, -2]}, "sample 1 has label -2"),
        ({"inputs": np.float64(3)}, "array 'inputs' is a single number"),
        ({"inputs": np.zeros(1), "references": 3}, "array 'references' is a single number"),
    ],
)
def test_arrays_from_code_that_do_not_fit_are_refused(given_: dict[str, Any], says: str) -> None:
    """As those of a file are."""
    with pytest.raises(WorkloadError, match=says):
        Arrays(**given_).open()


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    """Opening a stranger's file must not run a stranger's code."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "trap.npz", inputs=np.array([Trap()], dtype=object))
    with pytest.raises(WorkloadError, match=r"cannot be read as \.npz"):
        Arrays(path=tmp_path / "trap.npz", reference=None).open()
    assert not (tmp_path / "sprung").exists()


def test_a_file_that_is_not_npz_is_named(tmp_path: Path) -> None:
    """Missing, empty, a folder, a single array, and plain text."""
    np.save(tmp_path / "one.npy", np.arange(3))
    (tmp_path / "empty.npz").touch()
    (tmp_path / "text.npz").write_text("hello")
    for name, says in {
        "absent.npz": "does not exist",
        "one.npy": "one array without a name: save it by np.savez",
        "empty.npz": "cannot be read",
        "text.npz": "cannot be read",
        ".": "cannot be read",
    }.items():
        with pytest.raises(WorkloadError, match=says):
            read_npz(tmp_path / name)


@given(st.integers(0, 5000), st.integers(0, 255), st.none() | st.integers(0, 5000))
@settings(max_examples=150)
def test_a_damaged_file_is_read_or_refused_and_never_anything_else(
    place: int, value: int, cut: int | None
) -> None:
    """Whatever NumPy raises on broken bytes becomes one sentence."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, inputs=np.arange(300.0).reshape(100, 3), references=np.arange(100))
    broken = bytearray(buffer.getvalue())
    broken[place % len(broken)] = value
    with tempfile.NamedTemporaryFile(suffix=".npz") as file:
        file.write(bytes(broken[:cut]))
        file.flush()
        try:
            held = read_npz(Path(file.name))
        except WorkloadError as error:
            said = str(error)
        else:
            said = file.name
            assert all(isinstance(values, np.ndarray) for values in held.values())
        assert file.name in said
