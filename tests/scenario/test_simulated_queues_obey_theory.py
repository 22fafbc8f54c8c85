"""Mean waits of simulated queues are those that queueing theory gives in closed form.

Each rule: the mean over independent long runs lies within four of its standard errors of the
formula, which chance breaks once in some thousands of tests at worst (t with 39 degrees).
"""

import math

import numpy as np
import pytest

from tailmark.scenario.base import Schedule
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.simulate import simulate

_RUNS, _QUERIES, _SETTLING = 40, 24_000, 4_000
_SERVICE_NS = 1e6


def erlang_c(workers: int, load: float) -> float:
    """The chance to wait in M/M/c (Erlang 1917); ``load`` is of each worker."""
    offered = workers * load
    last = offered**workers / math.factorial(workers) / (1 - load)
    return last / (sum(offered**k / math.factorial(k) for k in range(workers)) + last)


@pytest.mark.parametrize(
    ("workers", "load", "law", "waits"),
    [
        (1, 0.3, "M", 0.3 / 0.7),
        (1, 0.8, "M", 0.8 / 0.2),
        (1, 0.8, "D", 0.8 / 0.2 / 2),
        (2, 0.6, "M", erlang_c(2, 0.6) / (2 * 0.4)),
        (4, 0.7, "M", erlang_c(4, 0.7) / (4 * 0.3)),
    ],
    ids=["M/M/1 at 30 %", "M/M/1 at 80 %", "M/D/1 at 80 %", "M/M/2 at 60 %", "M/M/4 at 70 %"],
)
def test_the_mean_wait_is_the_formulas(workers: int, load: float, law: str, waits: float) -> None:
    """In units of the mean service time: Pollaczek and Khinchine's for one worker, Erlang's."""
    means = []
    for seed in range(_RUNS):
        random = np.random.default_rng([seed, workers, int(100 * load)])
        gaps = random.exponential(_SERVICE_NS / (workers * load), _QUERIES)
        times = (
            random.exponential(_SERVICE_NS, _QUERIES)
            if law == "M"
            else np.full(_QUERIES, _SERVICE_NS)
        )
        schedule = Schedule(
            sample=np.zeros(_QUERIES, dtype=np.int32), due_ns=np.cumsum(gaps).astype(np.int64)
        )
        found = simulate(schedule, Queueing(workers=workers), times.astype(np.int64))
        waited = (found.started_ns - found.scheduled_ns)[_SETTLING:]
        means.append(waited.mean() / _SERVICE_NS)
    error = np.std(means, ddof=1) / math.sqrt(_RUNS)
    assert abs(np.mean(means) - waits) < 4 * error
    assert error < 0.05 * waits  # or the rule would hold of anything
