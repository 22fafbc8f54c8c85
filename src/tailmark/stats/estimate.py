"""A number with its uncertainty."""

import math
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value, and an interval that covers what it estimates with the stated confidence.

    Args:
        value: None where it is not defined.
        low: None where the data cannot bear an interval, and then so is ``high``.
        high: See ``low``.
        confidence: Of the interval.
        n: How many units (rounds) it rests on.
        method: How the interval was made.
        reason: Why there is no value or no interval, and what would help.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int = 0
    method: str = ""
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is not finite becomes null."""
        return {
            key: None if isinstance(x, float) and not math.isfinite(x) else x
            for key, x in asdict(self).items()
        }
