"""What MLPerf Inference v6.1 asks of a submission, as data. Knows no files and checks nothing.

Sources: the submission checker of mlcommons/inference (v6.1, August 2026), and the inference rules
of mlcommons/inference_policies.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

VERSION = "v6.1"

DIVISIONS = ("closed", "network", "open")
CATEGORIES = ("available", "preview", "rdi")
SUITES = ("datacenter", "edge", "datacenter,edge")
SCENARIOS = ("SingleStream", "MultiStream", "Offline", "Server", "Interactive")

MIN_DURATION_MS = 600_000
ACCURACY_LOG_BYTES = 10 * 1024
"""An accuracy log may be no longer once it is truncated."""
VIEWABLE_BYTES = 4096
"""What the official tool leaves of an accuracy log, at its beginning and at its end."""

SEEDS = {
    "qsl_rng_seed": 2085463073848966840,
    "sample_index_rng_seed": 2747215439041700203,
    "schedule_rng_seed": 16159082839903944936,
}

EARLY_STOPPING = ("SingleStream", "MultiStream", "Server")
"""Scenarios that end by early stopping; the least number of queries is that of the others."""

SCORES = {
    "SingleStream": "early_stopping_latency_ss",
    "MultiStream": "early_stopping_latency_ms",
    "Offline": "result_samples_per_second",
    "Server": "result_completed_samples_per_sec",
    "Interactive": "result_completed_samples_per_sec",
}
"""The entry of the detail log that a submission is ranked by."""

INFERRED = {
    "MultiStream": ("SingleStream",),
    "Offline": ("SingleStream", "MultiStream"),
}
"""Which scenarios a result may be inferred from, in the edge suite."""

_VALUE = r"['\"]?\s*[:=]\s*['\"]?([0-9]+(?:\.[0-9]+)?)"
METRICS = {
    "accuracy": r"^\W*accuracy" + _VALUE,
    "word accuracy": r"Word Error Rate.*\baccuracy" + _VALUE,
    "end-to-end accuracy": r"\bAccuracy" + _VALUE,
    "F1": r"\bf1" + _VALUE,
    "mAP": r"(?:\bmAP|\bTotal)" + _VALUE,
    "mean DICE": r"Accuracy:\s*mean" + _VALUE,
    "ROUGE-1": r"\brouge1" + _VALUE,
    "ROUGE-2": r"\brouge2" + _VALUE,
    "ROUGE-L": r"\brougeL" + _VALUE,
    "ROUGE-Lsum": r"\brougeLsum" + _VALUE,
    "generated length": r"\bgen_len" + _VALUE,
    "tokens per sample": r"\btokens_per_sample" + _VALUE,
    "exact match": r"\bexact_match" + _VALUE,
    "CLIP score": r"\bCLIP_SCORE" + _VALUE,
    "FID score": r"\bFID_SCORE" + _VALUE,
    "VBench score": r"\bvbench_score" + _VALUE,
    "normalized entropy": r"\blifetime_ne/rating" + _VALUE,
    "lifetime accuracy": r"\blifetime_accuracy/rating" + _VALUE,
    "lifetime AUC": r"\blifetime_gauc/rating" + _VALUE,
}
"""How a line of ``accuracy.txt`` names each metric, as regular expressions with one group."""


@dataclass(frozen=True)
class Target:
    """Between what values a metric has to lie.

    Args:
        metric: A key of `METRICS`.
        least: At least this, where there is a lower bound.
        most: At most this, where there is an upper one.
    """

    metric: str
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class TokenBound:
    """The most that a language model's tokens may take, as 99th percentiles.

    Args:
        first_ns: To the first token (TTFT).
        each_ns: For each token after it (TPOT).
    """

    first_ns: int
    each_ns: int


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What is asked of the results of one benchmark.

    Args:
        suites: Suite -> the scenarios it requires.
        online: Suites where one of Server and Interactive is required besides.
        targets: What the accuracy run has to reach, in the closed and network divisions.
        targets_of: The same where a scenario has targets of its own.
        performance_samples: At least so many samples are loaded in a performance run.
        accuracy_samples: An accuracy run covers exactly so many samples.
        accuracy_samples_of: The same where a scenario has a number of its own.
        offline_samples: The single query of Offline holds at least so many samples; None for any.
        latency_bound_ns: Scenario -> the 99th percentile may be no more.
        token_bounds: The same of first and further tokens.
        tokens: Whether token latencies are to be logged.
        min_duration: Whether a run has to last `MIN_DURATION_MS`.
        tests: The compliance tests of the closed and network divisions.
        extra_files: Folder -> stems of files that ``accuracy/`` has to hold.
    """

    suites: Mapping[str, tuple[str, ...]]
    online: tuple[str, ...] = ()
    targets: tuple[Target, ...] = ()
    targets_of: Mapping[str, tuple[Target, ...]] = field(default_factory=dict)
    performance_samples: int
    accuracy_samples: int
    accuracy_samples_of: Mapping[str, int] = field(default_factory=dict)
    offline_samples: int | None
    latency_bound_ns: Mapping[str, int] = field(default_factory=dict)
    token_bounds: Mapping[str, TokenBound] = field(default_factory=dict)
    tokens: bool = False
    min_duration: bool = True
    tests: tuple[str, ...] = ()
    extra_files: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


