"""Many tests at once: p values such that a false alarm among all of them stays as rare."""

from collections.abc import Sequence


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted for being several: Holm's step-down method (1979).

    Whatever the tests have to do with each other, the chance of any false alarm is at most the
    level that adjusted values are held against.

    Args:
        p_values: One a test; None where there was none, which stays and does not count.
    """
    held = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(held):
        highest = max(highest, min(1.0, (len(held) - rank) * p))
        adjusted[place] = highest
    return adjusted
