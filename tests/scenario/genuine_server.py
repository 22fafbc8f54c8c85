"""The installed LoadGen sends Server queries to a system that answers at once; run as a script.

A process of its own for each, since LoadGen half applies a second configuration.
"""

import sys
from typing import Any

import mlperf_loadgen as loadgen


def main(qps: str, seed: str, queries: str, duration_ms: str, out: str) -> None:
    """Leave its logs in ``out``, the trace among them."""
    settings = loadgen.TestSettings()
    settings.scenario = loadgen.TestScenario.Server
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.server_target_qps = float(qps)
    settings.schedule_rng_seed = int(seed)
    settings.min_query_count = int(queries)
    settings.min_duration_ms = int(duration_ms)
    logs = loadgen.LogSettings()
    logs.enable_trace = True
    logs.log_output.outdir = out
    logs.log_output.copy_summary_to_stdout = False

    def answer(samples: list[Any]) -> None:
        loadgen.QuerySamplesComplete([loadgen.QuerySampleResponse(s.id, 0, 0) for s in samples])

    system = loadgen.ConstructSUT(answer, lambda: None)
    library = loadgen.ConstructQSL(64, 64, lambda _: None, lambda _: None)
    loadgen.StartTestWithLogSettings(system, library, settings, logs, "none")


if __name__ == "__main__":
    main(*sys.argv[1:])
