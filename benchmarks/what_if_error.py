"""What `what_if` foretells of loads that are then measured: the error, deadline by deadline.

Give it an experiment. It is measured single-stream, and then as a server at shares of the capacity
that this shows; what the single-stream rounds foretell is held against what came. All loads are
measured in turn, a few rounds of each and again, so that whatever else the machine does falls on
all alike. ``--out DIR`` keeps the runs, and if it holds them already they are only read.
"""

import argparse
import tempfile
from pathlib import Path

from tailmark import Run, WhatIf, capacity_qps, load_experiment, open_run, run_experiment, what_if
from tailmark.analysis.trial import Held
from tailmark.units import format_duration

SINGLE = "single-stream"


def measured(
    experiment: str,
    loads: list[float],
    out: Path,
    *,
    turns: int,
    rounds: int,
    queries: int,
    settings: list[str],
) -> None:
    """Measure ``turns`` times some rounds of each load."""
    rates: dict[float, float] = {}
    for turn in range(1, turns + 1):
        for load in [None, *loads]:
            place = out / (SINGLE if load is None else f"load-{load:g}")
            scenario = f"kind: {SINGLE}"
            if load is not None:
                rate = rates.setdefault(load, load * capacity_qps(out / SINGLE))
                scenario = f"kind: server, target_qps: {rate:.3f}"
            asked = [f"rounds={turn * rounds}", f"scenario={{{scenario}, queries: {queries}}}"]
            found = load_experiment(experiment, [*settings, *asked])
            run_experiment(found, out=place, resume=place.exists())
            print(f"  turn {turn} of {turns}: {place.name}", flush=True)


def line(name: str, held: Held) -> str:
    """One quantity: foretold, measured, the error in points with its interval, and whether in."""
    told, came, error = held.foretold, held.measured, held.error

    def share(x: float | None) -> str:
        return "–" if x is None else f"{100 * x:5.1f}"

    ends = f"{share(told.low)} to {share(told.high)}" if told.low is not None else "no interval"
    off = "–" if error.value is None else f"{100 * error.value:+5.1f}"
    reach = (
        ""
        if error.low is None or error.high is None
        else f"({100 * error.low:+.1f} to {100 * error.high:+.1f})"
    )
    inside = {True: "inside", False: "outside", None: ""}[held.inside]
    return (
        f"    {name:22} foretold {share(told.value)} % ({ends})  measured {share(came.value)} %"
        f"  error {off} {reach:16} {inside}"
    )


def show(load: float, found: WhatIf) -> None:
    """One load."""
    trial = found.trial
    assert trial is not None
    print(
        f"\n{100 * load:.0f} % of the capacity: {found.qps:.0f} of {found.capacity_qps:.0f} "
        f"queries a second, {trial.rounds} rounds"
    )
    for ns, ones in trial.at.items():
        for name, held in ones.items():
            print(line(f"{name} at {format_duration(ns)}", held))
    print(line("utilisation", trial.utilisation))
    for percent, held in trial.latency.items():
        told, came = held.foretold, held.measured
        ends = f"{format_duration(told.low)} to {format_duration(told.high)}"
        print(
            f"    p{percent:<21g} foretold {format_duration(told.value)} ({ends})  "
            f"measured {format_duration(came.value)}"
        )
    for sentence in (*trial.unlike, *found.warnings):
        print(f"    note: {sentence}")


def main() -> None:
    """Measure, foretell, print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("experiment", help="an experiment file")
    arguments.add_argument("--loads", type=float, nargs="+", default=[0.3, 0.6, 0.9])
    arguments.add_argument("--turns", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=2, help="of each load in a turn")
    arguments.add_argument("--queries", type=int, default=500, help="of a round")
    arguments.add_argument("--by", default=SINGLE, help="the load that foretells: load-0.3")
    arguments.add_argument("--deadlines", nargs="+", default=None)
    arguments.add_argument("--set", nargs="+", default=[], dest="settings")
    arguments.add_argument("--out", type=Path, help="keep the runs here")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = given.out or Path(scratch)
        if not (out / SINGLE).exists():
            out.mkdir(parents=True, exist_ok=True)
            measured(
                given.experiment,
                given.loads,
                out,
                turns=given.turns,
                rounds=given.rounds,
                queries=given.queries,
                settings=given.settings,
            )
        recorded: Run = open_run(out / given.by)
        for load in given.loads:
            real = out / f"load-{load:g}"
            show(load, what_if(recorded, against=real, deadlines=given.deadlines, rounds=400))


if __name__ == "__main__":
    main()
