"""Law: whatever rounds are written as a table, its import holds the same ones."""

import csv
import io
import shutil
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tailmark
from tailmark.records.model import NEVER, NONE

WORDS = st.text(
    st.characters(categories=("L", "N", "P", "S"), include_characters=" "), min_size=1, max_size=5
).map(lambda text: f"w{text}w")
"""Labels and names of any letters and signs; never a number, nor with spaces around."""


@dataclass(frozen=True)
class Row:
    """One query: a sample, how long its answer took (None: it never came), what it was."""

    sample: str
    latency_ns: int | None
    output: str | int


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[list[Row]], dict[str, str | int]]:
    """Rounds of rows, and each sample's reference."""
    labels: st.SearchStrategy[str | int] = WORDS if draw(st.booleans()) else st.integers(-5, 5)
    names = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    latency = st.one_of(st.none(), st.integers(0, 10**12))
    row = st.builds(Row, st.sampled_from(names), latency, labels)
    rounds = draw(st.lists(st.lists(row, min_size=1, max_size=5), min_size=1, max_size=3))
    if all(one.latency_ns is None for rows in rounds for one in rows):
        rounds.append([Row(names[0], 1, draw(labels))])  # a table without answers is refused
    return rounds, {name: draw(labels) for name in names}


@settings(max_examples=40)  # each is a run on disk
@given(held=tables(), delimiter=st.sampled_from(",;\t"))
def test_a_written_table_comes_back(
    held: tuple[list[list[Row]], dict[str, str | int]],
    delimiter: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Samples, order, latencies, losses, answers and references, by their own names."""
    rounds, right = held
    folder = tmp_path_factory.mktemp("table")
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(["round", "sample", "latency_ns", "output", "reference"])
    for number, rows in enumerate(rounds):
        for row in rows:
            took = "" if row.latency_ns is None else row.latency_ns
            writer.writerow([number, row.sample, took, row.output, right[row.sample]])
    file = folder / "table.csv"
    file.write_text(text.getvalue(), encoding="utf-8", newline="")
    run = tailmark.import_csv(file, out=folder / "run")

    names = run.manifest.experiment.get("decode", {}).get("classes")

    def label(number: int) -> str | int:
        return str(names[number]) if names else number

    assert len(run) == len(rounds)
    assert run.references.values is not None
    for one, rows in zip(run.rounds(), rounds, strict=True):
        assert [run.references.ids[k] for k in one.sample] == [row.sample for row in rows]
        for j, row in enumerate(rows):
            if row.latency_ns is None:
                assert one.latency_ns()[j] == NEVER
                assert one.output_id[j] == NONE
            else:
                assert one.latency_ns()[j] == row.latency_ns
                assert label(int(run.outputs["labels"][one.output_id[j], 0])) == row.output
            assert label(int(run.references.values[one.sample[j]])) == right[row.sample]
    shutil.rmtree(folder)
