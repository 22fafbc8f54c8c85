"""Whether a system gives the same answers under other conditions, or by chance gives others anyway.

What counts is the label given first, where answers are labels, and else the whole answer; whole
answers (scores and further labels, to the bit) are counted beside.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tailmark.analysis.answers import Book, Given
from tailmark.records.model import Int64s
from tailmark.stats.exchangeable import all_among, odd_one_out

Cause = Literal["conditions", "chance", "unknown"]
ALPHA = 0.005
"""How likely chance may be, to be ruled out; looked at twice, so 1 % in all."""

_MOST_ROUNDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Differing:
    """A sample that was not always answered alike.

    Args:
        index: In the workload.
        id: Its name.
        accuracy: What the accuracy passes answered, and how often.
        given: What was answered under the conditions, and how often.
        restless: Whether the accuracy passes differ among themselves.
    """

    index: int
    id: str
    accuracy: tuple[tuple[str, int], ...]
    given: tuple[tuple[str, int], ...]
    restless: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "index": self.index,
            "id": self.id,
            "accuracy": dict(self.accuracy),
            "given": dict(self.given),
            "restless": self.restless,
        }


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Answers under some conditions beside those of accuracy passes.

    Args:
        samples: Of the workload.
        compared: Those with an answer on both sides.
        passes: Answers of the accuracy passes.
        answers: Under the conditions.
        openings: How often the system was opened, for the passes and for the conditions.
        unanswered: Queries without an answer under the conditions.
        differ: Samples given an answer that no accuracy pass gave, of those whose passes agree.
        whole_differ: The same, of whole answers.
        restless: Samples whose accuracy passes differ among themselves.
        whole_restless: The same, of whole answers.
        p_value: How likely so many would differ so often if the conditions did nothing.
        cause: What the differences come from; None where there are none.
        rounds_to_decide: About how many rounds would say so, where the cause is unknown.
        found: The samples that differ or are restless.
    """

    samples: int
    compared: int
    passes: int
    answers: int
    openings: tuple[int, int]
    unanswered: int
    differ: int
    whole_differ: int
    restless: int
    whole_restless: int
    p_value: float
    cause: Cause | None
    rounds_to_decide: int | None
    found: tuple[Differing, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "samples": self.samples,
            "compared": self.compared,
            "passes": self.passes,
            "answers": self.answers,
            "openings": list(self.openings),
            "unanswered": self.unanswered,
            "differ": self.differ,
            "whole_differ": self.whole_differ,
            "restless": self.restless,
            "whole_restless": self.whole_restless,
            "p_value": self.p_value,
            "cause": self.cause,
            "rounds_to_decide": self.rounds_to_decide,
            "found": [one.to_dict() for one in self.found],
        }


def agreement(
    accuracy: Sequence[Given], tested: Sequence[Given], book: Book, ids: Sequence[str]
) -> Agreement:
    """Compare answers, and say what their differences come from.

    If the conditions did nothing, a sample's answers would be exchangeable: where all n accuracy
    answers of a sample agree and x of its q others do not, the chance that all x of the n + q fell
    among the q is C(q, x) / C(n + q, x), and samples multiply. Where an opening of the system keeps
    to what it said, it may have settled on it when it was opened (kernels chosen anew): openings
    count then, not answers. Where accuracy passes disagree among themselves, only each opening's
    first answer of a sample counts, and of the samples for which exactly one opening stands alone,
    the first tested one is it with an even chance among the openings (binomial).

    Args:
        accuracy: The accuracy passes, one for each time the system was opened.
        tested: What is compared with them, likewise.
        book: That numbered all of them.
        ids: The samples' names.
    """
    label, whole = (_tables(accuracy, tested, column) for column in ("label", "whole"))
    differ, restless = label.differ, label.restless
    p = _odd_one_out([*accuracy, tested[0]]) if restless.any() else label.exchangeable()
    cause: Cause | None = None
    if differ.any() and p < ALPHA:
        cause = "conditions"
    elif restless.any():
        cause = "chance"
    elif differ.any():
        cause = "unknown"
    named = np.flatnonzero(differ | restless).tolist()
    alone, there = (_by_sample(parts, named) for parts in (accuracy, tested))
    return Agreement(
        samples=len(ids),
        compared=int(label.both.sum()),
        passes=sum(len(one.sample) for one in accuracy),
        answers=sum(len(one.sample) for one in tested),
        openings=(len(accuracy), len(tested)),
        unanswered=sum(one.unanswered for one in tested),
        differ=int(differ.sum()),
        whole_differ=int(whole.differ.sum()),
        restless=int(restless.sum()),
        whole_restless=int(whole.restless.sum()),
        p_value=p,
        cause=cause,
        rounds_to_decide=label.rounds_to_decide() if cause == "unknown" else None,
        found=tuple(
            Differing(
                index=i,
                id=ids[i],
                accuracy=_told(alone[i], book),
                given=_told(there[i], book),
                restless=bool(restless[i]),
            )
            for i in named
        ),
    )


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """Of each sample, on both sides; each of shape (samples,).

    Args:
        asked: Of the accuracy passes.
        given: Under the conditions.
        deviating: Those of them that no accuracy pass gave.
    """

    asked: Int64s
    given: Int64s
    deviating: Int64s

    def exchangeable(self, of: npt.NDArray[np.bool_], times: float = 1.0) -> float:
        """The chance of so many, were all alike; had there been so many times more.

        Args:
            of: The samples that count.
            times: How many times more.
        """
        many = (k[of] * times for k in (self.deviating, self.given, self.asked))
        return all_among(*many)


