"""What this machine can resolve: its timer, its scheduler, and what we ourselves add to a query.

Runs in short before every measurement and is stored with it, so that a reader can tell a slow
system from a machine that could not have measured a fast one.
"""

from array import array
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tailmark.clock import Clock, MonotonicClock
from tailmark.decode.labels import Labels
from tailmark.drive.closed_loop import issue
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.recording import Recording
from tailmark.records.environment import governor, load_average, usable_cores
from tailmark.system.function import Function
from tailmark.workload.digits import Digits

_SHORT, _FULL = 50, 500
_QUERIES = 20_000
_HOPS = 2_000
_NAP_NS = 200_000
_NEAR = 10.0


@dataclass(frozen=True, kw_only=True)
class Audit:
    """Measured just now, in nanoseconds unless the name says otherwise.

    Args:
        timer_step_ns: Smallest step the clock shows.
        timer_cost_ns: What reading it costs, median.
        wakeup_p50_ns: How late a sleep of 200 µs ends, median.
        wakeup_p99_ns: The same, 99th percentile.
        harness_p50_ns: Latency recorded for a query that does nothing, median.
        harness_p99_ns: The same, 99th percentile.
        hop_p50_ns: The same through an isolated process, median; None if not asked for.
        hop_p99_ns: The same, 99th percentile.
        governor: The processor's frequency governor, where the kernel shows one.
        load: Runnable processes over the last minute.
        cores: Cores this process may use.
    """

    timer_step_ns: int
    timer_cost_ns: float
    wakeup_p50_ns: float
    wakeup_p99_ns: float
    harness_p50_ns: float
    harness_p99_ns: float
    hop_p50_ns: float | None
    hop_p99_ns: float | None
    governor: str | None
    load: float | None
    cores: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data, what can be resolved included."""
        return {**asdict(self), "resolvable_ns": self.resolvable_ns}

    @property
    def resolvable_ns(self) -> float:
        """The shortest deadline at which a hundredth of it is not the harness's own doing."""
        return _NEAR * max(self.harness_p99_ns, self.timer_cost_ns, self.timer_step_ns)

    def warnings(self) -> list[str]:
        """Sentences on what stands between this machine and a clean measurement."""
        said = []
        if self.governor not in (None, "performance"):
            said.append(
                f"the CPU governor is {self.governor!r}, so clock speed follows load: "
                "'performance' gives steadier times"
            )
        if self.load is not None and self.load > self.cores * 0.75:
            said.append(
                f"the machine was busy before the run (load {self.load:g} on {self.cores} cores): "
                "the tail holds other people's work too"
            )
        return said


def audit(*, full: bool = True, isolated: bool | None = None, clock: Clock | None = None) -> Audit:
    """Measure the machine.

    Args:
        full: Take the time for steady tails (half a second); otherwise a tenth of that.
        isolated: Whether to measure the hop to another process; by default if ``full``.
        clock: Instead of the machine's.
    """
    clock = clock or MonotonicClock()
    step, cost = _timer(clock.now_ns)
    wakeup = _wakeups(clock, _FULL if full else _SHORT)
    harness = _null_queries(clock.now_ns)
    hops = _hops(clock.now_ns) if (full if isolated is None else isolated) else None
    return Audit(
        timer_step_ns=step,
        timer_cost_ns=cost,
        wakeup_p50_ns=_quantile(wakeup, 0.5),
        wakeup_p99_ns=_quantile(wakeup, 0.99),
        harness_p50_ns=_quantile(harness, 0.5),
        harness_p99_ns=_quantile(harness, 0.99),
        hop_p50_ns=_quantile(hops, 0.5) if hops is not None else None,
        hop_p99_ns=_quantile(hops, 0.99) if hops is not None else None,
        governor=governor(),
        load=load_average(),
        cores=usable_cores(),
    )


def _quantile(values: Any, q: float) -> float:
    return float(np.quantile(values, q))


def _timer(now: Callable[[], int]) -> tuple[int, float]:
    stamps = array("q", bytes(8 * _QUERIES))
    for i in range(_QUERIES):
        stamps[i] = now()
    gaps = np.diff(np.frombuffer(stamps, dtype=np.int64))
    moving = gaps[gaps > 0]
    return (int(moving.min()) if len(moving) else 0), float(np.median(gaps))


def _wakeups(clock: Clock, count: int) -> Any:
    late = np.empty(count)
    for i in range(count):
        due = clock.now_ns() + _NAP_NS
        clock.sleep_ns(_NAP_NS)
        late[i] = clock.now_ns() - due
    return late


def _null_queries(now: Callable[[], int]) -> Any:
    recording = Recording(_QUERIES)
    issue(np.zeros(_QUERIES, dtype=np.int32), [None], _null, recording, now)
    return recording.column("completed") - recording.column("issued")


def _null(batch: object) -> None:
    del batch


def no_work(batch: object) -> Any:
    """A system that does nothing, in a module another process can import it from."""
    del batch
    return np.zeros((1, 1), dtype=np.int64)


def _hops(now: Callable[[], int]) -> Any:
    system = Function(call="tailmark.machine:no_work")
    spent = np.empty(_HOPS)
    with IsolatedService(Digits(), system, Labels(), "inference", timeout_ns=10**10) as service:
        for i in range(_HOPS):
            began = now()
            service.ask([0])
            spent[i] = now() - began
    return spent