_MS = 10**6
_S = 10**9
_DATACENTER = "datacenter"
_EDGE = "edge"
_BOTH = "datacenter,edge"
_STREAMS = ("SingleStream", "MultiStream", "Offline")
_SINGLE = ("SingleStream", "Offline")
_OFFLINE = ("Offline",)


def _edge(*scenarios: str) -> dict[str, tuple[str, ...]]:
    return {_EDGE: scenarios, _BOTH: scenarios}


def _datacenter(*scenarios: str) -> dict[str, tuple[str, ...]]:
    return {_DATACENTER: scenarios, _BOTH: scenarios}


def _bert(share: float) -> Benchmark:
    return Benchmark(
        suites=_edge(*_SINGLE),
        targets=(Target("F1", 90.874 * share),),
        performance_samples=10833,
        accuracy_samples=10833,
        offline_samples=10833,
        tests=("TEST01",),
    )


def _unet(share: float) -> Benchmark:
    return Benchmark(
        suites={_DATACENTER: _OFFLINE, **_edge(*_SINGLE)},
        targets=(Target("mean DICE", 0.86170 * share),),
        performance_samples=43,
        accuracy_samples=43,
        offline_samples=43,
        tests=("TEST01",),
    )


def _yolo(share: float) -> Benchmark:
    return Benchmark(
        suites=_edge(*_STREAMS),
        targets=(Target("mAP", 53.4 * share),),
        performance_samples=64,
        accuracy_samples=1525,
        offline_samples=1525,
        tests=("TEST01",),
    )


def _rouge(
    share: float, one: float, two: float, longest: float, summary: float | None = None
) -> tuple[Target, ...]:
    found = [
        Target("ROUGE-1", one * share),
        Target("ROUGE-2", two * share),
        Target("ROUGE-L", longest * share),
    ]
    return (*found, *([Target("ROUGE-Lsum", summary * share)] if summary else []))


def _about(metric: str, reference: float) -> Target:
    """Within a tenth of the reference, either way."""
    return Target(metric, 0.9 * reference, 1.1 * reference)


