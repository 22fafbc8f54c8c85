"""What runs answered, numbered alike, so that answers of several runs can be compared."""

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np

from tailmark.errors import InputError
from tailmark.records.model import Int64s, Run


@dataclass
class Book:
    """Numbers answers alike over several runs, so that they can be compared.

    Args:
        numbers: By an answer's key.
        names: What people call it, by number.
    """

    numbers: dict[Hashable, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def number(self, key: Hashable, name: str | None = None) -> int:
        """The answer's number, a new one if it was never seen."""
        found = self.numbers.setdefault(key, len(self.numbers))
        if found == len(self.names):
            self.names.append(name or f"answer {found}")
        return found


@dataclass(frozen=True, kw_only=True)
class Given:
    """One opening's answers, in the order they were asked for.

    Args:
        sample: Shape (answers,).
        label: The number of what counts, shape (answers,).
        whole: The number of the whole answer, shape (answers,).
        unanswered: Queries without one.
        samples: Of the workload.
    """

    sample: Int64s
    label: Int64s
    whole: Int64s
    unanswered: int
    samples: int


def answers_of(run: Run, book: Book) -> Given:
    """What a run answered, numbered by the book that all compared runs share.

    Raises:
        InputError: It kept no answers.
    """
    if not run.outputs:
        raise InputError(f"{run.name!r} kept no answers, so there is nothing to compare")
    columns = [run.outputs[name] for name in sorted(run.outputs)]
    count = len(columns[0])
    whole = np.array(
        [book.number(("whole", *(c[row].tobytes() for c in columns))) for row in range(count)],
        dtype=np.int64,
    )
    label = whole
    labels = run.outputs.get("labels")
    if isinstance(labels, np.ndarray):
        first = labels.reshape(count, -1)[:, 0].tolist()
        label = np.array([book.number(("label", n), str(n)) for n in first], dtype=np.int64)
    samples, outputs, rows = [], [], 0
    for one in run.rounds():
        there = one.output_id >= 0
        rows += len(one)
        samples.append(one.sample[there].astype(np.int64))
        outputs.append(one.output_id[there])
    output = np.concatenate(outputs)
    return Given(
        sample=np.concatenate(samples),
        label=label[output],
        whole=whole[output],
        unanswered=rows - len(output),
        samples=len(run.references),
    )
