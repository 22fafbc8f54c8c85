"""A table of round, sample, latency, output and reference becomes a run."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import InputError
from tailmark.records.model import NEVER, NONE, Round, Run, Status

HEADER = "round,sample,latency_ms,output,reference\n"
TABLE = HEADER + "1,a,2,cat,cat\n1,b,3.5,dog,cat\n2,b,,,cat\n2,a,0.5,cat,cat\n"


def table(folder: Path, text: str, name: str = "t.csv") -> Path:
    """The file."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def imported(folder: Path, text: str, **options: Any) -> Run:
    """The run of a table."""
    return tailmark.import_csv(table(folder, text), out=folder / "run", **options)


def labels(run: Run, one: Round) -> list[int | None]:
    """What each row was answered."""
    best = run.outputs["labels"][:, 0]
    return [int(best[k]) if k != NONE else None for k in one.output_id]


def test_rows_become_rounds(tmp_path: Path) -> None:
    """In the table's order, one query after another; a row without a latency is lost."""
    run = imported(tmp_path, TABLE)
    assert run.references.ids == ("a", "b")
    first, second = run.rounds()
    assert first.sample.tolist() == [0, 1]
    assert first.latency_ns().tolist() == [2_000_000, 3_500_000]
    assert first.scheduled_ns.tolist() == first.issued_ns.tolist() == [0, 2_000_000]
    assert first.facts["duration_ns"] == 5_500_000
    assert second.sample.tolist() == [1, 0]
    assert second.latency_ns().tolist() == [NEVER, 500_000]
    assert second.status.tolist() == [Status.lost, Status.ok]
    assert labels(run, first) == [0, 1]
    assert labels(run, second) == [None, 0]
    assert run.references.values is not None
    assert run.references.values.tolist() == [0, 0]
    assert run.manifest.experiment["decode"]["classes"] == ["cat", "dog"]
    assert run.manifest.counts["lost"] == 1
    assert run.complete


def test_a_summary_is_what_the_rows_say(tmp_path: Path) -> None:
    """Late and lost answers are wrong, and the run's doubts are told."""
    summary = tailmark.summarize(imported(tmp_path, TABLE), deadlines=["1ms", "10ms"])
    assert [at.rounds for at in summary.at] == [(0.0, 0.5), (0.5, 0.5)]
    assert summary.ideal is not None
    assert summary.ideal.value == 0.5
    said = " ".join(summary.warnings)
    for words in ("environment", "one after another", "1 of 4 queries have no answer"):
        assert words in said


@pytest.mark.parametrize(
    ("unit", "value", "ns"),
    [("ns", "1500", 1500), ("us", "1.5", 1500), ("ms", "0.0015", 1500), ("s", "1.5e-6", 1500)],
)
def test_the_unit_is_the_column_s_or_named(unit: str, value: str, ns: int, tmp_path: Path) -> None:
    """``latency_us`` says it, and ``--unit`` says it for a column that does not."""
    for name, text, options in (
        ("own", f"round,sample,latency_{unit}\n1,a,{value}\n", {}),
        ("named", f"round,sample,latency\n1,a,{value}\n", {"unit": unit}),
        ("other", f"round,sample,took\n1,a,{value}\n", {"latency": "took", "unit": unit}),
        ("ending", f"round,sample,took_{unit}\n1,a,{value}\n", {"latency": f"took_{unit}"}),
    ):
        file = table(tmp_path, text)
        run = tailmark.import_csv(file, out=tmp_path / name, **options)
        assert run.stored[0].latency_ns().tolist() == [ns]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("comma.csv", TABLE),
        ("tab.tsv", TABLE.replace(",", "\t")),
        ("semicolon.csv", TABLE.replace(",", ";")),
        ("mark.csv", "\ufeff" + TABLE),
        ("windows.csv", TABLE.replace("\n", "\r\n")),
        ("spaces.csv", TABLE.replace(",", " , ")),
        ("case.csv", TABLE.replace("round,sample", "Round,SAMPLE")),
        ("quoted.csv", TABLE.replace("cat", '"cat"').replace("round", '"round"')),
        ("more.csv", "note," + TABLE.replace("\n", "\nx,", 4)),
        ("no-end.csv", TABLE.rstrip("\n")),
    ],
)
def test_tables_are_written_in_many_ways(name: str, text: str, tmp_path: Path) -> None:
    """Separators, line ends, quotes, case, spaces and columns beside ours change nothing."""
    plain = tailmark.import_csv(table(tmp_path, TABLE), out=tmp_path / "plain")
    run = tailmark.import_csv(table(tmp_path, text, name), out=tmp_path / "other")
    assert run.to_arrow().equals(plain.to_arrow())
    assert run.references.ids == plain.references.ids
    assert np.array_equal(run.outputs["labels"], plain.outputs["labels"])


