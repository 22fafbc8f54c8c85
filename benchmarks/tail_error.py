"""How many inferences the 5 % tail of quality takes: the error of each model as rounds add up.

Simulated systems of known truth: 500 samples of which 78 % are answered right, each with a latency
of its own, a deadline near p90; rounds that are independent, and rounds that share a factor. Each
trial measures many rounds; every model is fitted to the first 5, 7, 10 … of them and asked for the
5 % quantile of a round's quality. The empirical quantile is what one reads off the rounds. Where
the paper's rule (rJSD, arXiv 2212.13925) stops is found on the same rounds.

Some minutes: ``--trials 40`` for a quick look, ``--plot FILE.svg`` (or ``.png``) for the picture.
"""

import argparse
import math
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from tailmark import Rjsd
from tailmark.analysis.forecasting import MODELS, fit, learn
from tailmark.analysis.grading import prepare_grader
from tailmark.records.model import Run
from tailmark.stats.poisson_binomial import poisson_binomial
from tailmark.stats.rounds import tail_quantile

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from analysis.handmade import make_round, make_run

SAMPLES = 500
RIGHT = 0.78
TAIL = 0.05
OWN, NOISE = 0.05, 0.1  # sd of log latency: of samples, and of one inference
SYSTEMS = {"independent rounds": 0.0, "round effects": 0.05}  # sd of what a round shares
ROUNDS = (5, 7, 10, 14, 20, 28, 40, 56, 80, 112, 160, 224, 448)
MORE = (640, 896)  # for the empirical quantile alone
SIZES = (*ROUNDS, *MORE)
EMPIRICAL = "empirical"
STOP, ERROR, WIDTH = "rJSD stops", "error", "width of 95 % intervals"
NAMES = (EMPIRICAL, *MODELS)
COMPARED = (28, 160)
EVERY = 4  # of the trials, one asks for intervals too, which take most of the time
STOPS = 6
GOALS = {("independent rounds", "independent"): 4.0, ("round effects", "round-effects"): 1.7}

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]


class System(NamedTuple):
    """What is measured, and what is true of it."""

    own: Floats
    right: npt.NDArray[np.bool_]
    shared: float
    deadline_ns: int
    truth: float


@cache
def system(shared: float) -> System:
    """One whose deadline is near p90, where the 5 % lies well within a step of the quality.

    Were it on the edge of a step, the truth would be a toss-up between two qualities.
    """
    random = np.random.default_rng(5)
    own = OWN * random.standard_normal(SAMPLES)
    right = random.permutation(SAMPLES) < RIGHT * SAMPLES
    at = np.linspace(-0.5, 0.5, 4001)
    on_time = ndtr((at[:, None] - own) / math.hypot(NOISE, shared)).mean(axis=1)
    found = []
    for share in np.linspace(0.895, 0.905, 11):
        deadline = float(np.interp(share, on_time, at))
        chances = exact(own[right], shared, deadline)
        up_to = np.cumsum(chances)
        row = int(np.searchsorted(up_to, TAIL))
        off_centre = abs((up_to[row] - TAIL) / chances[row] - 0.5)
        truth = System(own, right, shared, int(5e6 * math.exp(deadline)), row / SAMPLES)
        found.append((off_centre, truth))
    return min(found, key=lambda one: one[0])[1]


def exact(own: Floats, shared: float, deadline: float) -> Floats:
    """How many are right and on time: Poisson-binomial given what a round shares, integrated."""
    node = np.linspace(-5, 5, 101) if shared else np.zeros(1)
    weight = np.exp(-(node**2) / 2) / np.exp(-(node**2) / 2).sum()
    given = [poisson_binomial(ndtr((deadline - own - shared * one) / NOISE)) for one in node]
    chances: Floats = weight @ np.array(given)
    return chances


def measured(one: System, random: np.random.Generator, rounds: int) -> Int64s:
    """Latencies in nanoseconds, shape (rounds, samples)."""
    common = one.shared * random.standard_normal((rounds, 1))
    noise = NOISE * random.standard_normal((rounds, SAMPLES))
    return (5e6 * np.exp(one.own + common + noise)).astype(np.int64)


def run_of(one: System, latency_ns: Int64s) -> Run:
    """The same as a run."""
    answers = one.right.astype(int).tolist()
    rounds = [make_round(row.tolist(), answers, index=r) for r, row in enumerate(latency_ns)]
    return make_run(rounds, [1] * SAMPLES)


