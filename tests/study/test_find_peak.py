"""The peak that is found is the one there is; systems whose peak is known, on a virtual clock."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import tailmark
from tailmark import Experiment, Offline, Ramp, Server, find_peak
from tailmark.analysis.peak import FindPeak
from tailmark.bench import Progress
from tailmark.errors import EveryQueryFailedError, InputError, InterruptedRunError, StoreError
from tailmark.scenario.base import Scenario
from tailmark.scenario.queueing import Queueing
from tailmark.study.find_peak import _Bench
from tailmark.testing import FaultySystem, LawfulSystem, VirtualClock

MS = 1_000_000
SAMPLES = 200
CONSTANT = Server(target_qps=1, arrivals="constant")


def answer(_: Any) -> npt.NDArray[np.float32]:
    """Always class 0, which is right."""
    return np.eye(3, dtype=np.float32)[[0]]


def plan_of(clock: VirtualClock, **settings: Any) -> Experiment:
    """One worker that takes 1 ms for each of the samples, all of them right."""
    known = {
        "system": LawfulSystem(clock=clock, law=lambda _: MS, answer=answer),
        "scenario": CONSTANT,
        "rounds": 3,
        "require": {"quality": ">= 0.9", "at": "3ms"},
        "warmup": 0,
    }
    references = np.zeros(SAMPLES, dtype=np.int64)
    workload = tailmark.Arrays(inputs=np.arange(SAMPLES), references=references, classes=3)
    return Experiment(workload=workload, **{**known, **settings})


def search(
    out: Path,
    *,
    law: Callable[[np.random.Generator], float] = lambda _: MS,
    clock: VirtualClock | None = None,
    settings: Mapping[str, Any] | None = None,
    **options: Any,
) -> FindPeak:
    """Of a system with this law of its service times; ``settings`` are the experiment's."""
    clock = clock or VirtualClock()
    system = LawfulSystem(clock=clock, law=law, answer=answer)
    plan = plan_of(clock, **{"system": system, **(settings or {})})
    return find_peak(plan, out=out, clock=clock, **options)


@pytest.mark.parametrize("start_qps", [None, 3_000])
def test_the_peak_of_a_queue_without_chance_is_the_one_there_is(
    tmp_path: Path, start_qps: float | None
) -> None:
    """D/D/1: at rate r > 1/D query k waits k (D - 1/r), so how many are on time is arithmetic."""
    found = search(tmp_path / "peak", start_qps=start_qps)
    last_on_time = 0.9 * SAMPLES - 1
    peak = 1e9 / (MS - (3 * MS - MS) / last_on_time)
    low, high = found.bracket
    assert low is not None
    assert high is not None
    assert low <= peak < high <= low * 1.05
    assert found.peak_qps == low
    assert found.capacity_qps == (pytest.approx(1_000) if start_qps is None else None)
    assert not found.warnings
    for one in found.candidates:
        assert one.outcome == ("pass" if one.qps <= peak else "fail")
        run = tailmark.open_run(one.run)
        assert run.manifest.experiment["scenario"]["target_qps"] == one.qps
        assert (len(run), tailmark.judge(run).outcome) == (one.rounds, one.outcome)


def delivered(rate: float, rounds: int = 4_000) -> float:
    """M/D/1 begun empty: the share of a round's queries within 3 ms, by Lindley's recursion."""
    random = np.random.default_rng(0)
    gaps = random.exponential(1_000 / rate, (rounds, SAMPLES))
    waited = np.zeros(rounds)
    on_time = np.ones(rounds)
    for k in range(1, SAMPLES):
        waited = np.maximum(waited + 1 - gaps[:, k], 0)
        on_time += waited + 1 <= 3
    return float(on_time.mean() / SAMPLES)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_peak_under_chance_does_hold_and_is_near(tmp_path: Path, seed: int) -> None:
    """M/D/1: the peak truly delivers what is required, and 40 % more does not.

    Rates between are those that 20 rounds do not decide; a wrong pass has a chance of 5 % a rate.
    """
    found = search(
        tmp_path / "peak",
        settings={"scenario": Server(target_qps=1), "rounds": 20, "seed": seed},
        within=0.25,
    )
    assert found.peak_qps is not None
    assert delivered(found.peak_qps) >= 0.9 > delivered(found.peak_qps * 1.4)
    assert found.limit is not None
    assert found.limit.outcome != "pass"
    for one in found.candidates:
        truth = delivered(one.qps)
        assert one.outcome in (("pass", "undecided") if truth >= 0.9 else ("fail", "undecided"))
    assert tailmark.judge(found.peak.run if found.peak else "").outcome == "pass"