def test_columns_may_be_named(tmp_path: Path) -> None:
    """Any table will do, if it is said which column is what."""
    text = "pass,image,Time (ms),says,truth\n1,a,2,cat,cat\n"
    run = imported(
        tmp_path,
        text,
        round="pass",
        sample="image",
        latency="Time (ms)",
        unit="ms",
        output="says",
        reference="truth",
        timed="inference",
    )
    assert run.stored[0].latency_ns().tolist() == [2_000_000]
    assert run.manifest.experiment["timed"] == "inference"
    assert tailmark.summarize(run, deadlines=["5ms"]).at[0].rounds == (1.0,)


@pytest.mark.parametrize("named", [False, True])
def test_ranked_outputs_are_graded_by_both_metrics(named: bool, tmp_path: Path) -> None:
    """``output_1`` is the best; or columns are named in their order."""
    names = [f"guess{k}" if named else f"output_{k}" for k in range(1, 6)]
    text = (
        f"round,sample,latency_ms,{','.join(names)},reference\n"
        "1,a,1,3,2,1,0,4,3\n1,b,1,3,2,1,0,4,4\n1,c,1,3,2,1,0,4,9\n"
    )
    run = imported(tmp_path, text, output=names if named else ())
    for metric, share in (("top1", 1 / 3), ("top5", 2 / 3)):
        ideal = tailmark.summarize(run, metric=metric).ideal
        assert ideal is not None
        assert ideal.value == pytest.approx(share)


@pytest.mark.parametrize(
    ("rounds", "order"),
    [
        (["1", "2", "10"], [0, 1, 2]),
        (["10", "2", "1"], [2, 1, 0]),
        (["-1", "7.0", "3"], [0, 2, 1]),
        (["b", "a", "c"], [0, 1, 2]),
        (["1", "2a", "0"], [0, 1, 2]),
    ],
)
def test_rounds_may_be_numbered_in_any_way(
    rounds: list[str], order: list[int], tmp_path: Path
) -> None:
    """Whole numbers are taken in ascending order, any text as it comes."""
    lines = [f"{name},a,{k + 1}" for k, name in enumerate(rounds)]
    run = imported(tmp_path, "\n".join(["round,sample,latency_ns", *lines]) + "\n")
    assert [int(one.latency_ns()[0]) - 1 for one in run.rounds()] == order


def test_rows_of_several_rounds_may_alternate(tmp_path: Path) -> None:
    """A round's rows keep their order wherever they stand."""
    text = "round,sample,latency_ns,output\n2,a,1,5\n1,a,2,6\n2,b,3,7\n1,b,4,5\n2,a,5,6\n"
    run = imported(tmp_path, text)
    first, second = run.rounds()
    assert first.latency_ns().tolist() == [2, 4]
    assert second.latency_ns().tolist() == [1, 3, 5]
    assert second.sample.tolist() == [0, 1, 0]
    assert labels(run, first) == [6, 5]
    assert labels(run, second) == [5, 7, 6]


@pytest.mark.parametrize(
    ("output", "reference", "answered", "right", "names"),
    [
        ("3", "3.0", 3, 3, None),
        ("-1", "0", -1, 0, None),
        ("007", "7", 7, 7, None),
        ("3", "cat", 1, 0, ["cat", "3"]),
        ("3.5", "3", 1, 0, ["3", "3.5"]),
        ("9999999999", "1", 1, 0, ["1", "9999999999"]),
        ("nan", "null", 1, 0, ["null", "nan"]),
    ],
)
def test_labels_are_numbers_if_all_are(
    output: str,
    reference: str,
    answered: int,
    right: int,
    names: list[str] | None,
    tmp_path: Path,
) -> None:
    """``3`` and ``3.0`` are one label; one word makes all of them words."""
    run = imported(tmp_path, f"{HEADER}1,a,1,{output},{reference}\n")
    assert labels(run, run.stored[0]) == [answered]
    assert run.references.values is not None
    assert run.references.values.tolist() == [right]
    assert run.manifest.experiment.get("decode", {}).get("classes") == names


def test_sample_names_are_text(tmp_path: Path) -> None:
    """``007`` stays as it is written."""
    run = imported(tmp_path, "round,sample,latency_ns\n1,007,1\n1,7,2\n")
    assert run.references.ids == ("007", "7")


@pytest.mark.parametrize("text", ["", "nan", "NaN", "NA", "inf", "null", "None", " "])
def test_many_words_say_that_no_answer_came(text: str, tmp_path: Path) -> None:
    """Whatever wrote the table had its own."""
    run = imported(tmp_path, f"round,sample,latency_ms\n1,a,{text}\n1,b,1\n")
    assert run.stored[0].status.tolist() == [Status.lost, Status.ok]