def trial(shared: float, number: int) -> Floats:
    """Value, low and high by name and number of rounds: shape (names, sizes, 3)."""
    one = system(shared)
    latency = measured(one, np.random.default_rng([number, round(100 * shared)]), SIZES[-1])
    quality = ((latency <= one.deadline_ns) & one.right).mean(axis=1)
    run = run_of(one, latency[: ROUNDS[-1]])
    grader = prepare_grader(run, "top1")
    assert grader is not None
    found = np.full((len(NAMES), len(SIZES), 3), np.nan)
    for k, rounds in enumerate(SIZES):
        e = tail_quantile(quality[:rounds], TAIL)
        found[0, k] = [math.nan if x is None else x for x in (e.value, e.low, e.high)]
    for k, rounds in enumerate(ROUNDS):
        trained = learn(run, grader, one.deadline_ns, "inference", rounds=range(rounds))
        for j, name in enumerate(MODELS, 1):
            model = fit(name, trained, number)
            value = model.forecast.quantile(TAIL)
            found[j, k, 0] = value
            if number % EVERY == 0:
                likely = model.quantiles(np.full(len(model.means), TAIL))
                low, high = np.quantile(likely, [0.025, 0.975])
                found[j, k, 1:] = min(low, value), max(high, value)
    return found


def stop(shared: float, number: int) -> int:
    """After how many rounds the paper's rule stops; the most there are if not before."""
    one = system(shared)
    random = np.random.default_rng([number, round(100 * shared)])
    run = run_of(one, measured(one, random, SIZES[-1]))
    rule = Rjsd(0.02, warm=5, every=2, window=5)
    looks = rule.looks(SIZES[-1])
    stored = list(run.rounds())
    for due in looks:
        if rule.look(replace(run, stored=stored[:due]), looks).stop:
            return due
    return SIZES[-1]


def errors(values: Floats, truth: float) -> Floats:
    """Root mean square over trials, no less than a tenth of a step; shape (names, sizes)."""
    return np.asarray(np.sqrt(((values - truth) ** 2).mean(axis=0)).clip(0.1 / SAMPLES))


def needed(rounds: tuple[int, ...], error: Floats, wanted: float) -> float:
    """Rounds until the error is first so small, on the log-log curve; within the curve."""
    falling = np.log(np.minimum.accumulate(error))[::-1]
    return float(np.exp(np.interp(math.log(wanted), falling, np.log(rounds)[::-1])))


def ratio(error: Floats, name: str) -> float:
    """Rounds the empirical quantile takes over those a model takes: the geometric mean.

    Over errors from the one that the empirical quantile reaches by the first number of rounds in
    `COMPARED` to that of the last; NaN where the model does not get there. A model that is there
    from its first point on counts as needing that many rounds.
    """
    model = error[NAMES.index(name), : len(ROUNDS)]
    ends = [float(error[0, : SIZES.index(rounds) + 1].min()) for rounds in COMPARED]
    if ends[-1] < model.min():
        return math.nan
    wanted = np.geomspace(ends[0], ends[-1], 20)
    logs = [math.log(needed(SIZES, error[0], e) / needed(ROUNDS, model, e)) for e in wanted]
    return math.exp(float(np.mean(logs)))


def table(name: str, found: Floats, truth: float) -> list[dict[str, Any]]:
    """Print what each number of rounds gives; the rows of the picture."""
    values, low, high = np.moveaxis(found, -1, 0)
    error = errors(values, truth)
    rows: list[dict[str, Any]] = []
    print(f"{'rounds':>6}{'inferences':>11}" + "".join(f"{one:>22}" for one in NAMES))
    for k, rounds in enumerate(SIZES):
        line = f"{rounds:>6}{rounds * SAMPLES:>11,}"
        for j, one in enumerate(NAMES[: len(NAMES) if rounds in ROUNDS else 1]):
            row = {"system": name, "model": one, "inferences": rounds * SAMPLES}
            rows.append({**row, "what": ERROR, "share": float(error[j, k])})
            told = "-"
            some = np.isfinite(low[:, j, k])
            if some.sum() > len(found) / EVERY / 2:
                width = float(np.median((high - low)[some, j, k]))
                held = (low[some, j, k] <= truth) & (truth <= high[some, j, k])
                told = f"{width:.4f} {100 * held.mean():4.0f} %"
                rows.append({**row, "what": WIDTH, "share": width})
            line += f"{error[j, k]:>8.4f}{told:>14}"
        print(line)
    return rows


