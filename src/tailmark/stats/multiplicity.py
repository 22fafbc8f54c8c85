"""Many tests at once: what each is worth when all of them were made. Knows no test."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError

Floats = npt.NDArray[np.float64]
P = float | None


def holm(p_values: Sequence[P]) -> list[P]:
    """P values adjusted so that any false alarm at all is as rare as one test claims.

    Holm (1979): the i-th smallest of m is multiplied by m − i + 1, and none falls below a smaller
    one. It holds however the tests depend on each other.

    Args:
        p_values: From 0 to 1; a test that was not made (None or NaN) stays and counts for none.

    Raises:
        InputError: One is no probability.
    """
    return _adjusted(p_values, _holm)


def benjamini_hochberg(p_values: Sequence[P]) -> list[P]:
    """P values adjusted so that only so many of the alarms are expected to be false.

    Benjamini & Hochberg (1995): the i-th smallest of m is multiplied by m / i, and none exceeds a
    larger one. It holds for independent tests, and for those that go together (Benjamini &
    Yekutieli 2001).

    Args:
        p_values: As for `holm`.

    Raises:
        InputError: One is no probability.
    """
    return _adjusted(p_values, _benjamini_hochberg)


def confidence_each(
    intervals: int, confidence: float = 0.95, *, way: Literal["bonferroni", "sidak"] = "bonferroni"
) -> float:
    """The confidence that each of so many intervals needs for all of them to hold at once.

    Args:
        intervals: How many.
        confidence: Of all of them together.
        way: ``bonferroni`` holds whatever they share; ``sidak`` is narrower by a hair, and holds
            for two-sided intervals of normal estimates.

    Raises:
        InputError: There are none, or the confidence is no share.
    """
    if intervals < 1 or not 0 < confidence < 1:
        raise InputError(
            f"{intervals!r} intervals at {confidence!r}: give 1 or more, and more than 0 and less "
            "than 1, as 0.95"
        )
    return confidence ** (1 / intervals) if way == "sidak" else 1 - (1 - confidence) / intervals


def _adjusted(p_values: Sequence[P], of: Callable[[Floats], Floats]) -> list[P]:
    held = np.array([math.nan if p is None else p for p in p_values], dtype=np.float64)
    made = np.flatnonzero(~np.isnan(held))
    beyond = made[(held[made] < 0) | (held[made] > 1)]
    if beyond.size:
        raise InputError(f"p value {p_values[beyond[0]]!r} is no probability: give 0 to 1")
    order = made[np.argsort(held[made], kind="stable")]
    found: list[P] = list(p_values)
    for place, p in zip(order.tolist(), of(held[order]).tolist(), strict=True):
        found[place] = p
    return found


def _holm(ascending: Floats) -> Floats:
    times = np.arange(len(ascending), 0, -1)
    return np.minimum(np.maximum.accumulate(ascending * times), 1.0)


def _benjamini_hochberg(ascending: Floats) -> Floats:
    many = len(ascending)
    times = many / np.arange(1, many + 1)
    found: Floats = np.minimum.accumulate((ascending * times)[::-1])[::-1]
    return np.minimum(found, 1.0)