def test_without_references_punctuality_is_told(tmp_path: Path) -> None:
    """A table without that column, or with an empty one, is a run without quality."""
    for name, text in (
        ("lacking", "round,sample,latency_ms,output\n1,a,1,3\n"),
        ("empty", HEADER + "1,a,1,3,\n1,b,1,4,\n"),
        ("no outputs", HEADER + "1,a,1,,\n"),
    ):
        run = tailmark.import_csv(table(tmp_path, text), out=tmp_path / name)
        assert run.references.values is None
        assert tailmark.summarize(run).ideal is None


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing": ("", {}, "has no header"),
    "a header alone": (HEADER, {}, "has a header and no rows"),
    "no round": (
        "sample,latency_ms\na,1\n",
        {},
        "has no column 'round': it has 'sample', 'latency_ms'; name it by --round COLUMN",
    ),
    "a misspelt sample": (
        "round,smaple,latency_ms\n1,a,1\n",
        {},
        "has no column 'sample' (did you mean 'smaple'?)",
    ),
    "no latency": ("round,sample\n1,a\n", {}, "name it by --latency COLUMN --unit ms"),
    "no unit": (
        "round,sample,latency\n1,a,1\n",
        {},
        "does not say in what unit its column 'latency' is: give --unit (ns, us, ms, s)",
    ),
    "an unknown unit": (
        "round,sample,latency\n1,a,1\n",
        {"unit": "h"},
        "unit 'h' is unknown: give ns, us, ms, s",
    ),
    "two units": (
        "round,sample,latency_ms\n1,a,1\n",
        {"unit": "s"},
        "unit 's' is not what the column 'latency_ms' says",
    ),
    "two latencies": (
        "round,sample,latency_ms,latency_s\n1,a,1,1\n",
        {},
        "has the columns 'latency_ms' and 'latency_s': say which by --latency",
    ),
    "a column that is not there": (
        TABLE,
        {"output": "answer"},
        "has no column 'answer': it has 'round', 'sample'",
    ),
    "a column twice": ("round,round,sample,latency_ms\n1,1,a,1\n", {}, "has two columns 'round'"),
    "output in two ways": (
        "round,sample,latency_ms,output,output_1\n1,a,1,1,1\n",
        {},
        "has a column 'output' and one 'output_1': say which by --output",
    ),
    "a latency that is a word": (
        HEADER + "1,a,1,1,1\n1,b,soon,1,1\n",
        {},
        "row 2: the latency is 'soon': give a number, zero or more",
    ),
    "no answer at all": (HEADER + "1,a,,,3\n2,a,,,3\n", {}, "no query was answered"),
    "a negative latency": (HEADER + "1,a,-1,1,1\n", {}, "row 1: the latency is '-1'"),
    "an endless negative latency": (HEADER + "1,a,-inf,1,1\n", {}, "the latency is '-inf'"),
    "a latency beyond numbers": (HEADER + "1,a,1e999,1,1\n", {}, "the latency is '1e999'"),
    "latencies of ages": (
        "round,sample,latency_s\n1,a,6e9\n1,b,6e9\n",
        {},
        "are they in another unit than s?",
    ),
    "an empty sample": (HEADER + "1,,1,1,1\n", {}, "row 1: the column 'sample' is empty"),
    "an empty round": (HEADER + "1,a,1,1,1\n ,a,1,1,1\n", {}, "row 2: the column 'round' is empty"),
    "an answer without what was answered": (
        HEADER + "1,a,1,1,1\n1,b,1,,1\n",
        {},
        "row 2: there is a latency and no 'output'",
    ),
    "a rank without a label": (
        "round,sample,latency_ms,output_1,output_2\n1,a,1,1,2\n1,b,1,1,\n",
        {},
        "row 2: there is a latency and no 'output_2'",
    ),
    "references without outputs": (
        "round,sample,latency_ms,reference\n1,a,1,1\n",
        {},
        "has references and no outputs",
    ),
    "an empty reference": (
        HEADER + "1,a,1,1,1\n1,b,1,1,\n",
        {},
        "row 2: the reference is empty",
    ),
    "two references of a sample": (
        HEADER + "1,a,1,1,1\n1,b,1,1,7\n2,a,1,1,2\n",
        {},
        "sample 'a' has the reference '1' in row 1 and '2' in row 3: give one",
    ),
    "a row too short": (HEADER + "1,a,1,1,1\n1,b\n", {}, "cannot be read as a table"),
    "what was timed": (TABLE, {"timed": "all"}, "timed is 'all'"),
}


@pytest.mark.parametrize("kind", sorted(BAD))
def test_a_table_that_cannot_be_used_is_one_sentence(kind: str, tmp_path: Path) -> None:
    """The column or the row is named; nothing is left behind."""
    text, options, says = BAD[kind]
    with pytest.raises(InputError) as refused:
        imported(tmp_path, text, **options)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_files_that_are_no_tables_are_one_sentence(tmp_path: Path) -> None:
    """Missing, a directory, or no text."""
    with pytest.raises(InputError, match="does not exist"):
        tailmark.import_csv(tmp_path / "nowhere.csv", out=tmp_path / "run")
    with pytest.raises(InputError, match="cannot be read"):
        tailmark.import_csv(tmp_path, out=tmp_path / "run")
    binary = tmp_path / "binary.csv"
    binary.write_bytes(bytes(range(128, 256)))
    with pytest.raises(InputError, match="is not UTF-8 text"):
        tailmark.import_csv(binary, out=tmp_path / "run")
    binary.write_bytes(HEADER.encode() + b"1,\xff\xfe,1,1,1\n")
    with pytest.raises(InputError, match="cannot be read as a table"):
        tailmark.import_csv(binary, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