def compared(name: str, values: Floats, truth: float) -> None:
    """Print how many times fewer inferences each model takes, and the goals."""
    random = np.random.default_rng(0)
    again = [values[random.integers(len(values), size=len(values))] for _ in range(200)]
    ends = f"{COMPARED[0]} to {COMPARED[-1]}"
    print(f"fewer inferences than the empirical quantile, at the error it has after {ends} rounds:")
    for one in MODELS:
        times = ratio(errors(values, truth), one)
        if math.isnan(times):
            print(f"  {one:<14}   never that good")
            continue
        low, high = np.nanquantile(
            [ratio(errors(trials, truth), one) for trials in again], [0.025, 0.975]
        )
        goal = GOALS.get((name, one))
        met = f"; goal ≥ {goal:g}×: {'met' if times >= goal else 'NOT met'}" if goal else ""
        print(f"  {one:<14}{times:>5.1f}×  ({low:.1f} to {high:.1f}, trials resampled){met}")


def stopped(name: str, stops: list[int], error: Floats) -> dict[str, Any]:
    """Print where the paper's rule stops, and who is as good earlier; the picture's row."""
    middle = int(np.median(stops))
    there = float(np.exp(np.interp(math.log(middle), np.log(SIZES), np.log(error[0]))))
    more = " or more" if max(stops) == SIZES[-1] else ""
    print(
        f"the paper's rule (rJSD ≤ 0.02) stops after {middle} rounds ({min(stops)} to {max(stops)}"
        f"{more}; {len(stops)} trials), {middle * SAMPLES:,} inferences; the empirical quantile's "
        f"error is {there:.4f} there"
    )
    for one in MODELS:
        model = error[NAMES.index(one), : len(ROUNDS)]
        enough = needed(ROUNDS, model, there)
        if model.min() <= there and enough < middle:
            print(f"  {one:<14}{middle / enough:>5.1f}× fewer are enough for that: {enough:.0f}")
    return {
        "system": name,
        "model": STOP,
        "what": ERROR,
        "inferences": middle * SAMPLES,
        "share": there,
    }


def draw(rows: list[dict[str, Any]], file: Path) -> None:
    """The same as a picture: by system and by what is shown."""
    colours = ("#111111", "#0b6e99", "#d1495b", "#edae49", "#66a182", "#7a3e9d")

    def reach(what: str) -> alt.Scale:
        values = [row[what] for row in rows]
        return alt.Scale(type="log", nice=False, domain=[0.8 * min(values), 1.25 * max(values)])

    marks = [3_000, 10_000, 30_000, 100_000, 300_000]
    # The last are drawn on top: the empirical quantile over the bootstrap, whose error is the same.
    base = alt.Chart(alt.InlineData(values=rows[::-1])).encode(
        alt.X("inferences:Q", scale=reach("inferences"), axis=alt.Axis(format="~s", values=marks)),
        alt.Y("share:Q", scale=reach("share"), title="share of answers"),
        alt.Color(
            "model:N",
            sort=[*NAMES, STOP],
            scale=alt.Scale(domain=[*NAMES, STOP], range=colours),
            title=None,
        ),
    )
    lines = base.mark_line(point=alt.OverlayMarkDef(size=20)).transform_filter(
        alt.datum.model != STOP
    )
    stop_at = base.mark_point(size=160, filled=True, shape="diamond", opacity=1).transform_filter(
        alt.datum.model == STOP
    )
    chart = (
        (lines + stop_at)
        .properties(width=360, height=280)
        .facet(column=alt.Column("system:N", title=None), row=alt.Row("what:N", title=None))
    )
    title = alt.TitleParams(
        "The 5 % tail of quality: what is known of it, by inferences spent",
        subtitle="The bootstrap's error is that of the empirical quantile. rJSD bounds no error.",
    )
    chart.properties(title=title).save(str(file))


def main() -> None:
    """Print everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=160)
    parser.add_argument("--plot", type=Path, help="an SVG or PNG file")
    asked = parser.parse_args()
    began = time.perf_counter()
    # A process for each core, and no threads in them: set before any of them loads numpy.
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ[f"{library}_NUM_THREADS"] = "1"
    print(
        f"the 5 % tail of quality at a deadline near p90, {SAMPLES} samples; {asked.trials} trials"
    )
    print("root mean square error; median width of 95 % intervals, and how many hold the truth")
    rows = []
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        for name, shared in SYSTEMS.items():
            stops = [pool.submit(stop, shared, number) for number in range(STOPS)]
            trials = [pool.submit(trial, shared, number) for number in range(asked.trials)]
            found = np.array([one.result() for one in trials])
            truth = system(shared).truth
            print(f"\n{name}: the truth is {truth:.3f}")
            rows += table(name, found, truth)
            values = found[..., 0]
            compared(name, values, truth)
            rows.append(stopped(name, [one.result() for one in stops], errors(values, truth)))
    print(f"\n{time.perf_counter() - began:.0f} s")
    if asked.plot:
        draw(rows, asked.plot)


if __name__ == "__main__":
    main()