def test_what_is_never_met_is_said_after_three_rounds_each(tmp_path: Path) -> None:
    """A deadline below the service time: down to a sixteenth of the capacity, no rate passes."""
    found = search(
        tmp_path / "peak",
        settings={"require": {"quality": ">= 0.9", "at": "500us"}, "rounds": 50},
    )
    assert (found.peak_qps, found.peak) == (None, None)
    assert [one.qps for one in found.candidates] == [62.5, 125, 250, 500, 1000]
    assert {(one.outcome, one.rounds) for one in found.candidates} == {("fail", 3)}
    assert found.ended.startswith("not even 62.5 queries a second pass")


def test_what_is_always_met_is_raised_to_the_cap(tmp_path: Path) -> None:
    """And the bracket has no upper end."""
    found = search(
        tmp_path / "peak",
        settings={"require": {"latency": "p99 <= 10s"}},
        up_to_qps=3_000,
        start_qps=1_000,
    )
    assert found.bracket == (3_000, None)
    assert [one.qps for one in found.candidates] == [1_000, 2_000, 3_000]


def test_a_search_that_was_stopped_goes_on(tmp_path: Path) -> None:
    """What was measured stands and is not measured again; the end is as if nothing had been."""
    folder = tmp_path / "peak"
    told: list[str] = []

    def stop(now: Progress) -> None:
        told.append(now.doing)
        if now.done == 1 and now.doing.startswith("2000 qps"):
            raise KeyboardInterrupt

    options: dict[str, Any] = {"within": 0.1}
    with pytest.raises(InterruptedRunError, match=r"while measuring 2000 qps; .* goes on"):
        search(folder, progress=stop, **options)
    assert "one after another: measuring" in told
    assert "1000 qps: measuring" in told
    whole = search(tmp_path / "whole", **options)
    again: list[Progress] = []
    found = search(folder, progress=again.append, **options)
    key = [(one.qps, one.outcome, one.rounds, one.verdict) for one in found.candidates]
    assert key == [(one.qps, one.outcome, one.rounds, one.verdict) for one in whole.candidates]
    measured = {now.doing for now in again if "measuring" in now.doing}
    assert not any(doing.startswith(("one after", "1000 qps")) for doing in measured)
    resumed = min(now.done for now in again if now.doing.startswith("2000 qps: measuring"))
    assert resumed == 1
    quiet: list[Progress] = []
    assert search(folder, progress=quiet.append, **options).to_dict() == found.to_dict()
    assert not any("measuring" in now.doing for now in quiet)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"require": {"quality": ">= 0.8", "at": "3ms"}}, "require.quality"),
        ({"seed": 3}, "seed"),
        ({"scenario": Server(target_qps=1)}, "scenario.arrivals"),
    ],
)
def test_the_runs_of_another_search_are_refused(
    tmp_path: Path, changed: dict[str, Any], named: str
) -> None:
    """Also where a run could be gone on with, as it would answer another question."""
    search(tmp_path, start_qps=500, candidates=1)
    with pytest.raises(StoreError, match=rf"of another search \(what differs: {named}\): give"):
        search(tmp_path, start_qps=500, candidates=1, settings=changed)


def test_a_pass_above_a_rate_that_failed_is_told_and_not_believed(tmp_path: Path) -> None:
    """Noise: the machine was quick when the higher rate was measured, and slow at the lower."""
    quick, slow = tmp_path / "quick", tmp_path / "slow"
    search(quick, start_qps=900, candidates=1)
    search(slow, start_qps=500, candidates=1, law=lambda _: 4 * MS)
    shutil.copytree(slow / "qps-00500", quick / "qps-00500")
    found = search(quick, start_qps=500, law=lambda _: 4 * MS)
    outcomes = {one.qps: one.outcome for one in found.candidates}
    assert outcomes[900] == "pass"
    low, high = found.bracket
    assert low is None
    assert high is not None
    assert high < 900
    (warning,) = found.warnings
    assert warning.startswith(f"900 passed though {high:g} did not (fail): the peak is the highest")
    assert found.to_dict()["warnings"] == [warning]


