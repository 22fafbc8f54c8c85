"""Our scenario and settings become LoadGen's, and where nobody says anything, its own defaults."""

from pathlib import Path
from typing import Any

import pytest

import tailmark
from tailmark.drive.loadgen.settings import LoadGenTest, Pace, lasts_ns, plan_test
from tailmark.errors import InputError
from tailmark.quality.requirement import LatencyRequirement
from tailmark.scenario.base import Scenario


def plan(engine: tailmark.LoadGen, scenario: Scenario, **changes: Any) -> LoadGenTest:
    """A test on 500 samples of 5 ms, by batch 2 ms."""
    settings: dict[str, Any] = {
        "order": "shuffled",
        "mode": "PerformanceOnly",
        "samples": 500,
        "workers": 1,
        "pace": Pace(query_ns=5_000_000, sample_ns=2_000_000),
        "bound": None,
        "seed": 0,
        "index": 2,
        **changes,
    }
    return plan_test(engine, scenario, settings.pop("order"), **settings)


OFFICIAL = {
    "qsl_rng_seed": 2085463073848966840,
    "sample_index_rng_seed": 2747215439041700203,
    "schedule_rng_seed": 16159082839903944936,
    "sample_concatenate_permutation": False,
}


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        (
            tailmark.SingleStream(),
            {"min_query_count": 100, "single_stream_expected_latency_ns": 5_000_000},
        ),
        (
            tailmark.MultiStream(),
            {
                "min_query_count": 662,
                "multi_stream_samples_per_query": 8,
                "multi_stream_expected_latency_ns": 16_000_000,
            },
        ),
        (tailmark.Server(target_qps=50), {"min_query_count": 100, "server_target_qps": 50.0}),
        (tailmark.Offline(), {"min_query_count": 500, "offline_expected_qps": 500.0}),
    ],
)
def test_where_nobody_says_anything_loadgens_defaults_hold(
    scenario: Scenario, expected: dict[str, Any]
) -> None:
    """Ten seconds, and enough queries; how fast the system is was seen in the warm-up."""
    test = plan(tailmark.LoadGen(), scenario)
    assert test.settings == {"min_duration_ms": 10_000, **expected, **OFFICIAL}


def test_what_the_scenario_says_comes_before_the_engine_and_that_before_the_file(
    tmp_path: Path,
) -> None:
    """And a requirement of latency is what a server is judged by."""
    file = tmp_path / "user.conf"
    file.write_text(
        "*.Server.min_duration = 600000\n*.Server.min_query_count = 7\n"
        "*.Server.target_latency_percentile = 97\n*.Server.target_latency = 80\n",
        encoding="utf-8",
    )
    engine = tailmark.LoadGen(min_queries=9, user_conf=file)
    plain = plan(engine, tailmark.Server(target_qps=5))
    assert plain.settings["min_duration_ms"] == 600_000
    assert plain.settings["min_query_count"] == 9
    assert plain.settings["server_target_latency_ns"] == 80_000_000
    said = plan(
        engine,
        tailmark.Server(target_qps=5, queries=11, duration="3s"),
        bound=LatencyRequirement(percent=99.9, bound_ns=1_500_000),
    )
    assert said.settings["min_duration_ms"] == 3000
    assert said.settings["min_query_count"] == 11
    assert said.settings["server_target_latency_ns"] == 1_500_000
    assert said.settings["server_target_latency_percentile"] == pytest.approx(0.999)
    assert said.conf["*.Server.target_latency"] == 1.5


def test_every_setting_is_one_that_loadgen_has() -> None:
    """In every scenario."""
    loadgen = pytest.importorskip("mlperf_loadgen", reason="LoadGen is an extra")
    bound = LatencyRequirement(percent=99, bound_ns=10**7)
    scenarios = (
        tailmark.SingleStream(),
        tailmark.MultiStream(),
        tailmark.Server(target_qps=50),
        tailmark.Offline(),
    )
    for scenario in scenarios:
        settings = loadgen.TestSettings()
        for name, value in plan(tailmark.LoadGen(), scenario, bound=bound).settings.items():
            assert hasattr(settings, name)
            setattr(settings, name, value)
            assert getattr(settings, name) == value


def test_a_system_of_no_time_does_not_have_loadgen_fill_the_memory() -> None:
    """It generates queries for twice the duration beforehand, at some 350 bytes each."""
    swift = Pace(query_ns=100, sample_ns=100)
    stream = plan(tailmark.LoadGen(min_duration="600s"), tailmark.SingleStream(), pace=swift)
    generated = 2 * 600e9 / stream.settings["single_stream_expected_latency_ns"]
    assert generated <= 4_000_000
    offline = plan(tailmark.LoadGen(min_duration="600s"), tailmark.Offline(), pace=swift)
    assert 600 * offline.settings["offline_expected_qps"] <= 4_000_000


def test_samples_of_answers_are_wanted_where_a_file_asks_for_them(tmp_path: Path) -> None:
    """Otherwise answers are decoded when LoadGen has been told."""
    file = tmp_path / "user.conf"
    file.write_text("*.*.accuracy_log_sampling_target = 100\n", encoding="utf-8")
    assert not plan(tailmark.LoadGen(), tailmark.SingleStream()).with_data
    assert plan(tailmark.LoadGen(user_conf=file), tailmark.SingleStream()).with_data
    assert plan(tailmark.LoadGen(), tailmark.SingleStream(), mode="AccuracyOnly").with_data


@pytest.mark.parametrize(
    ("scenario", "seconds"),
    [
        (tailmark.SingleStream(queries=100), 10),
        (tailmark.SingleStream(queries=4000), 20),
        (tailmark.Server(target_qps=1, queries=100), 100),
        (tailmark.MultiStream(queries=1000), 40),
    ],
)
def test_how_long_a_test_lasts_is_known_beforehand(scenario: Scenario, seconds: float) -> None:
    """By its queries or by its duration, whichever is more."""
    test = plan(tailmark.LoadGen(), scenario)
    assert lasts_ns(test, samples=500, workers=1, query_ns=5_000_000) == seconds * 10**9


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"min_queries": 0}, "engine.min_queries is 0"),
        ({"min_duration": "10"}, "has no unit"),
        ({"latency_bound": "soon"}, "engine.latency_bound"),
        ({"percentile": 100}, "engine.percentile is 100"),
        ({"seeds": "mine"}, "official or by-round"),
        ({"sample_seed": -1}, "engine.sample_seed is -1"),
        ({"audit": Path("nowhere.config")}, "nowhere.config"),
        ({"user_conf": Path("nowhere.conf")}, "nowhere.conf"),
    ],
)
def test_a_setting_that_cannot_be_carried_out_is_named(settings: dict[str, Any], said: str) -> None:
    """When it is given, not when it is needed."""
    with pytest.raises(InputError, match=said):
        tailmark.LoadGen(**settings)
