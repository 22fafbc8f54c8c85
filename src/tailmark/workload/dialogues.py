"""Dialogues whose utterances are labelled one by one, as in MELD's emotions.

Source: Poria et al., MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in
Conversations, 2019 (declare-lab/MELD), whose columns are the defaults.
"""

import csv
import io
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.errors import WorkloadError, nearest
from tailmark.records.ragged import Ragged
from tailmark.workload.base import Samples, digest
from tailmark.workload.text_file import read_text

Texts = npt.NDArray[np.str_]


@dataclass(frozen=True)
class _Utterance:
    text: str
    label: int


@dataclass(frozen=True, kw_only=True)
class Dialogues:
    """A CSV file of utterances. A sample is an array of texts, shape (utterances,).

    Args:
        path: The file, with a header.
        unit: What a sample is: a whole ``dialogue``, answered with a label for each utterance, or
            one ``utterance``, of shape (1,).
        labels: What the classes are called, in the order of the model's; null for the file's own,
            sorted.
        text_column: What was said.
        label_column: Which class it is of.
        dialogue_column: Which dialogue it is of.
        utterance_column: Its number in the dialogue, which is its place there.
        encoding: Of the file.
    """

    path: Path
    unit: Literal["dialogue", "utterance"] = "dialogue"
    labels: tuple[str, ...] | None = None
    text_column: str = "Utterance"
    label_column: str = "Emotion"
    dialogue_column: str = "Dialogue_ID"
    utterance_column: str = "Utterance_ID"
    encoding: str = "utf-8"

    def open(self) -> Samples:
        """Read the file; dialogues come in its order.

        References are class numbers, a row a dialogue, or one an utterance. Utterances know which
        dialogue they follow each other in.

        Raises:
            WorkloadError: A missing file or column, or a value that cannot be used; the first is
                named.
        """
        rows = self._rows()
        labels = self._classes(rows)
        dialogues = self._by_dialogue(rows, labels)
        if self.unit == "dialogue":
            ids = tuple(dialogues)
            samples = [_texts(list(one.values())) for one in dialogues.values()]
            of_each = [[said.label for said in one.values()] for one in dialogues.values()]
            references: Any = Ragged.of(of_each, np.int64)
            sequences = None
        else:
            ids = tuple(f"{name}.{number}" for name, one in dialogues.items() for number in one)
            said = [said for one in dialogues.values() for said in one.values()]
            samples = [_texts([one]) for one in said]
            references = np.array([one.label for one in said], dtype=np.int64)
            lengths = [len(one) for one in dialogues.values()]
            sequences = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
        return Samples(
            ids=ids,
            load=samples.__getitem__,
            prepare=_as_it_is,
            fingerprint=digest(json.dumps(one.tolist()).encode() for one in samples),
            references=references,
            classes=len(labels),
            sequences=sequences,
        )

    def _rows(self) -> list[tuple[int, dict[str, str]]]:
        """Line numbers, and values by column."""
        reader = csv.DictReader(io.StringIO(read_text(self.path, self.encoding), newline=""))
        try:
            header = reader.fieldnames or []
            for name in ("text", "label", "dialogue", "utterance"):
                column = getattr(self, f"{name}_column")
                if column not in header:
                    raise WorkloadError(
                        f"{str(self.path)!r} has no column {column!r}{nearest(column, header)}: it "
                        f"has {', '.join(header) or 'none'}; name it with {name}_column"
                    )
            rows = [(reader.line_num, row) for row in reader]
        except csv.Error as cause:
            raise WorkloadError(f"{str(self.path)!r} cannot be read as CSV: {cause}") from cause
        if not rows:
            raise WorkloadError(f"{str(self.path)!r} has no utterances: give at least one row")
        for line, row in rows:
            for column in (self.text_column, self.label_column, self.dialogue_column):
                if not row[column]:
                    raise self._wrong(line, column, row[column], "give a text that is not empty")
        return rows

    def _classes(self, rows: list[tuple[int, dict[str, str]]]) -> dict[str, int]:
        """The number of each label."""
        names = self.labels
        if names is None:
            names = tuple(sorted({row[self.label_column] for _, row in rows}))
        if len(set(names)) < len(names) or not names:
            raise WorkloadError(
                f"workload.labels is {list(names)}: name each class once, in the model's order"
            )
        return {name: number for number, name in enumerate(names)}

    def _by_dialogue(
        self, rows: list[tuple[int, dict[str, str]]], labels: dict[str, int]
    ) -> dict[str, dict[int, _Utterance]]:
        """Utterances by dialogue and number, in the order of their numbers."""
        dialogues: dict[str, dict[int, _Utterance]] = {}
        for line, row in rows:
            label = row[self.label_column]
            if label not in labels:
                known = f"{', '.join(labels)}{nearest(label, labels)}"
                raise self._wrong(line, self.label_column, label, f"workload.labels are {known}")
            number = self._number(line, row[self.utterance_column])
            dialogue = dialogues.setdefault(row[self.dialogue_column], {})
            if number in dialogue:
                raise self._wrong(
                    line,
                    self.utterance_column,
                    row[self.utterance_column],
                    f"dialogue {row[self.dialogue_column]!r} has it already; give each number once",
                )
            dialogue[number] = _Utterance(row[self.text_column], labels[label])
        return {name: dict(sorted(one.items())) for name, one in dialogues.items()}

    def _number(self, line: int, text: str | None) -> int:
        try:
            return int(text or "")
        except ValueError:
            raise self._wrong(line, self.utterance_column, text, "give a whole number") from None

    def _wrong(self, line: int, column: str, value: str | None, allowed: str) -> WorkloadError:
        return WorkloadError(f"{str(self.path)!r} line {line} has {column} {value!r}: {allowed}")

    def describe(self) -> dict[str, Any]:
        """The settings; of the path, the last part (the contents' hash is in the run)."""
        labels = None if self.labels is None else list(self.labels)
        return {"kind": "dialogues", **asdict(self), "path": self.path.name, "labels": labels}


def _texts(said: list[_Utterance]) -> Texts:
    return np.array([one.text for one in said])


def _as_it_is(raw: Texts) -> Texts:
    return raw