def test_long_rounds_are_tried_in_short_ones_first(tmp_path: Path) -> None:
    """Overload is seen in rounds of seconds; what is not hopeless is measured in whole rounds."""
    settings = {
        "scenario": Server(target_qps=1, duration="400s"),
        "require": {"quality": ">= 0.9", "at": "1s"},
    }
    options: dict[str, Any] = {"law": lambda _: 100 * MS, "settings": settings, "candidates": 1}
    (hopeless,) = search(tmp_path / "much", start_qps=20, **options).candidates
    assert (hopeless.outcome, hopeless.shortened, hopeless.rounds) == ("fail", True, 3)
    assert not (tmp_path / "much" / "qps-00020").exists()
    assert hopeless.queries < 3 * 20 * 20
    (easy,) = search(tmp_path / "little", start_qps=3, **options).candidates
    assert (easy.outcome, easy.shortened) == ("pass", False)
    assert tailmark.open_run(easy.run).manifest.experiment["scenario"]["duration"] == "400s"
    assert (tmp_path / "little" / "rehearsals" / "qps-00003").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"order": "fixed"},
        {"scenario": Server(target_qps=1, duration="20s")},
        {"require": {"quality": ">= 0.9", "at": "1s", "of": "tail"}},
    ],
)
def test_short_rounds_that_could_mislead_are_not_tried(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    """They send other samples, have a lower tail, or are not much shorter than whole ones."""
    settings = {
        "scenario": Server(target_qps=1, duration="70s"),
        "require": {"quality": ">= 0.9", "at": "1s"},
    }
    options: dict[str, Any] = {"law": lambda _: 50 * MS, "start_qps": 50, "candidates": 1}
    (tried,) = search(tmp_path / "a", settings=settings, **options).candidates
    assert (tried.outcome, tried.shortened) == ("fail", True)
    (whole,) = search(tmp_path / "b", settings={**settings, **changed}, **options).candidates
    assert (whole.outcome, whole.shortened) == ("fail", False)


class Drowsy(VirtualClock):
    """Wakes up 5 ms late, so that a query that finds the worker idle is issued late."""

    def sleep_ns(self, duration_ns: int) -> None:
        """And a little longer."""
        self.advance(duration_ns + 5 * MS)


def test_a_rate_that_fails_by_the_generator_s_lateness_is_told(tmp_path: Path) -> None:
    """The answers are late, but not by the system."""
    late = search(tmp_path / "late", clock=Drowsy(), start_qps=50, candidates=1)
    (one,) = late.candidates
    assert (one.outcome, one.generator_limited) == ("fail", True)
    assert late.warnings[0].startswith("generator-limited: at 50 queries a second")
    slow = search(tmp_path / "slow", law=lambda _: 9 * MS, start_qps=50, candidates=1)
    assert [one.generator_limited for one in slow.candidates] == [False]


def test_the_search_begins_at_what_all_workers_answer(tmp_path: Path) -> None:
    """One of them is tried, one query after another."""
    plan = plan_of(clock := VirtualClock(), queueing=Queueing(workers=3, batch=2))
    bench = _Bench(plan=plan, folder=tmp_path, tell=lambda _: None, clock=clock)
    assert bench.capacity_qps() == pytest.approx(3_000)


def test_a_system_that_answers_nothing_at_all_is_no_matter_of_rate(tmp_path: Path) -> None:
    """Load leaves the first query answered; where it is not, lower rates need not be tried."""
    broken = FaultySystem(
        answer=answer, faults=lambda call: RuntimeError("out of memory") if call else None
    )
    with pytest.raises(EveryQueryFailedError, match="out of memory"):
        search(tmp_path, settings={"system": broken}, start_qps=100)


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        (tailmark.SingleStream(), "single-stream"),
        (Offline(), "offline"),
        (Ramp(from_qps=1, to_qps=9, duration="9s"), "ramp"),
    ],
)
def test_what_has_no_rate_is_refused(tmp_path: Path, scenario: Scenario, kind: str) -> None:
    """With what has one."""
    with pytest.raises(InputError, match=rf"scenario '{kind}' has no rate to raise: give one"):
        search(tmp_path / "peak", settings={"scenario": scenario})
    assert not (tmp_path / "peak").exists()


def test_without_a_requirement_there_is_no_peak(tmp_path: Path) -> None:
    """Nor without references, where quality is required, or with settings that mean nothing."""
    plain = Experiment(
        workload=tailmark.Arrays(inputs=np.arange(3)),
        system=tailmark.Function(call=answer),
        scenario=Server(target_qps=1),
        rounds=3,
    )
    with pytest.raises(InputError, match="there is no require: say what must hold"):
        find_peak(plain, out=tmp_path / "peak")
    moving = {"require": {"quality": ">= 0.9", "at": "p99"}}
    with pytest.raises(InputError, match=r"require\.at is 'p99': a percentile .* moves with the"):
        search(tmp_path / "peak", settings=moving)
    with pytest.raises(InputError, match="within is 2"):
        search(tmp_path / "peak", within=2)
    with pytest.raises(InputError, match="decided needs 2 rounds at least"):
        search(tmp_path / "peak", settings={"rounds": 1})
    assert not (tmp_path / "peak").exists()
