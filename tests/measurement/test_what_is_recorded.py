"""What is recorded is what happened, to the nanosecond."""

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tailmark
from tailmark.drive.recording import Recording
from tailmark.records.model import Status
from tailmark.testing import LawfulSystem, VirtualClock

WORKLOAD = tailmark.Arrays(inputs=np.arange(12), references=np.arange(12) % 3, classes=3)


def right(batch: Any) -> Any:
    """Scores that single out the sample's own class."""
    return np.eye(3)[[int(batch[0]) % 3]]


def lawful(
    out: Path,
    *,
    law: Callable[[np.random.Generator], float] = lambda random: random.exponential(3e6),
    workload: Any = WORKLOAD,
    **changes: Any,
) -> tailmark.Run:
    """Three rounds of a system whose latencies are drawn from a law, in no time of ours."""
    clock = VirtualClock()
    system = LawfulSystem(clock=clock, law=law, answer=right)
    return tailmark.measure(
        workload, system, out=out, clock=clock, **{"rounds": 3, "warmup": 5, **changes}
    )


def latencies(run: tailmark.Run) -> list[int]:
    """All of them, in the order they happened."""
    return [int(ns) for one in run.rounds() for ns in one.latency_ns()]


@given(st.integers(0, 20), st.integers(1, 3), st.sampled_from(["inference", "total"]))
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_latencies_are_the_laws_own_draws(
    tmp_path_factory: pytest.TempPathFactory,
    warmup: int,
    rounds: int,
    timed: Literal["inference", "total"],
) -> None:
    """Exactly: nothing is added, lost or reordered; the first try and the warm-up come before."""
    run = lawful(tmp_path_factory.mktemp("law") / "run", warmup=warmup, rounds=rounds, timed=timed)
    random = np.random.default_rng(0)
    draws = [round(random.exponential(3e6)) for _ in range(1 + warmup + rounds * 12)]
    assert latencies(run) == draws[1 + warmup :]


def test_a_query_is_issued_when_the_last_completed(tmp_path: Path) -> None:
    """Single-stream: no gap on a clock that only the system moves, and times begin at zero."""
    for one in lawful(tmp_path / "run").rounds():
        assert one.issued_ns[0] == 0
        assert np.array_equal(one.issued_ns[1:], one.completed_ns[:-1])
        assert np.array_equal(one.scheduled_ns, one.issued_ns)
        assert one.facts["duration_ns"] == one.completed_ns[-1]
        assert np.array_equal(one.query, np.arange(12))


def test_each_row_refers_to_the_answer_its_sample_got(tmp_path: Path) -> None:
    """By number, in a table of the distinct ones."""
    run = lawful(tmp_path / "run")
    assert len(run.outputs["labels"]) == 3
    for one in run.rounds():
        assert np.array_equal(run.outputs["labels"][one.output_id, 0], one.sample % 3)


@pytest.mark.parametrize("seed", [0, 7])
def test_the_order_is_the_seeds_and_is_recorded(tmp_path: Path, seed: int) -> None:
    """Each round shuffles anew, by (seed, round) alone."""
    run = lawful(tmp_path / "run", seed=seed)
    orders = [one.sample.tolist() for one in run.rounds()]
    for index, order in enumerate(orders):
        expected = tailmark.SingleStream().schedule(12, order="shuffled", seed=seed, index=index)
        assert order == expected.sample.tolist()
    assert len({tuple(order) for order in orders}) == 3
    assert [one.facts["seed"] for one in run.rounds()] == [[seed, i] for i in range(3)]
    assert {one.facts["order"] for one in run.rounds()} == {"shuffled"}


def test_a_fixed_order_is_the_workloads_own(tmp_path: Path) -> None:
    """In every round."""
    run = lawful(tmp_path / "run", order="fixed")
    assert [one.sample.tolist() for one in run.rounds()] == [list(range(12))] * 3


def test_the_run_says_how_it_was_made(tmp_path: Path) -> None:
    """Status, counts, settings, hashes, machine, and what the machine can resolve."""
    manifest = lawful(
        tmp_path / "run", quality={"metric": "top1", "deadlines": [5, "p99"]}
    ).manifest
    assert manifest.status == "complete"
    assert manifest.counts == {"ok": 36, "failed": 0, "timed_out": 0, "lost": 0, "shed": 0}
    assert manifest.experiment["quality"] == {"metric": "top1", "deadlines": ["5ns", "p99"]}
    assert manifest.experiment["system"]["timeout_ns"] == 10**10
    assert manifest.hashes["samples"]
    assert manifest.environment["python"]["version"]
    assert manifest.audit["timer_cost_ns"] > 0
    assert manifest.cold_start["first_query_ns"] > 0
    assert manifest.audit["resolvable_ns"] > manifest.audit["harness_p99_ns"]


def test_garbage_is_not_collected_in_the_timed_region(tmp_path: Path) -> None:
    """It is off in every query of a round, and what it was before and after."""
    seen: list[bool] = []

    def watching(batch: Any) -> Any:
        seen.append(gc.isenabled())
        return right(batch)

    for before in (True, False):
        (gc.enable if before else gc.disable)()
        try:
            run = tailmark.measure(
                WORKLOAD, watching, out=tmp_path / str(before), rounds=2, warmup=3
            )
            assert gc.isenabled() is before
        finally:
            gc.enable()
        assert not any(seen[-2 * 12 :])
        assert {one.facts["garbage_collection"] for one in run.rounds()} == {"off"}


