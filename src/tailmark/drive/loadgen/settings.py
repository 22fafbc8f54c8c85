"""What LoadGen is told: our scenario and the engine's settings as LoadGen's own."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from tailmark.errors import InputError
from tailmark.loadgen.conf import Conf, lookup, read_conf
from tailmark.quality.requirement import LatencyRequirement
from tailmark.scenario.base import Order, Scenario
from tailmark.scenario.server import Server
from tailmark.scenario.settings import check_count
from tailmark.units import parse_duration

Seeds = Literal["official", "by-round"]
Mode = Literal["AccuracyOnly", "PerformanceOnly"]

SCENARIOS = {
    "single-stream": "SingleStream",
    "multi-stream": "MultiStream",
    "server": "Server",
    "offline": "Offline",
}
"""What LoadGen calls our scenarios; it has no others."""

_GENERATED_AT_MOST = 4_000_000  # LoadGen generates queries beforehand, at some 350 bytes each
_QUERIES = {"MultiStream": 662}  # mlperf.conf: what early stopping at p99 needs
_MIN_QUERIES = 100  # LoadGen's own default, and so is the duration
_MIN_DURATION = "10s"
_SEED_END = 2**64

_PER_QUERY = "multi_stream_samples_per_query"

_NAMES = {
    **{(name, "min_duration"): "min_duration_ms" for name in SCENARIOS.values()},
    **{(name, "min_query_count"): "min_query_count" for name in SCENARIOS.values()},
    ("SingleStream", "target_latency"): "single_stream_expected_latency_ns",
    ("MultiStream", "target_latency"): "multi_stream_expected_latency_ns",
    ("MultiStream", "samples_per_query"): _PER_QUERY,
    ("Server", "target_qps"): "server_target_qps",
    ("Server", "target_latency"): "server_target_latency_ns",
    ("Server", "target_latency_percentile"): "server_target_latency_percentile",
    ("Offline", "target_qps"): "offline_expected_qps",
}
"""What a ``user.conf``'s keys are called in LoadGen's ``TestSettings``."""


@dataclass(frozen=True, kw_only=True)
class LoadGen:
    """Settings of ``engine: loadgen``.

    Args:
        min_duration: How long a test must last at least; ``10s`` if neither this, nor the scenario,
            nor ``user_conf`` says. MLPerf asks for 600s.
        min_queries: How many queries it must send at least; 100 if nobody says, 662 in
            multi-stream, each sample once in offline.
        latency_bound: Server: what LoadGen judges the latency by; of ``require`` if that has one.
        percentile: Server: of how many percent of the queries; 99 if nobody says.
        benchmark: An MLPerf benchmark's name, such as ``resnet50``, if LoadGen shall apply what
            MLPerf prescribes for it.
        user_conf: A ``user.conf`` as MLPerf submissions have; settings given here override it.
        audit: An ``audit.config`` of a compliance test.
        seeds: ``official`` has every round send the same queries at the same times, as MLPerf asks;
            ``by-round`` adds the round's number, so that rounds differ.
        qsl_seed: LoadGen's; by default those of MLPerf v6.1.
        sample_seed: Of which samples are sent.
        schedule_seed: Of when they are sent.

    Raises:
        InputError: A setting that LoadGen cannot be given.
    """

    min_duration: str | None = None
    min_queries: int | None = None
    latency_bound: str | None = None
    percentile: float | None = None
    benchmark: str | None = None
    user_conf: Path | None = None
    audit: Path | None = None
    seeds: Seeds = "official"
    qsl_seed: int = 2085463073848966840
    sample_seed: int = 2747215439041700203
    schedule_seed: int = 16159082839903944936

    def __post_init__(self) -> None:
        """Refuse what cannot be carried out."""
        check_count("engine.min_queries", self.min_queries)
        for name in ("min_duration", "latency_bound"):
            if (given := getattr(self, name)) is not None:
                parse_duration(given, f"engine.{name}")
        if self.percentile is not None and not 0 < self.percentile < 100:
            raise InputError(f"engine.percentile is {self.percentile:g}: give 99, or 99.9")
        if self.seeds not in get_args(Seeds):
            raise InputError(f"engine.seeds is {self.seeds!r}: {' or '.join(get_args(Seeds))}")
        for name in ("qsl_seed", "sample_seed", "schedule_seed"):
            if not 0 <= getattr(self, name) < _SEED_END:
                raise InputError(f"engine.{name} is {getattr(self, name)}: give 0 to 2**64 - 1")
        if self.audit is not None and not self.audit.is_file():
            raise InputError(f"engine.audit {str(self.audit)!r} does not exist: give a file")
        self.conf()

    def conf(self) -> Conf:
        """What ``user_conf`` says; empty without one.

        Raises:
            InputError: It cannot be read.
        """
        return read_conf(self.user_conf) if self.user_conf else {}

    def describe(self) -> dict[str, Any]:
        """The settings, as plain data; what ``user_conf`` says instead of where it is."""
        plain = asdict(self) | {"audit": self.audit.read_text() if self.audit else None}
        return {"kind": "loadgen", **plain, "user_conf": dict(self.conf())}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast the system is, as the warm-up showed: LoadGen wants to know beforehand.

    Args:
        query_ns: The quickest sample.
        sample_ns: The quickest batch, by sample.
    """

    query_ns: int
    sample_ns: int