@dataclass(frozen=True, kw_only=True)
class _Tables:
    """Answers by sample; each of shape (samples,).

    Args:
        both: Which samples have an answer on both sides.
        restless: Which have accuracy answers that differ.
        settled: Which are answered alike within each tested opening.
        answers: How many there are.
        openings: In how many openings they were first given.
    """

    both: npt.NDArray[np.bool_]
    restless: npt.NDArray[np.bool_]
    settled: npt.NDArray[np.bool_]
    answers: _Counts
    openings: _Counts

    @property
    def differ(self) -> npt.NDArray[np.bool_]:
        """Which samples are given what no accuracy pass gave, though these agree."""
        return self.both & ~self.restless & (self.answers.deviating > 0)

    def exchangeable(self, times: float = 1.0) -> float:
        """The chance of all that differ, were answers or openings exchangeable."""
        settled, other = self.differ & self.settled, self.differ & ~self.settled
        return self.openings.exchangeable(settled) * self.answers.exchangeable(other, times)

    def rounds_to_decide(self) -> int | None:
        """How many rounds would do, if the same samples differed as often in all of them."""
        rounds = int(np.max(self.answers.asked, initial=1))
        if not (self.differ & ~self.settled).any():
            return None
        for many in range(rounds + 1, _MOST_ROUNDS):
            if self.exchangeable(many / rounds) < ALPHA:
                return many
        return None


def _tables(accuracy: Sequence[Given], tested: Sequence[Given], column: str) -> _Tables:
    samples = tested[0].samples
    width = 1 + max(int(getattr(one, column).max(initial=0)) for one in (*accuracy, *tested))
    alone, there = (
        [one.sample * width + getattr(one, column) for one in k] for k in (accuracy, tested)
    )
    known = np.unique(np.concatenate(alone))

    def count(pairs: Sequence[Int64s]) -> Int64s:
        return np.bincount(np.concatenate(pairs) // width, minlength=samples).astype(np.int64)

    def new(pairs: Sequence[Int64s]) -> list[Int64s]:
        return [one[~np.isin(one, known)] for one in pairs]

    firsts = [
        [one[np.unique(one // width, return_index=True)[1]] for one in k] for k in (alone, there)
    ]
    answers = _Counts(asked=count(alone), given=count(there), deviating=count(new(there)))
    kinds = [np.bincount(np.unique(one) // width, minlength=samples) for one in there]
    return _Tables(
        both=(answers.asked > 0) & (answers.given > 0),
        restless=count([known]) > 1,
        settled=np.max(kinds, axis=0) <= 1,
        answers=answers,
        openings=_Counts(
            asked=count(firsts[0]), given=count(firsts[1]), deviating=count(new(firsts[1]))
        ),
    )


def _odd_one_out(openings: Sequence[Given]) -> float:
    """The chance that the last opening stands alone as often, by each one's first answers."""
    firsts = np.stack([_first(one) for one in openings])
    return odd_one_out(firsts[:, (firsts >= 0).all(axis=0)])


def _first(one: Given) -> Int64s:
    """Each sample's first answer, -1 where it has none; shape (samples,)."""
    first = np.full(one.samples, -1, dtype=np.int64)
    sent, place = np.unique(one.sample, return_index=True)
    first[sent] = one.label[place]
    return first


def _by_sample(parts: Sequence[Given], wanted: Sequence[int]) -> dict[int, Counter[int]]:
    """How often each label was given, for the samples wanted."""
    found: dict[int, Counter[int]] = {i: Counter() for i in wanted}
    for one in parts:
        rows = np.isin(one.sample, wanted)
        for sample, answer in zip(one.sample[rows].tolist(), one.label[rows].tolist(), strict=True):
            found[sample][answer] += 1
    return found


def _told(counts: Counter[int], book: Book) -> tuple[tuple[str, int], ...]:
    return tuple((book.names[answer], times) for answer, times in counts.most_common())
