"""MLPerf's result of a run is the one LoadGen prints of the same latencies."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.genuine_loadgen import KINDS, Genuine, genuine
from analysis.handmade import make_round, make_run, with_experiment
from tailmark import mlperf_result
from tailmark.analysis.mlperf import MlperfResult, query_latencies
from tailmark.errors import InputError
from tailmark.records.model import NEVER, Run, Status
from tailmark.report.mlperf_text import condition_line, headline
from tailmark.stats.early_stopping import more_needed

TESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "single-stream": ("SingleStream", {"queries": 1500}),
    "single-stream, too few": ("SingleStream", {"queries": 63}),
    "multi-stream": ("MultiStream", {"queries": 900}),
    "multi-stream, too few": ("MultiStream", {"queries": 661}),
    "server, passing": ("Server", {"queries": 600}),
    "server, too few": ("Server", {"queries": 458}),
    "server, too slow": ("Server", {"queries": 700, "bound_ns": 20_000}),
    "server, p90": ("Server", {"queries": 800, "bound_ns": 150_000, "percent": 90}),
    "offline": ("Offline", {"queries": 500}),
}


@cache
def by_loadgen(name: str) -> Genuine:
    """One of the tests, once."""
    pytest.importorskip("mlperf_loadgen", reason="LoadGen is an extra")
    scenario, asked = TESTS[name]
    return genuine(scenario, Path(mkdtemp()), **asked)


def ours(name: str) -> MlperfResult:
    """What we say of the same queries."""
    scenario, asked = TESTS[name]
    server = {"bound": asked.get("bound_ns", 10**9), "percentile": asked.get("percent")}
    return mlperf_result(
        by_loadgen(name).run,
        min_duration="0s",
        min_queries=asked["queries"],
        **(server if scenario == "Server" else {}),
    )


def condition(result: MlperfResult, name: str) -> Any:
    """One condition of a result."""
    return next(one for one in result.conditions if one.name == name)


@pytest.mark.parametrize("name", TESTS)
def test_statistics_and_validity_are_loadgen_s(name: str) -> None:
    """Every percentile to the nanosecond, the mean as LoadGen rounds it, and VALID or not."""
    theirs, result = by_loadgen(name), ours(name)
    assert result.min_ns == theirs.figure("Min latency (ns)")
    assert result.max_ns == theirs.figure("Max latency (ns)")
    assert result.mean_ns == theirs.figure("Mean latency (ns)")
    for percent, ns in result.statistics.items():
        assert ns == theirs.figure(f"{percent:.2f} percentile latency (ns)")
    assert f"Result is : {'VALID' if result.valid else 'INVALID'}\n" in theirs.summary
    assert condition(result, "minimum duration").met == theirs.says("Min duration satisfied")
    assert condition(result, "minimum queries").met == theirs.says("Min queries satisfied")


@pytest.mark.parametrize(
    ("name", "percent"), [("single-stream", "90.0th"), ("multi-stream", "99.0th")]
)
def test_the_early_stopping_estimate_is_loadgen_s(name: str, percent: str) -> None:
    """To the nanosecond, and so is how many longer latencies it leaves out."""
    theirs, result = by_loadgen(name), ours(name)
    assert result.value == theirs.figure(f"Early stopping {percent} percentile estimate")
    assert f"Would discard {result.discarded} highest latency queries." in theirs.summary
    assert result.percentile is not None
    assert result.percentile.value == theirs.figure(f"{percent} percentile latency (ns)")


def test_from_a_single_stream_the_p99_estimate_is_loadgen_s_too() -> None:
    """LoadGen tells it beside, for who infers a multi-stream from it."""
    theirs = by_loadgen("single-stream")
    result = mlperf_result(theirs.run, percentile=99)
    assert result.value == theirs.figure("Early stopping 99.0th percentile estimate")


@pytest.mark.parametrize("name", ["single-stream, too few", "multi-stream, too few"])
def test_too_few_queries_bear_no_estimate(name: str) -> None:
    """One below the table: LoadGen names the same number to reach."""
    theirs, result = by_loadgen(name), ours(name)
    needs = condition(result, "early stopping").limit
    assert f"Need to process at least {needs} queries for early stopping." in theirs.summary
    assert (result.value, result.discarded, result.valid) == (None, None, False)
    assert "send 1 more" in condition(result, "early stopping").says


@pytest.mark.parametrize("name", [name for name in TESTS if name.startswith("server")])
def test_a_server_s_verdict_is_loadgen_s(name: str) -> None:
    """Early stopping and what it still needs, the bound, and both rates as printed."""
    theirs, result = by_loadgen(name), ours(name)
    early = condition(result, "early stopping")
    assert early.met == theirs.says("Early stopping satisfied")
    if early.met:
        assert " * Run successful." in theirs.summary
    else:
        assert f"at least {early.limit - early.value} more queries" in theirs.summary
    bound = condition(result, "latency bound")
    assert bound.met == theirs.says("Performance constraints satisfied")
    completed, scheduled = result.completed_per_s, result.scheduled_per_s
    assert completed == pytest.approx(theirs.figure("Completed samples per second"), abs=0.006)
    assert scheduled == pytest.approx(theirs.figure("Scheduled samples per second"), rel=6e-6)
    assert result.value == completed


def test_an_offline_rate_is_loadgen_s() -> None:
    """Samples over the longest latency, to the six digits it prints."""
    result = ours("offline")
    assert result.value == pytest.approx(
        by_loadgen("offline").figure("Samples per second"), rel=6e-6
    )
    assert result.percentile is None


def test_a_query_s_latency_is_that_of_its_slowest_sample() -> None:
    """In whatever order rows lie; one sample without an answer leaves the whole query without."""
    one = make_round([5, 9, 2, 3], [0] * 4, scheduled=[0] * 4)
    one = replace(one, query=np.array([7, 3, 7, 3]))
    assert query_latencies(one).tolist() == [9, 5]
    lost = replace(one, status=np.array([Status.ok, Status.ok, Status.lost, Status.ok], np.int8))
    assert query_latencies(lost).tolist() == [9, NEVER]


def server(rounds: int = 4, queries: int = 200, *, gap: int = 10**7, **changes: Any) -> Run:
    """Rounds of queries every 10 ms that take 1 to 9 ms by turns."""
    made = [
        make_round(
            [10**6 * (1 + j % 9) for j in range(queries)],
            [0] * queries,
            index=r,
            sample=[0] * queries,
            scheduled=[gap * j for j in range(queries)],
        )
        for r in range(rounds)
    ]
    scenario = {"kind": "server", "target_qps": 100}
    return with_experiment(make_run(made, [0]), scenario=scenario, **changes)


def test_rounds_are_one_test() -> None:
    """Queries of four rounds bear what one does not, and their durations add up."""
    apart = mlperf_result(server(1), bound="10ms", min_duration="2s")
    assert [one.met for one in apart.conditions] == [False, True, False, True]
    together = mlperf_result(server(4), bound="10ms", min_duration="7.96s")
    assert together.valid
    assert together.duration_ns == 4 * apart.duration_ns == 4 * 199 * 10**7
    assert together.scheduled_per_s == pytest.approx(100)
    assert together.by_round == apart.by_round * 4
    assert together.rate is not None
    assert together.rate.n == 4
    assert headline(together).startswith("VALID – server: completed rate 99.8")


def test_what_to_do_is_said() -> None:
    """Each condition that is not met names the value, the limit and the way out."""
    result = mlperf_result(server(2), bound="5ms", min_duration="60s", min_queries=1000)
    says = [condition_line(one) for one in result.conditions]
    assert not result.valid
    assert "the 2 rounds lasted 3.98 s together, 60 s are asked for" in says[0]
    assert "16 times as much" in says[0]
    assert "400 queries were sent, 1,000 are asked for: send 600 more" in says[1]
    late = result.over_bound
    assert late == 2 * 88
    assert f"send {more_needed(400, late, 99):,} more, all in time, or lower the rate" in says[2]
    assert "p99 is 9 ms, the bound 5 ms: lower the rate" in says[3]
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_bound_is_the_run_s_own_requirement_by_default() -> None:
    """With its percentile; without either there is nothing to hold a server against."""
    run = server(require={"latency": "p90 <= 8ms"})
    result = mlperf_result(run)
    assert (result.bound_ns, result.percent) == (8_000_000, 90)
    assert mlperf_result(run, bound="7ms", percentile=97).percent == 97
    with pytest.raises(InputError, match="give one, such as --bound 15ms"):
        mlperf_result(server())


@pytest.mark.parametrize("kind", KINDS.values())
def test_an_unanswered_query_is_later_than_all_and_invalid(kind: str) -> None:
    """LoadGen would wait for it for ever; we count it, name it, and still tell what we can."""
    run = server(1, 1000)
    one = run.stored[0]
    status = one.status.copy()
    status[17] = Status.timed_out
    run = replace(run, stored=[replace(one, status=status)])
    run = with_experiment(run, scenario={"kind": kind})
    result = mlperf_result(
        run, bound="1s" if kind == "server" else None, min_duration=0, min_queries=1
    )
    assert not result.valid
    assert [c.name for c in result.conditions if not c.met] == ["answers"]
    assert result.unanswered == 1
    assert result.max_ns is None
    if kind == "server":
        assert result.over_bound == 1
    if kind == "offline":
        assert result.value is None
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize("kind", ["replay", "burst", "ramp", "unknown"])
def test_a_scenario_that_mlperf_has_not_is_refused(kind: str) -> None:
    """In one sentence, with the scenarios it has."""
    run = with_experiment(server(), scenario={"kind": kind})
    with pytest.raises(InputError, match=f"no metric for the scenario '{kind}'.*offline"):
        mlperf_result(run)


@pytest.mark.parametrize(
    ("kind", "given_", "says"),
    [
        ("offline", {"percentile": 99}, "judged by no percentile"),
        ("single-stream", {"bound": "5ms"}, "only a server has a latency bound"),
        ("server", {"bound": "5"}, "'5' has no unit"),
        ("server", {"bound": "5ms", "percentile": 100}, "percentile is 100: give 1 to 99.999"),
        ("server", {"bound": "5ms", "min_queries": 0}, "min_queries is 0: give 1 or more"),
        ("server", {"bound": "5ms", "min_duration": "10"}, "'10' has no unit"),
    ],
)
def test_settings_that_do_not_fit_are_refused(kind: str, given_: dict[str, Any], says: str) -> None:
    """Before anything is computed."""
    run = with_experiment(server(), scenario={"kind": kind})
    with pytest.raises(InputError, match=says):
        mlperf_result(run, **given_)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=5),
    bound=st.integers(1, 40),
)
def test_a_longer_bound_keeps_a_server_valid(seed: int, sizes: list[int], bound: int) -> None:
    """And never raises what early stopping still needs; rounds may differ in length."""
    random = np.random.default_rng(seed)
    made = [
        make_round(
            random.integers(1, 40, n).tolist(),
            [0] * n,
            index=r,
            sample=[0] * n,
            scheduled=np.cumsum(random.integers(0, 9, n)).tolist(),
        )
        for r, n in enumerate(sizes)
    ]
    run = with_experiment(make_run(made, [0]), scenario={"kind": "server"})
    asked: dict[str, Any] = {"min_duration": 0, "min_queries": 1}
    tight, loose = (mlperf_result(run, bound=b, **asked) for b in (bound, bound + 3))
    assert tight.valid <= loose.valid
    assert tight.over_bound is not None
    assert loose.over_bound is not None
    assert tight.over_bound >= loose.over_bound
    assert tight.queries == sum(sizes)
