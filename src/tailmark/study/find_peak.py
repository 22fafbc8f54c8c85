"""The highest rate at which a requirement holds: one run a rate, each as long as it must be."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.asked import DEFAULT_METRIC
from tailmark.analysis.decided import Decided, verdict
from tailmark.analysis.gate import Outcome, judge
from tailmark.analysis.lateness import punctual
from tailmark.analysis.peak import Candidate, FindPeak, ascending
from tailmark.bench import Progress, Tell
from tailmark.clock import Clock
from tailmark.errors import InputError, InterruptedRunError, StoreError
from tailmark.experiment import Experiment
from tailmark.measurement import run_experiment
from tailmark.quality.requirement import Requirement, parse_requirement
from tailmark.records.logbook import differences
from tailmark.records.model import Run
from tailmark.records.store import read_manifest
from tailmark.scenario.base import Paced, Scenario
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.server import Server
from tailmark.scenario.single_stream import SingleStream
from tailmark.stopping import Until, first_rounds
from tailmark.study.rate_search import RateSearch
from tailmark.units import Percentile, parse_deadline

_REHEARSED_ROUNDS, _REHEARSED_QUERIES = 4, 25
_SHORT_NS, _SHORT_QUERIES = 5 * 10**9, 200
_SHORT_ROUNDS = 4
_NAMED = re.compile(r"qps-(\d+(?:\.\d+)?)")
_LONG = 4
"""Rounds this many times as long as a short one are tried in short ones first."""


def find_peak(
    experiment: Experiment,
    *,
    out: str | Path,
    start_qps: float | None = None,
    up_to_qps: float | None = None,
    within: float = 0.05,
    candidates: int = 20,
    progress: Tell | None = None,
    clock: Clock | None = None,
) -> FindPeak:
    """Find the highest rate at which the experiment's requirement holds.

    The rate is doubled until it does not hold, or halved until it does, then bisected. Every rate
    is a run of its own, measured until `Decided`: a wrong verdict has a chance of 5 % at most. What
    does not pass, an undecided one too, bounds the peak. Runs in ``out`` of the same experiment are
    used, and gone on with; the same call again goes on where an earlier one ended.

    Args:
        experiment: With ``require``, and a scenario that has a rate; ``rounds`` are the most that
            a candidate may take.
        out: A directory, for a run of each rate.
        start_qps: Where to begin; by default at what a short single-stream run says that all
            workers together can answer.
        up_to_qps: No rate above it is tried.
        within: How close together the ends of the bracket shall be, as a share.
        candidates: The most rates to try.
        progress: Told between rounds how far it is.
        clock: Instead of the machine's monotonic clock.

    Raises:
        InputError: There is no requirement, no rate to raise, or a setting that means nothing.
        StoreError: ``out`` holds the search for something else.
        EveryQueryFailedError: At some rate no query was answered, the first included.
        InterruptedRunError: Ctrl-C; what was measured stands.
    """
    scenario, require = experiment.scenario, experiment.require
    if not require:
        raise InputError(
            "there is no require: say what must hold at the peak, such as "
            "require: {quality: '>= 0.75', at: 20ms}"
        )
    if not isinstance(scenario, Paced):
        kind = scenario.describe().get("kind")
        raise InputError(
            f"scenario {kind!r} has no rate to raise: give one that has, such as "
            "{kind: server, target_qps: 100}, or burst or replay"
        )
    for one in parse_requirement(require):
        if isinstance(one, Requirement) and isinstance(parse_deadline(one.at), Percentile):
            raise InputError(
                f"require.at is {one.at!r}: a percentile of the latencies moves with the rate, so "
                "give a time, such as 20ms"
            )
    most = Until(Decided(decided=True), at_most=experiment.at_most)
    plan = replace(experiment, rounds=most)
    bench = _Bench(plan, Path(out), progress or (lambda _: None), clock)
    search = RateSearch(
        start_qps=1.0 if start_qps is None else start_qps,
        within=within,
        up_to_qps=math.inf if up_to_qps is None else up_to_qps,
        at_most=candidates,
    )
    capacity = None
    if start_qps is None:
        capacity = bench.capacity_qps()
        search = replace(search, start_qps=capacity)
    found = {qps: bench.candidate(scenario, qps) for qps in bench.finished()}
    while (qps := search.next(_outcomes(found))) is not None:
        found[qps] = bench.candidate(scenario, qps)
    return FindPeak(
        require=require,
        metric=experiment.quality.get("metric") or DEFAULT_METRIC,
        within=within,
        capacity_qps=capacity,
        start_qps=search.first_qps,
        candidates=ascending(list(found.values())),
        ended=search.ended(_outcomes(found)),
        folder=str(out),
    )


def _outcomes(found: Mapping[float, Candidate]) -> dict[float, Outcome]:
    return {qps: one.outcome for qps, one in found.items()}


@dataclass(frozen=True)
class _Bench:
    """Where candidates are measured.

    Args:
        plan: The experiment, measured until decided.
        folder: Holds ``qps-NNN``, and in ``rehearsals`` what is no candidate.
        tell: Told how far it is.
        clock: As for `find_peak`.
    """

    plan: Experiment
    folder: Path
    tell: Tell
    clock: Clock | None

    def finished(self) -> list[float]:
        """Rates whose runs are there and whole."""
        named = {path: _NAMED.fullmatch(path.name) for path in sorted(self.folder.glob("qps-*"))}
        return [
            float(match[1])
            for path, match in named.items()
            if match and (path / "run.json").exists() and read_manifest(path).status == "complete"
        ]

    @cached_property
    def _samples(self) -> int:
        return len(self.plan.workload.open())

    def capacity_qps(self) -> float:
        """What all workers together answer, each one query after another."""
        run = self._run(
            replace(
                self.plan,
                scenario=SingleStream(queries=_REHEARSED_QUERIES),
                queueing=Queueing(),
                engine=None,
                rounds=_REHEARSED_ROUNDS,
            ),
            self.folder / "rehearsals" / "single-stream",
            "one after another",
        )
        took = np.concatenate([one.latency_ns()[one.answered] for one in run.rounds()])
        return self.plan.queueing.workers * 1e9 / max(float(took.mean()), 1.0)

    def candidate(self, scenario: Paced, qps: float) -> Candidate:
        """Measure a rate until it is decided; where rounds are long, in short ones first."""
        name, at = _name(qps), scenario.at_rate(qps)
        short = self._shortened(at, qps)
        if short is not None:
            run = self._run(short, self.folder / "rehearsals" / name, f"{qps:g} qps, in short")
            tried = _judged(run, qps, shortened=True)
            if tried.outcome == "fail":
                return tried
        run = self._run(replace(self.plan, scenario=at), self.folder / name, f"{qps:g} qps")
        return _judged(run, qps, shortened=False)

    def _shortened(self, scenario: Scenario, qps: float) -> Experiment | None:
        """The same in short rounds, where those can show that it is hopeless.

        A queue begins empty, so a server's short rounds deliver more on average than its long ones.
        That does not hold of their tail, or where they would send other samples.
        """
        duration_ns = max(_SHORT_NS, round(_SHORT_QUERIES / qps * 1e9))
        any_sample = self.plan.sample_order in ("shuffled", "replacement")
        if not isinstance(scenario, Server) or not any_sample or self.plan.engine is not None:
            return None
        if scenario.shortened(self._samples, _LONG * duration_ns) is None:
            return None
        required = parse_requirement(self.plan.require or {})
        if any(isinstance(one, Requirement) and one.of == "tail" for one in required):
            return None
        return replace(
            self.plan,
            scenario=scenario.shortened(self._samples, duration_ns) or scenario,
            rounds=Until(Decided(decided=True), at_most=_SHORT_ROUNDS),
        )

    def _run(self, plan: Experiment, path: Path, doing: str) -> Run:
        """Measure it, or what of it is missing."""
        there = (path / "run.json").exists()
        if there:
            self._check_same(plan, path)

        def tell(now: Progress) -> None:
            self.tell(replace(now, doing=f"{doing}: {now.doing}"))

        try:
            return run_experiment(plan, out=path, resume=there, progress=tell, clock=self.clock)
        except InterruptedRunError:
            folder = str(self.folder)
            raise InterruptedRunError(
                f"interrupted while measuring {doing}; {folder!r} keeps what was measured, and "
                f"the same command with --out {folder} goes on"
            ) from None

    def _check_same(self, plan: Experiment, path: Path) -> None:
        """What a run gone on with may change otherwise would be another question here.

        Raises:
            StoreError: It was asked otherwise.
        """
        differ = differences(read_manifest(path).experiment, plan.describe(), ignore=("rounds",))
        if differ:
            raise StoreError(
                f"{str(path)!r} is a run of another search (what differs: {', '.join(differ)}): "
                "give another --out"
            )


def _judged(run: Run, qps: float, *, shortened: bool) -> Candidate:
    """By the rounds of the last look, at the confidence that several looks leave.

    All rounds, judged plainly, must agree that it passes.
    """
    stopping: Mapping[str, Any] = run.manifest.stopping or {}
    seen = stopping.get("looks") or [{"rounds": len(run)}]
    rule, most = Decided(decided=True), run.manifest.rounds_asked or len(run)
    looked, looks = first_rounds(run, seen[-1]["rounds"]), rule.looks(most)
    found = verdict(looked, looks)
    outcome = found.outcome
    if outcome == "pass" and judge(run).outcome != "pass":
        outcome = "undecided"
    on_time = verdict(punctual(looked), looks).outcome if outcome != "pass" else "pass"
    return Candidate(
        qps=qps,
        outcome=outcome,
        verdict=found,
        rounds=len(run),
        queries=sum(run.manifest.counts.values()),
        shortened=shortened,
        generator_limited=outcome != "pass" and on_time == "pass",
        run=str(run.path),
    )


def _name(qps: float) -> str:
    """As ``qps-00187.3``: a listing has them by rate."""
    whole, _, rest = f"{qps:.10f}".rstrip("0").partition(".")
    return f"qps-{int(whole):05}" + (f".{rest}" if rest else "")
