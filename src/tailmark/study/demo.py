"""The built-in example: one network, one accuracy, and a neighbour who changes its worth.

The neighbour is part of the example and is said so: as many busy processes as there are cores,
awake in bursts, as a backup or a build on a shared machine would be.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scipy.special import bdtrik

from tailmark.analysis.summary import Summary
from tailmark.bench import Progress
from tailmark.measurement import measure
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
            quality={"metric": "top1", "deadlines": ["p90", "p99", "1ms"]},
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
    """What this run shows, in a few sentences; each holds for the numbers it quotes."""
    at = summary.at[summary.first]
    if at.mean is None or at.mean.value is None or at.worst is None or summary.ideal is None:
        return []
    mean, claimed = at.mean.value, summary.ideal.value or 0.0
    chance = _worst_by_chance(mean, summary.samples, summary.rounds)
    answers = (
        f"Every round gave the same answers, {percent(claimed)} of them right. By "
        f"{format_duration(at.deadline_ns)} {percent(at.on_time.value)} of all answers were there."
    )
    bursts = (
        f"Had each been late by chance alone, the worst of {summary.rounds} rounds would deliver "
        f"about {percent(chance)}. It delivered {percent(at.worst)}, with up to "
        f"{at.longest_late_streak} late answers in a row."
    )
    median = format_duration(summary.latency.percentiles[50].value)
    hidden = (
        f"Neither the accuracy nor the median of {median} tells that. "
        "Move the deadline in the report and see."
    )
    return [answers, bursts, hidden]


def _worst_by_chance(quality: float, samples: int, rounds: int) -> float:
    """The median of the worst round, were every answer late independently (binomial)."""
    share = 1 - 0.5 ** (1 / rounds)
    return float(bdtrik(share, samples, quality)) / samples
