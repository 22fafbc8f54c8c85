"""Run as a script, the genuine LoadGen tests a system that answers each sample with its index.

LoadGen applies a second configuration in one process by halves, so each test is a process.
"""

import array
import importlib.util
import subprocess
import sys
from pathlib import Path

LIBRARY = 100
SCENARIOS = ("SingleStream", "MultiStream", "Server", "Offline")

installed = importlib.util.find_spec("mlperf_loadgen") is not None


def genuine_logs(out: Path, scenario: str, mode: str, queries: int = 300) -> Path:
    """The logs of one test, with a trace.

    Args:
        out: Where to; made.
        scenario: As LoadGen names it.
        mode: Likewise.
        queries: How many.
    """
    out.mkdir(parents=True)
    words = [sys.executable, __file__, str(out), scenario, mode, str(queries)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return out


def main(out: str, scenario: str, mode: str, queries: str) -> None:
    """One test."""
    import mlperf_loadgen as loadgen

    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, scenario)
    settings.mode = getattr(loadgen.TestMode, mode)
    settings.min_duration_ms = 0
    settings.min_query_count = int(queries)
    settings.max_query_count = 0 if scenario == "Offline" else int(queries)
    settings.server_target_qps = 2000
    settings.server_target_latency_ns = 15_000_000
    settings.offline_expected_qps = int(queries)
    settings.single_stream_expected_latency_ns = 100_000
    settings.multi_stream_samples_per_query = 8
    settings.multi_stream_expected_latency_ns = 100_000

    def issue(sent: list[object]) -> None:
        held = [array.array("q", [one.index]) for one in sent]  # type: ignore[attr-defined]
        loadgen.QuerySamplesComplete(
            [
                loadgen.QuerySampleResponse(one.id, *_place(data))  # type: ignore[attr-defined]
                for one, data in zip(sent, held, strict=True)
            ]
        )

    system = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(LIBRARY, 64, lambda _: None, lambda _: None)
    logs = loadgen.LogSettings()
    logs.log_output.outdir = out
    logs.enable_trace = True
    loadgen.StartTestWithLogSettings(system, library, settings, logs)
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)


def _place(data: "array.array[int]") -> tuple[int, int]:
    address, items = data.buffer_info()
    return address, items * data.itemsize


if __name__ == "__main__":
    main(*sys.argv[1:])