BENCHMARKS: Mapping[str, Benchmark] = {
    "resnet": Benchmark(
        suites={_EDGE: _STREAMS, _BOTH: (*_STREAMS, "Server")},
        targets=(Target("accuracy", 76.46 * 0.99),),
        performance_samples=1024,
        accuracy_samples=50_000,
        offline_samples=24_576,
        latency_bound_ns={"Server": 15 * _MS},
        tests=("TEST01", "TEST04"),
    ),
    "bert-99": _bert(0.99),
    "bert-99.9": _bert(0.999),
    "3d-unet-99": _unet(0.99),
    "3d-unet-99.9": _unet(0.999),
    "yolo-95": _yolo(0.95),
    "yolo-99": _yolo(0.99),
    "whisper": Benchmark(
        suites={**_datacenter(*_OFFLINE), _EDGE: _OFFLINE},
        targets=(Target("word accuracy", (100.0 - 2.0671) * 0.99),),
        performance_samples=1633,
        accuracy_samples=1633,
        offline_samples=1633,
        tests=("TEST01",),
    ),
    "rgat": Benchmark(
        suites=_datacenter(*_OFFLINE),
        targets=(Target("accuracy", 0.7286 * 0.99),),
        performance_samples=788_379,
        accuracy_samples=788_379,
        offline_samples=788_379,
        tests=("TEST01",),
    ),
    "dlrm-v3": Benchmark(
        suites=_datacenter("Server", "Offline"),
        targets=(
            Target("normalized entropy", 0.86687 * 0.999),
            Target("lifetime accuracy", 0.69651 * 0.999),
            Target("lifetime AUC", 0.78663 * 0.999),
        ),
        performance_samples=349_823,
        accuracy_samples=349_823,
        offline_samples=349_823,
        latency_bound_ns={"Server": 60 * _S},
        tests=("TEST08",),
    ),
    "stable-diffusion-xl": Benchmark(
        suites={_EDGE: _SINGLE, _BOTH: (*_SINGLE, "Server")},
        targets=(
            Target("CLIP score", 31.68631873, 31.81331801),
            Target("FID score", 23.01085758, 23.95007626),
        ),
        performance_samples=5000,
        accuracy_samples=5000,
        offline_samples=5000,
        latency_bound_ns={"Server": 20 * _S},
        tests=("TEST01", "TEST04"),
    ),
    "wan-2.2-t2v-a14b": Benchmark(
        suites={_DATACENTER: ("Offline", "SingleStream")},
        targets=(Target("VBench score", 70.48 * 0.99),),
        performance_samples=50,
        accuracy_samples=248,
        offline_samples=50,
        tests=("TEST04",),
        extra_files={
            "videos": ("130", "106", "84", "59", "12", "123", "43", "22", "238", "32"),
        },
    ),
    "llama3.1-8b": Benchmark(
        suites=_datacenter(*_OFFLINE),
        online=(_DATACENTER, _BOTH),
        targets=(
            *_rouge(0.99, 38.7792, 15.9075, 24.4957, 35.793),
            _about("generated length", 8_167_644),
        ),
        performance_samples=13_368,
        accuracy_samples=13_368,
        offline_samples=13_368,
        latency_bound_ns={"Server": 20 * _S},
        token_bounds={
            "Server": TokenBound(2000 * _MS, 100 * _MS),
            "Interactive": TokenBound(500 * _MS, 30 * _MS),
        },
        tokens=True,
        tests=("TEST06",),
    ),
    "llama3.1-8b-edge": Benchmark(
        suites=_edge(*_SINGLE),
        targets=(
            *_rouge(0.99, 39.06, 16.1147, 24.6375, 36.124),
            _about("generated length", 3_051_113),
        ),
        performance_samples=5000,
        accuracy_samples=5000,
        offline_samples=5000,
        tokens=True,
    ),
    "llama2-70b-99.9": Benchmark(
        suites=_datacenter(*_OFFLINE),
        online=(_DATACENTER, _BOTH),
        targets=(
            *_rouge(0.999, 44.4312, 22.0352, 28.6162),
            _about("tokens per sample", 294.45),
        ),
        performance_samples=24_576,
        accuracy_samples=24_576,
        offline_samples=24_576,
        latency_bound_ns={"Server": 20 * _S},
        token_bounds={
            "Server": TokenBound(2000 * _MS, 200 * _MS),
            "Interactive": TokenBound(450 * _MS, 40 * _MS),
        },
        tokens=True,
        tests=("TEST06",),
    ),
    "deepseek-r1": Benchmark(
        suites=_datacenter(*_OFFLINE),
        online=(_DATACENTER, _BOTH),
        targets=(
            Target("exact match", 0.99 * 81.3582),
            _about("tokens per sample", 3886.2274),
        ),
        performance_samples=4388,
        accuracy_samples=4388,
        offline_samples=4388,
        latency_bound_ns={"Server": 60 * _S},
        token_bounds={
            "Server": TokenBound(2000 * _MS, 80 * _MS),
            "Interactive": TokenBound(1500 * _MS, 15 * _MS),
        },
        tokens=True,
        tests=("TEST06",),
    ),
    "gpt-oss-120b": Benchmark(
        suites=_datacenter(*_OFFLINE),
        online=(_DATACENTER, _BOTH),
        targets=(
            Target("exact match", 83.13 * 0.99),
            Target("tokens per sample", most=1.1 * 9999),
        ),
        performance_samples=6396,
        accuracy_samples=4395,
        offline_samples=6396,
        latency_bound_ns={"Server": 60 * _S},
        token_bounds={
            "Server": TokenBound(3000 * _MS, 80 * _MS),
            "Interactive": TokenBound(2000 * _MS, 15 * _MS),
        },
        tokens=True,
        tests=("TEST07", "TEST09"),
    ),
    "qwen3-vl-235b-a22b": Benchmark(
        suites=_datacenter(*_OFFLINE),
        online=(_DATACENTER, _BOTH),
        targets=(Target("F1", 0.7903 * 0.99),),
        targets_of={"Interactive": (Target("F1", 0.7878 * 0.99),)},
        performance_samples=48_289,
        accuracy_samples=48_289,
        accuracy_samples_of={"Interactive": 8000},
        offline_samples=48_289,
        latency_bound_ns={"Server": 12 * _S, "Interactive": 1500 * _MS},
    ),
    "qwen3.6-27b": Benchmark(
        suites=_edge("SingleStream"),
        targets=(Target("mAP", 86.23 * 0.99),),
        performance_samples=995,
        accuracy_samples=995,
        offline_samples=None,
    ),
    "e2e-rag-qna": Benchmark(
        suites={_DATACENTER: _OFFLINE},
        targets=(Target("end-to-end accuracy", 33.95),),
        performance_samples=824,
        accuracy_samples=824,
        offline_samples=824,
        min_duration=False,
        tests=("TEST09",),
    ),
    "e2e-rag-db": Benchmark(
        suites={_DATACENTER: _OFFLINE},
        targets=(Target("end-to-end accuracy", 98),),
        performance_samples=2515,
        accuracy_samples=2515,
        offline_samples=2515,
        min_duration=False,
    ),
}

