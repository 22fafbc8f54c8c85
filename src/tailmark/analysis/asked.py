"""What is asked of a run: the metric, the deadlines and who lends answers, where nobody says."""

from collections.abc import Iterable
from pathlib import Path

from tailmark.analysis.grading import Lent, lend
from tailmark.errors import InputError
from tailmark.quality.base import Metric
from tailmark.quality.choose import choose
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


def metric_of(run: Run, metric: str | Metric | None) -> Metric:
    """The metric that is asked for; else the run's own, or `DEFAULT_METRIC`.

    Whoever names a metric that is code has it imported; a run that names one has not.

    Raises:
        InputError: There is none of that name.
    """
    if isinstance(metric, str):
        return choose(metric, code=True)
    declared = run.manifest.experiment.get("quality", {}).get("metric")
    return metric or choose(declared or DEFAULT_METRIC)


def lender(
    run: Run, fallback: Run | str | Path | None, policy: Policy, metric: Metric
) -> Lent | None:
    """Who lends answers to a run, where late ones are replaced by another's.

    Raises:
        InputError: None is given, or its answers cannot be graded.
    """
    if policy.kind != "fallback":
        return None
    if fallback is None:
        raise InputError(
            "on_late 'fallback' needs the run that lends its answers: give --fallback RUN"
        )
    return lend(run, as_run(fallback), metric)