@dataclass(frozen=True, kw_only=True)
class LoadGenTest:
    """One test as LoadGen is configured for it.

    Args:
        scenario: LoadGen's name of it.
        mode: Accuracy or performance.
        benchmark: ``*`` if none.
        settings: By name of LoadGen's ``TestSettings``.
        conf: The same as far as a ``user.conf`` says it, by its keys.
        with_data: Whether LoadGen wants to see answers.
    """

    scenario: str
    mode: Mode
    benchmark: str
    settings: Mapping[str, Any]
    conf: Conf
    with_data: bool


def require_loadgen() -> None:
    """Say what is missing before anything is loaded.

    Raises:
        InputError: LoadGen is not installed.
    """
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise InputError(
            "engine: loadgen needs MLPerf's LoadGen, which is not installed: "
            "pip install 'tailmark[loadgen]'"
        )


def check_scenario(scenario: Scenario, order: Order) -> None:
    """Refuse what LoadGen cannot send.

    Raises:
        InputError: Naming the setting.
    """
    said = scenario.describe()
    kind = said.get("kind")
    if kind not in SCENARIOS:
        raise InputError(
            f"engine: loadgen has no scenario {kind!r}: it has {', '.join(SCENARIOS)}, and "
            "engine: tailmark has the others"
        )
    if said.get("arrivals", "poisson") != "poisson":
        raise InputError(
            f"scenario.arrivals is {said['arrivals']!r}: LoadGen's server sends poisson arrivals; "
            "engine: tailmark sends others"
        )
    if order == "fixed":
        raise InputError(
            "workload.order is 'fixed': LoadGen draws samples itself; give replacement, which it "
            "does by default, or equal-issue"
        )


def drawn_by_loadgen(order: Order) -> Order:
    """How LoadGen chooses samples where we would choose them so."""
    return "equal-issue" if order == "equal-issue" else "replacement"