ALIASES = {
    "resnet50": "resnet",
    "mobilenet": "resnet",
    "llama3_1-8b": "llama3.1-8b",
    "llama3_1-8b-edge": "llama3.1-8b-edge",
}
"""Other names that the official checker takes for a benchmark."""

_STANDS_FOR_RESNET = ("mobilenet", "efficientnet", "resnet50")


def official_name(name: str, mapping: Mapping[str, str] | None = None) -> str | None:
    """The benchmark that a folder's name stands for; None if there is none.

    Args:
        name: The folder's name, such as ``mobilenet``.
        mapping: The submitter's own ``model_mapping.json``, to the benchmarks' own names: the
            official checker takes no alias there.
    """
    for one in (name, ALIASES.get(name), (mapping or {}).get(name)):
        if one in BENCHMARKS:
            return one
    return "resnet" if any(part in name for part in _STANDS_FOR_RESNET) else None


SYSTEM_FIELDS = (
    "division",
    "submitter",
    "status",
    "system_name",
    "system_type",
    "system_type_detail",
    "number_of_nodes",
    "host_processor_model_name",
    "host_processors_per_node",
    "host_processor_core_count",
    "host_processor_frequency",
    "host_processor_caches",
    "host_processor_interconnect",
    "host_memory_capacity",
    "host_memory_configuration",
    "host_storage_capacity",
    "host_storage_type",
    "host_networking",
    "host_networking_topology",
    "host_network_card_count",
    "accelerators_per_node",
    "accelerator_model_name",
    "accelerator_frequency",
    "accelerator_memory_capacity",
    "accelerator_memory_configuration",
    "accelerator_on-chip_memories",
    "accelerator_host_interconnect",
    "accelerator_interconnect",
    "accelerator_interconnect_topology",
    "cooling",
    "framework",
    "operating_system",
    "other_software_stack",
    "hw_notes",
    "sw_notes",
)
"""Fields that a system's description has to have."""

MAY_BE_EMPTY = (
    "system_type_detail",
    "host_processor_frequency",
    "host_processor_caches",
    "host_processor_interconnect",
    "accelerator_frequency",
    "accelerator_on-chip_memories",
    "accelerator_interconnect_topology",
    "hw_notes",
    "sw_notes",
)
"""Those of them that may hold nothing."""

WHOLE_NUMBERS = ("number_of_nodes", "accelerators_per_node")
"""Those that the official checker multiplies."""

NETWORK_FIELDS = (
    "is_network",
    "network_type",
    "network_media",
    "network_rate",
    "nic_loadgen",
    "number_nic_loadgen",
    "net_software_stack_loadgen",
    "network_protocol",
    "number_connections",
    "nic_sut",
    "number_nic_sut",
    "net_software_stack_sut",
    "network_topology",
)
"""Fields of a system that is reached over a network."""

NETWORK_SUT = "Network SUT"
"""What the name of a system under test has to contain where it is reached over a network."""

MEASUREMENT_FIELDS = (
    "input_data_types",
    "retraining",
    "starting_weights_filename",
    "weight_data_types",
    "weight_transformations",
)
"""Fields that ``measurements.json`` has to have, none of them empty."""

SCENARIO_FILES = ("user.conf", "README.md")
LOGS = ("mlperf_log_summary.txt", "mlperf_log_detail.txt")
ACCURACY_FILES = ("accuracy.txt", "mlperf_log_accuracy.json")

TESTED_PERFORMANCE = ("TEST01", "TEST04")
"""Compliance tests that come with a performance run and ``verify_performance.txt``."""
TESTED_ACCURACY = ("TEST01", "TEST06", "TEST07", "TEST08")
"""Compliance tests that come with ``verify_accuracy.txt``."""
TESTED_LENGTH = ("TEST09",)
"""Compliance tests that come with ``verify_output_len.txt``."""
TEST06_LINES = (
    ("First token check pass: True", "First token check pass: Skipped"),
    ("EOS check pass: True",),
    ("Sample length check pass: True",),
)
"""Of each, one line stands in TEST06's ``verify_accuracy.txt``."""
TEST01_ACCURACY_FILES = (
    "mlperf_log_accuracy.json",
    "accuracy.txt",
    "baseline_accuracy.txt",
    "compliance_accuracy.txt",
)
"""What ``TEST01/accuracy`` holds where the outputs were not the same to the bit."""


def allowed_difference(benchmark: str, metric: str) -> float:
    """How far TEST01's accuracy may lie from the baseline's, as a share of it."""
    if (benchmark, metric) == ("stable-diffusion-xl", "FID score"):
        return 0.02
    return 0.001 if "99.9" in benchmark else 0.01