def test_stages_add_up_to_the_latency(tmp_path: Path) -> None:
    """``timed: total`` has preprocessing, inference and postprocessing, and nothing beside."""
    run = lawful(tmp_path / "run", timed="total")
    for one in run.rounds():
        assert one.preprocess_ns is not None
        assert one.inference_ns is not None
        assert one.postprocess_ns is not None
        total = one.preprocess_ns + one.inference_ns + one.postprocess_ns
        assert np.array_equal(total, one.latency_ns())
        assert np.array_equal(one.latency_ns("inference"), one.inference_ns)


def test_each_stage_is_what_it_says(tmp_path: Path) -> None:
    """Preprocessing moves the clock by 2, inference by 30, and reading the output by 400."""
    clock = VirtualClock()

    class Slow:
        """A workload and a decoder that take their time."""

        columns = ("labels",)
        ragged = ()

        def open(self) -> Any:
            def prepare(raw: Any) -> Any:
                clock.advance(2)
                return raw

            import dataclasses

            return dataclasses.replace(WORKLOAD.open(), prepare=prepare)

        def bind(self, *_: Any) -> Any:
            def decode(raw: Any, _sample: int) -> Any:
                clock.advance(400)
                return (np.array([int(raw.argmax())], np.int32),)

            return decode, []

        def describe(self) -> dict[str, Any]:
            return {"kind": "slow"}

    system = LawfulSystem(clock=clock, law=lambda _: 30, answer=right)
    for timed, expected in (("total", (2, 30, 400)), ("inference", None)):
        run = tailmark.measure(
            Slow(),
            system,
            decode=Slow(),
            out=tmp_path / timed,
            rounds=1,
            clock=clock,
            timed=timed,  # type: ignore[arg-type] # a loop over both
        )
        (one,) = run.rounds()
        if expected:
            stages = (one.preprocess_ns, one.inference_ns, one.postprocess_ns)
            assert tuple(set(stage) for stage in stages if stage is not None) == ({2}, {30}, {400})
            assert set(one.latency_ns()) == {432}
        else:
            assert set(one.latency_ns()) == {30}
            assert one.inference_ns is None


def test_progress_is_told_between_rounds_and_never_within(tmp_path: Path) -> None:
    """Drawing a bar costs the timed region nothing."""
    told: list[tuple[int, str]] = []
    moments: list[int] = []
    clock = VirtualClock()

    def tell(progress: Any) -> None:
        told.append((progress.done, progress.doing))
        moments.append(clock.now_ns())
        clock.advance(10**9)  # were it within a round, a latency would show it

    system = LawfulSystem(clock=clock, law=lambda _: 7, answer=right)
    run = tailmark.measure(
        WORKLOAD, system, out=tmp_path / "run", rounds=3, clock=clock, progress=tell
    )
    assert set(latencies(run)) == {7}
    assert [done for done, doing in told if doing == "measuring"] == [0, 1, 2]
    assert told[-1] == (3, "done")


def test_a_late_answer_beyond_the_timeout_is_none(tmp_path: Path) -> None:
    """Whether anything noticed in time must not decide it; exactly the timeout is in time."""
    times = iter([1] * 6 + [299, 300, 301, 5, 1000] + [1] * 31)
    run = lawful(tmp_path / "run", law=lambda _: next(times), timeout=300)
    one = next(run.rounds())
    expected = [Status.ok] * 12
    expected[2] = expected[4] = Status.timed_out
    assert one.status.tolist() == expected
    assert one.completed_ns[2] == one.output_id[2] == -1
    assert run.manifest.counts["timed_out"] == 2
    assert {"what": "answered after the timeout of 300 ns", "count": 2} in run.manifest.anomalies
    assert any("2 of 36 queries have no answer" in said for said in run.manifest.ending)


@pytest.mark.parametrize(
    ("stages", "queue", "at_most"),
    [(False, False, 23), (True, False, 48), (False, True, 40), (True, True, 66)],
)
def test_a_query_costs_few_bytes_however_many_there_are(
    stages: bool, queue: bool, at_most: int
) -> None:
    """The base columns under 64, and no object a query on the hot path."""
    tracemalloc.start()
    recording = Recording(100_000, stages=stages, queue=queue)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert recording.position() == 0
    assert held / 100_000 <= at_most
    assert stages or peak / 100_000 < 64


@given(st.integers(1, 50), st.integers(0, 50))
def test_the_position_is_the_first_row_not_completed(rows: int, done: int) -> None:
    """As the watchdog asks, from another thread."""
    recording = Recording(rows)
    for row in range(min(rows, done)):
        recording.completed[row] = row + 1
    assert recording.position() == (done if done < rows else None)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rounds": 0}, "rounds is 0: give 1 or more"),
        ({"warmup": -1}, "warmup is -1: give 0 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"timeout": "0s"}, "give more than zero"),
        ({"timeout": "10"}, "'10' has no unit"),
        ({"timeout": -5}, "give more than zero"),
        ({"order": "shufled"}, "order is 'shufled'.*fixed or shuffled"),
        ({"timed": "totl"}, "timed is 'totl'.*inference or total"),
        ({"quality": {"metric": "top2"}}, "no metric is called 'top2'"),
        ({"quality": {"deadlines": ["5"]}}, "'5' has no unit"),
        ({"quality": {"deadlines": ["-5ms"]}}, "below zero"),
        ({"quality": {"deadline": ["5ms"]}}, "no setting 'deadline'.*deadlines"),
        ({"quality": {"on_late": "fial"}}, "fial"),
        ({"workload": tailmark.Arrays(inputs=np.zeros((0, 1)))}, "the workload has no samples"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_anything_is_made(
    tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    """One sentence, and no directory."""
    with pytest.raises(tailmark.errors.InputError, match=says):
        lawful(tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()
