"""Everything said of a run at one deadline."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tailmark.analysis.grading import Grades
from tailmark.quality.late import SOFT, Policy
from tailmark.stats.estimate import Estimate
from tailmark.stats.rounds import mean_by_round, tail_mean_by_round, tail_quantile

TAILS = (0.05, 0.01)
UNIT = (0.0, 1.0)
"""What a share cannot leave."""

UNGRADED = "in some round no answer was on time to be graded"
"""Why a mean quality is undefined under ``drop``."""


@dataclass(frozen=True, kw_only=True)
class AtDeadline:
    """Everything said at one deadline.

    Args:
        deadline_ns: Resolved.
        label: As it was asked for: ``5ms``, ``p99``.
        on_time: Share of the queries answered by then.
        goodput_per_s: Answers on time per second of a round.
        longest_late_streak: The longest row of late answers in any round.
        mean: Quality at the deadline, over rounds; None without references, as all below.
        hard: The same under ``fail``; None but under ``linear``, ``exponential`` and ``penalty``.
        tail: Lower quantiles of it over rounds, by share.
        cvar: Mean of the rounds below them, by share.
        worst: The worst round.
        rounds: Each round.
        loss: Mean shares of one, by `Grades.losses`; None but under the policy ``fail``.
        counted: Mean number of samples the quality is over.
    """

    deadline_ns: int
    label: str
    on_time: Estimate
    goodput_per_s: Estimate
    longest_late_streak: int
    mean: Estimate | None = None
    hard: Estimate | None = None
    tail: Mapping[float, Estimate] | None = None
    cvar: Mapping[float, Estimate] | None = None
    worst: float | None = None
    rounds: tuple[float, ...] | None = None
    loss: Mapping[str, float] | None = None
    counted: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        plain: dict[str, Any] = {
            "deadline_ns": self.deadline_ns,
            "label": self.label,
            "on_time": self.on_time.to_dict(),
            "goodput_per_s": self.goodput_per_s.to_dict(),
            "longest_late_streak": self.longest_late_streak,
        }
        if self.mean is not None:
            plain |= {
                "mean": self.mean.to_dict(),
                "hard": self.hard.to_dict() if self.hard else None,
                "tail": _by_share(self.tail or {}),
                "cvar": _by_share(self.cvar or {}),
                "worst": _finite(self.worst),
                "rounds": [_finite(q) for q in self.rounds or ()],
                "loss": dict(self.loss) if self.loss else None,
                "counted": self.counted,
            }
        return plain


def said_at(grades: Grades, k: int, label: str, policy: Policy) -> AtDeadline:
    """What the rounds bear at the k-th deadline of ``grades``."""
    on_time = grades.on_time[:, k]
    seconds = np.where(grades.duration_ns > 0, grades.duration_ns / 1e9, np.nan)
    common: dict[str, Any] = {
        "deadline_ns": int(grades.deadlines_ns[k]),
        "label": label,
        "on_time": mean_by_round(on_time, bounds=UNIT),
        "goodput_per_s": mean_by_round(
            on_time * grades.queries / seconds,
            bounds=(0.0, math.inf),
            undefined="some round took no time",
        ),
        "longest_late_streak": int(grades.streak[:, k].max()),
    }
    if grades.quality is None or grades.loss is None:
        return AtDeadline(**common)
    values = grades.quality[:, k]
    return AtDeadline(
        **common,
        mean=mean_by_round(values, bounds=UNIT, undefined=UNGRADED),
        hard=mean_by_round(grades.loss[:, k, 0], bounds=UNIT) if policy.kind in SOFT else None,
        tail={share: tail_quantile(values, share) for share in TAILS},
        cvar={share: tail_mean_by_round(values, share, bounds=UNIT) for share in TAILS},
        worst=_finite(float(np.min(values))),
        rounds=tuple(values.tolist()),
        loss=dict(zip(grades.losses, grades.loss[:, k].mean(axis=0).tolist(), strict=True))
        if policy.kind == "fail"
        else None,
        counted=float(grades.counted[:, k].mean()),
    )


def _by_share(values: Mapping[float, Estimate]) -> dict[str, Any]:
    return {f"{share:g}": e.to_dict() for share, e in values.items()}


def _finite(x: float | None) -> float | None:
    return x if x is not None and np.isfinite(x) else None