def plan_test(
    engine: LoadGen,
    scenario: Scenario,
    order: Order,
    *,
    mode: Mode,
    samples: int,
    workers: int,
    pace: Pace,
    bound: LatencyRequirement | None,
    seed: int,
    index: int,
) -> LoadGenTest:
    """Configure LoadGen for a round.

    Args:
        engine: The engine's settings.
        scenario: What LoadGen's scenario is set up from.
        order: ``equal-issue`` is LoadGen's too; otherwise it draws with replacement.
        mode: Accuracy or performance.
        samples: In the workload.
        workers: Answering at the same time.
        pace: Of the system.
        bound: What latency the run is required to have, if any.
        seed: Of the run.
        index: Which round.
    """
    said = scenario.describe()
    name, conf = SCENARIOS[said["kind"]], engine.conf()
    benchmark = engine.benchmark or "*"
    given = partial(_first_given, conf, benchmark, name)
    duration_ms = given("min_duration", _ms(said.get("duration") or engine.min_duration))
    duration_ms = _ms(_MIN_DURATION) or 0 if duration_ms is None else duration_ms
    asked = said.get("queries") or said.get("samples")
    queries = given("min_query_count", asked, engine.min_queries)
    if queries is None:
        queries = samples if name == "Offline" else _QUERIES.get(name, _MIN_QUERIES)
    keys: dict[str, float] = {"min_duration": duration_ms, "min_query_count": int(queries)}
    match name:
        case "Server":
            own = {"target_qps": float(said["target_qps"]), **_judged(engine, bound, given)}
        case "Offline":
            most = _GENERATED_AT_MOST / max(duration_ms / 1e3, 1)
            own = {"target_qps": given("target_qps") or min(workers * 1e9 / pace.sample_ns, most)}
        case _:
            several = int(said.get("samples_per_query", 1))
            query_ns = max(pace.query_ns, pace.sample_ns * several // workers)
            # LoadGen generates queries for twice the duration: enough, and no more than memory has.
            least = 2 * duration_ms / _GENERATED_AT_MOST
            own = {"target_latency": given("target_latency") or max(query_ns / 1e6, least)}
            if name == "MultiStream":
                own["samples_per_query"] = several
    keys |= own
    sampling = any(
        lookup(conf, benchmark, name, f"accuracy_log_{key}")
        for key in ("probability", "sampling_target")
    )
    return LoadGenTest(
        scenario=name,
        mode=mode,
        benchmark=benchmark,
        settings={
            **{_NAMES[name, key]: _converted(key, value) for key, value in keys.items()},
            "sample_concatenate_permutation": order == "equal-issue",
            **_seeds(engine, scenario, seed, index),
        },
        conf={f"{benchmark}.{name}.{key}": value for key, value in keys.items()},
        with_data=mode == "AccuracyOnly" or sampling or engine.audit is not None,
    )


def lasts_ns(test: LoadGenTest, *, samples: int, workers: int, query_ns: int) -> int:
    """About how long a test takes.

    Args:
        test: Its configuration.
        samples: In the workload, each of which the accuracy test sends once.
        workers: Answering at the same time.
        query_ns: What a sample takes.
    """
    said = test.settings
    once = test.mode == "AccuracyOnly"
    rows = samples if once else said["min_query_count"] * said.get(_PER_QUERY, 1)
    duration_ns = 0 if once else said["min_duration_ms"] * 10**6
    answering_ns = rows * query_ns // workers
    if test.scenario == "Server":
        duration_ns = max(duration_ns, round(rows / said["server_target_qps"] * 1e9))
    return max(answering_ns, duration_ns)


def _first_given(
    conf: Conf, benchmark: str, scenario: str, key: str, *choices: float | None
) -> float | None:
    """The first that is given, and after them what ``user_conf`` says."""
    found = next((choice for choice in choices if choice is not None), None)
    return lookup(conf, benchmark, scenario, key) if found is None else found


def _judged(
    engine: LoadGen,
    bound: LatencyRequirement | None,
    given: Callable[..., float | None],
) -> dict[str, float]:
    """What a server's latency is judged by; nothing where that is MLPerf's to say."""
    asked = {
        "target_latency": (_ms(engine.latency_bound), bound and bound.bound_ns / 1e6),
        "target_latency_percentile": (engine.percentile, bound and bound.percent),
    }
    found = {key: given(key, *choices) for key, choices in asked.items()}
    return {key: value for key, value in found.items() if value is not None}


def _converted(key: str, value: float) -> float:
    """A conf's value as ``TestSettings`` has it: nanoseconds instead of milliseconds, shares."""
    match key:
        case "target_latency":
            return round(value * 1e6)
        case "target_latency_percentile":
            return value / 100
        case "target_qps":
            return value
        case _:
            return round(value)


def _ms(duration: str | None) -> float | None:
    return None if duration is None else parse_duration(duration) / 1e6


def _seeds(engine: LoadGen, scenario: Scenario, seed: int, index: int) -> dict[str, int]:
    """Round r's; by round they are the seeds of what our own engine sends, where it sends so."""
    schedule, sample = engine.schedule_seed, engine.sample_seed
    if scenario.describe().get("schedule_seed") is not None:
        schedule = scenario.describe()["schedule_seed"]
    if engine.seeds == "by-round":
        schedule, sample = (schedule + index) % 2**32, (sample + index) % 2**32
        if isinstance(scenario, Server):
            schedule = scenario.round_seed(seed, index)
    return {
        "qsl_rng_seed": engine.qsl_seed,
        "sample_index_rng_seed": sample,
        "schedule_rng_seed": schedule,
    }
