"""How likely chance deals answers as they were found, were they exchangeable."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln
from scipy.stats import binom


def all_among(deviating: npt.ArrayLike, tested: npt.ArrayLike, others: npt.ArrayLike) -> float:
    """The chance that all that deviate are among the tested, for every unit.

    Of n others and q tested answers of a unit, in any order, x deviate: all of them are among the
    tested with the chance C(q, x) / C(n + q, x), and units multiply.

    Args:
        deviating: x, shape (units,); none is among the others.
        tested: q, likewise; fractions are read as binomials of gamma functions.
        others: n, likewise.
    """
    x, q, n = (np.asarray(k, dtype=np.float64) for k in (deviating, tested, others))
    return float(math.exp(np.sum(_log_choose(q, x) - _log_choose(n + q, x))))


def _log_choose(n: Any, k: Any) -> Any:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)


def odd_one_out(answers: npt.NDArray[np.int64]) -> float:
    """The chance that the last rater stands alone as often as it does, were it one like the others.

    Of the units on which exactly one rater disagrees with all others, who agree, each is as likely
    to be it: binomial, one-sided.

    Args:
        answers: Shape (raters, units).
    """
    raters = len(answers)
    alone = np.zeros(raters, dtype=np.int64)
    for k in range(raters):
        others = np.delete(answers, k, axis=0)
        alone[k] = ((others == others[0]).all(axis=0) & (answers[k] != others[0])).sum()
    return float(binom.sf(alone[-1] - 1, alone.sum(), 1 / raters))
