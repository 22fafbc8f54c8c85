"""Which rate to try next: doubling or halving to a bracket, then bisecting. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tailmark.analysis.gate import Outcome
from tailmark.analysis.peak import bracket
from tailmark.errors import InputError

_HALVINGS = 4
"""At a sixteenth of what a system can answer, queries hardly ever meet."""


@dataclass(frozen=True, kw_only=True)
class RateSearch:
    """A search for the highest rate that passes.

    Args:
        start_qps: Where to begin.
        within: The bracket's ends lie no further apart than this share, as 0.05.
        up_to_qps: No rate above it is tried.
        at_most: So many rates are tried.

    Raises:
        InputError: A setting that means nothing.
    """

    start_qps: float
    within: float = 0.05
    up_to_qps: float = math.inf
    at_most: int = 20

    def __post_init__(self) -> None:
        """Refuse what means nothing."""
        for name, given in (("from", self.start_qps), ("up to", self.up_to_qps)):
            if math.isnan(given) or given <= 0:
                raise InputError(f"{name} is {given:g} queries a second: give more than zero")
        if not math.isfinite(self.start_qps):
            raise InputError(f"from is {self.start_qps:g} queries a second: give a number")
        if not 0.001 <= self.within < 1:
            raise InputError(f"within is {self.within:g}: give a share from 0.001 to 1, as 0.05")
        if self.at_most < 1:
            raise InputError(f"candidates is {self.at_most}: give 1 or more")

    @property
    def first_qps(self) -> float:
        """The start, no higher than allowed."""
        return self._rounded(min(self.start_qps, self.up_to_qps))

    @property
    def lowest_qps(self) -> float:
        """Below it, halving ends."""
        return self._rounded(self.first_qps / 2**_HALVINGS)

    def next(self, outcomes: Mapping[float, Outcome]) -> float | None:
        """The rate to try; None at the end, and `ended` says why.

        Args:
            outcomes: Of the rates tried, in any order.
        """
        if not outcomes:
            return self.first_qps
        if len(outcomes) >= self.at_most:
            return None
        low, high = bracket(outcomes)
        if high is None:
            if low is None or low >= self.up_to_qps:
                return None
            return self._rounded(min(2 * low, self.up_to_qps))
        if low is None:
            return max(self._rounded(high / 2), self.lowest_qps) if high > self.lowest_qps else None
        middle = self._rounded(math.sqrt(low * high))
        return middle if not self._near(low, high) and low < middle < high else None

    def ended(self, outcomes: Mapping[float, Outcome]) -> str:
        """Why there is no next rate; a sentence without its full stop."""
        low, high = bracket(outcomes)
        if high is not None and low is not None and self._near(low, high):
            return f"the bracket is within {100 * self.within:g} %"
        if low is None and high is not None and high <= self.lowest_qps:
            return f"not even {high:g} queries a second pass, where queries hardly ever meet"
        if high is None and low is not None and low >= self.up_to_qps:
            return f"{low:g} queries a second pass, and no more were to be tried"
        if len(outcomes) >= self.at_most:
            return f"{len(outcomes)} rates were tried, the most allowed"
        return "there is no rate between the ends of the bracket"

    def _near(self, low: float, high: float) -> bool:
        return high <= low * (1 + self.within)

    def _rounded(self, qps: float) -> float:
        """To as many digits as the search can tell apart, so that rates can be read."""
        digits = 2 - math.floor(math.log10(self.within))
        return float(f"{qps:.{digits}g}")
