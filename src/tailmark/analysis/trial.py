"""A prediction held against a run that was measured under that very load."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tailmark.analysis.at_deadline import UNGRADED, UNIT
from tailmark.analysis.grading import check_time, grade, latencies, prepare_grader
from tailmark.analysis.service_times import service_times
from tailmark.errors import InputError
from tailmark.quality.base import Floats, Metric
from tailmark.quality.late import Policy
from tailmark.records.model import Run
from tailmark.stats.differences import difference
from tailmark.stats.estimate import Estimate
from tailmark.stats.percentiles import pooled_percentile
from tailmark.stats.rounds import mean_by_round, tail_quantile
from tailmark.units import format_duration

_NOTABLE = 0.005


class AtOneDeadline(Protocol):
    """What was foretold at a deadline; see `what_if.Foretold`."""

    @property
    def deadline_ns(self) -> int:
        """Resolved."""
        ...

    @property
    def on_time(self) -> Estimate:
        """Share of the queries."""
        ...

    @property
    def mean(self) -> Estimate | None:
        """Quality over rounds."""
        ...

    @property
    def tail(self) -> Estimate | None:
        """Its 5 % quantile."""
        ...


@dataclass(frozen=True, kw_only=True)
class Held:
    """One quantity, foretold and measured.

    Args:
        foretold: With its interval.
        measured: With its own.
        error: Foretold − measured; its interval is made of both.
        inside: Whether the measured value lies in the foretold interval; None without one.
    """

    foretold: Estimate
    measured: Estimate
    error: Estimate
    inside: bool | None

    @classmethod
    def of(cls, foretold: Estimate, measured: Estimate) -> "Held":
        """Hold one against the other."""
        inside = None
        if foretold.low is not None and foretold.high is not None and measured.value is not None:
            inside = foretold.low <= measured.value <= foretold.high
        return cls(
            foretold=foretold,
            measured=measured,
            error=difference(measured, foretold),
            inside=inside,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "foretold": self.foretold.to_dict(),
            "measured": self.measured.to_dict(),
            "error": self.error.to_dict(),
            "inside": self.inside,
        }


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What was foretold, and what was measured.

    Args:
        run: The measured run's name.
        rounds: How many it has.
        qps: The rate that came, median over rounds.
        utilisation: The share of their time that workers were busy.
        latency: Percentiles, by percent.
        at: By deadline: ``on_time``, ``mean`` and ``tail``.
        unlike: What else differs: sentences.
        by_harness: By deadline, the mean share of right answers that a late generator cost; empty
            without references. A simulation's is never late.
    """

    run: str
    rounds: int
    qps: float
    utilisation: Held
    latency: Mapping[float, Held]
    at: Mapping[int, Mapping[str, Held]]
    unlike: tuple[str, ...]
    by_harness: Mapping[int, float]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "run": self.run,
            "rounds": self.rounds,
            "qps": self.qps,
            "utilisation": self.utilisation.to_dict(),
            "latency": {f"{p:g}": held.to_dict() for p, held in self.latency.items()},
            "at": [
                {"deadline_ns": ns, **{name: held.to_dict() for name, held in ones.items()}}
                for ns, ones in self.at.items()
            ],
            "unlike": list(self.unlike),
            "by_harness": [
                {"deadline_ns": ns, "share": share} for ns, share in self.by_harness.items()
            ],
        }


def hold_against(
    real: Run,
    at: Sequence[AtOneDeadline],
    latency: Mapping[float, Estimate],
    utilisation: Estimate,
    *,
    metric: Metric,
    policy: Policy,
    unlike: Sequence[str] = (),
) -> Trial:
    """Measure in a real run what was foretold.

    Args:
        real: Measured under the load.
        at: What was foretold, by deadline, ascending.
        latency: Percentiles, likewise, by percent.
        utilisation: Likewise.
        metric: What quality means.
        policy: What a late answer counts as.
        unlike: What differs between the two.

    Raises:
        InputError: It was measured without a queue.
    """
    if real.stored[0].started_ns is None:
        raise InputError(
            f"{real.name!r} was measured without a queue, so it is no trial of one: measure with "
            "scenario: {kind: server, target_qps: …}"
        )
    time = check_time(real, None)
    grader = prepare_grader(real, metric)
    deadlines = np.array([one.deadline_ns for one in at], dtype=np.int64)
    grades = grade(real, grader, deadlines, policy=policy, time=time)
    late = [np.sort(latencies(real, one, time)) for one in real.rounds()]
    ordered = np.sort(np.concatenate(late))
    held: dict[int, dict[str, Held]] = {}
    cost: dict[int, float] = {}
    if grades.loss is not None:
        part = next(k for k, name in enumerate(grades.losses) if name.endswith("by_harness"))
        cost = {one.deadline_ns: float(grades.loss[:, k, part].mean()) for k, one in enumerate(at)}
    for k, one in enumerate(at):
        pairs = {"on_time": (one.on_time, mean_by_round(grades.on_time[:, k], bounds=UNIT))}
        if grades.quality is not None and one.mean is not None and one.tail is not None:
            values = grades.quality[:, k]
            measured = mean_by_round(values, bounds=UNIT, undefined=UNGRADED)
            pairs["mean"] = (one.mean, measured)
            pairs["tail"] = (one.tail, tail_quantile(values, 0.05))
        held[one.deadline_ns] = {name: Held.of(*pair) for name, pair in pairs.items()}
    return Trial(
        run=real.name,
        rounds=len(real),
        qps=offered_rate(real),
        utilisation=Held.of(utilisation, mean_by_round(_busy(real), bounds=UNIT)),
        latency={p: Held.of(e, pooled_percentile(late, ordered, p)) for p, e in latency.items()},
        at=held,
        unlike=(*unlike, *_late_generator(cost)),
        by_harness=cost,
    )


def _late_generator(cost: Mapping[int, float]) -> list[str]:
    """What a late generator cost at the deadline where it cost most."""
    worst = max(cost, key=lambda ns: cost[ns], default=None)
    if worst is None or cost[worst] < _NOTABLE:
        return []
    points, at = f"{100 * cost[worst]:.1f} points", format_duration(worst)
    return [
        f"its generator was late, which cost {points} at {at}: a simulation's is never late",
    ]


def _busy(real: Run) -> Floats:
    """The share of each round that its workers were busy; shape (rounds,)."""
    service = service_times(real)
    line = service.timeline
    which = np.searchsorted(line.round_began_ns, line.began_ns, side="right") - 1
    busy = np.bincount(which, weights=line.took_ns, minlength=service.rounds)
    last = np.array([max(1, int(one.completed_ns.max(initial=0))) for one in real.rounds()])
    shares: Floats = np.minimum(busy / (service.workers * last), 1.0)
    return shares


def offered_rate(real: Run) -> float:
    """Queries a second that came, median over rounds; infinite where all came at once."""
    rates = []
    for one in real.rounds():
        span = int(one.scheduled_ns.max()) - int(one.scheduled_ns.min())
        rates.append((len(one) - 1) * 1e9 / span if span else float("inf"))
    return float(np.median(rates))
