"""The built-in example: one network, one accuracy, and a neighbour who changes its worth.

The neighbour is part of the example and is said so: as many busy processes as there are cores,
awake in bursts, as a backup or a build on a shared machine would be.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tailmark.analysis.summary import Summary
from tailmark.measurement import Progress, measure
from tailmark.records.environment import usable_cores
from tailmark.records.model import Run
from tailmark.report.html import write_report
from tailmark.report.sentences import percent
from tailmark.system.digits import DigitsNetwork
from tailmark.units import format_duration
from tailmark.workload.digits import Digits

ROUNDS = 80
_BURST_S, _PERIOD_S = 0.9, 4.5
_NEIGHBOUR = f"""
import os, random, time
chance = random.Random(7)
parent = os.getppid()
while os.getppid() == parent:
    asleep = time.monotonic() + chance.uniform(0.5, 1.5) * {_PERIOD_S - _BURST_S}
    while time.monotonic() < asleep and os.getppid() == parent:
        time.sleep(0.05)
    until = time.monotonic() + chance.uniform(0.5, 1.5) * {_BURST_S}
    while time.monotonic() < until:
        sum(range(10_000))
"""


def demo(
    out: str | Path,
    *,
    rounds: int = ROUNDS,
    progress: Callable[[Progress], object] | None = None,
) -> Run:
    """Measure the built-in network beside its neighbour and write ``report.html`` into the run.

    Args:
        out: The run directory.
        rounds: How many.
        progress: Told between rounds how far it is.
    """
    with _neighbour():
        run = measure(
            Digits(),
            DigitsNetwork(),
            out=out,
            rounds=rounds,
            quality={"metric": "top1", "deadlines": ["1ms", "p90", "p99"]},
            progress=progress,
        )
    write_report(run, Path(out) / "report.html")
    return run


@contextmanager
def _neighbour() -> Iterator[None]:
    """Other people's work, in bursts that all cores see at once."""
    busy = [
        subprocess.Popen([sys.executable, "-c", _NEIGHBOUR])  # noqa: S603 - our own words
        for _ in range(usable_cores())
    ]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def lesson(summary: Summary) -> list[str]:
    """What this run shows, in two or three sentences; each holds for the numbers it quotes."""
    at = summary.at[summary.first]
    if at.mean is None or at.rounds is None or summary.ideal is None:
        return []
    deadline = format_duration(at.deadline_ns)
    claimed, best = summary.ideal.value or 0.0, max(at.rounds)
    spread = (
        f"Every round gave the same answers: {percent(claimed)} of them right. Yet at {deadline} "
        f"one round delivered {percent(best)} and another {percent(at.worst)}."
    )
    said = [spread]
    lost = claimed - (at.mean.value or 0.0)
    if lost > 0 and at.worst is not None:
        times = (claimed - at.worst) / lost
        said.append(
            f"On average lateness cost {percent(lost)}; in the worst round {times:.1f} times as "
            f"much, with up to {at.longest_late_streak} late answers in a row: lateness comes in "
            "bursts, and an average hides them."
        )
    p50 = summary.latency.percentiles[50].value
    said.append(
        f"The median latency of {format_duration(p50)} tells nothing of it. "
        "Move the deadline in the report and see."
    )
    return said
