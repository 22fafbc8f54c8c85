"""What is asked of a run: the metric, the deadlines and who lends answers, where nobody says."""

from collections.abc import Iterable
from pathlib import Path

from tailmark.analysis.grading import prepare_grader
from tailmark.errors import InputError
from tailmark.quality.base import Grader
from tailmark.quality.late import Policy
from tailmark.records.model import NEVER, Int64s, Run
from tailmark.records.store import as_run
from tailmark.stats.quantiles import latency_percentile
from tailmark.units import Deadline, Percentile, format_duration, parse_deadline

DEFAULT_DEADLINES = ("p90", "p95", "p99")
DEFAULT_METRIC = "top1"


def resolve(asked: Iterable[str | int | Deadline], ordered: Int64s) -> dict[int, str]:
    """Deadlines in nanoseconds, ascending, each with how it was asked for.

    Raises:
        InputError: Not a deadline, or a percentile that was never answered.
    """
    found: dict[int, list[str]] = {}
    for text in asked:
        deadline = parse_deadline(text)
        if isinstance(deadline, Percentile):
            ns = latency_percentile(ordered, deadline.percent)
            if ns == NEVER:
                raise InputError(
                    f"the deadline {deadline} cannot be had: too many queries have no answer; "
                    "name a lower percentile or a time"
                )
            label = str(deadline)
        else:
            ns, label = deadline, format_duration(deadline, 6).replace(" ", "")
        labels = found.setdefault(ns, [])
        if label not in labels:
            labels.append(label)
    if not found:
        raise InputError("no deadline is given: name one, such as 20ms or p99")
    return {ns: ", ".join(labels) for ns, labels in sorted(found.items())}


def unanswered(asked: str | int | Deadline, ordered: Int64s) -> bool:
    """Whether it is a percentile that lies beyond the last answer."""
    deadline = parse_deadline(asked)
    if not isinstance(deadline, Percentile):
        return False
    return latency_percentile(ordered, deadline.percent) == NEVER


def lender(
    fallback: Run | str | Path | None, policy: Policy, metric: str
) -> tuple[Run, Grader] | None:
    """The other run and its grader, where late answers are replaced by another's.

    Raises:
        InputError: None is given, or its answers cannot be graded.
    """
    if policy.kind != "fallback":
        return None
    if fallback is None:
        raise InputError(
            "on_late 'fallback' needs the run that lends its answers: give --fallback RUN"
        )
    other = as_run(fallback)
    grader = prepare_grader(other, metric)
    if grader is None:
        raise InputError(f"{other.name!r} has no references, so its answers cannot be graded")
    return other, grader
