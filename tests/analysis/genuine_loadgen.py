"""The genuine LoadGen in a process of its own, and what its logs say: an oracle of verdicts."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analysis.handmade import make_run, with_experiment
from tailmark.records.model import Int64s, Round, Run, Status

KINDS = {
    "SingleStream": "single-stream",
    "MultiStream": "multi-stream",
    "Server": "server",
    "Offline": "offline",
}

_PROGRAM = """
import random, sys, time
import mlperf_loadgen as lg
scenario, folder, queries, bound_ns, qps, percent = sys.argv[1:]
s = lg.TestSettings()
s.scenario = getattr(lg.TestScenario, scenario)
s.mode = lg.TestMode.PerformanceOnly
s.min_query_count = s.max_query_count = int(queries)
s.min_duration_ms = 0
s.server_target_qps = float(qps)
s.server_target_latency_ns = int(bound_ns)
s.server_target_latency_percentile = float(percent) / 100
s.single_stream_expected_latency_ns = s.multi_stream_expected_latency_ns = 1000
s.offline_expected_qps = 1000
output = lg.LogOutputSettings()
output.outdir = folder
logs = lg.LogSettings()
logs.log_output = output
logs.enable_trace = True
clock = time.perf_counter_ns
def issue(asked):
    for one in asked:
        until = clock() + int(random.expovariate(1 / 5000))
        while clock() < until:
            pass
        lg.QuerySamplesComplete([lg.QuerySampleResponse(one.id, 0, 0)])
sut = lg.ConstructSUT(issue, lambda: None)
qsl = lg.ConstructQSL(64, 64, lambda _: None, lambda _: None)
lg.StartTestWithLogSettings(sut, qsl, s, logs)
lg.DestroyQSL(qsl)
lg.DestroySUT(sut)
"""
_SAMPLE = re.compile(r'\{"name":"Sample".*"ph":"b".*\}')


@dataclass(frozen=True)
class Genuine:
    """One test by LoadGen.

    Args:
        summary: What ``mlperf_log_summary.txt`` says.
        run: Its queries, as ``mlperf_log_trace.json`` has them, in one round.
    """

    summary: str
    run: Run

    def figure(self, name: str) -> float:
        """The number behind a name of the summary."""
        found = re.search(rf"{re.escape(name)}\s*:\s*([\d.e+]+)", self.summary)
        assert found, f"{name} is not in\n{self.summary}"
        return float(found[1])

    def says(self, name: str) -> bool:
        """Whether a condition of the summary is satisfied."""
        found = re.search(rf"{re.escape(name)}\s*:\s*(Yes|NO)", self.summary)
        assert found, f"{name} is not in\n{self.summary}"
        return found[1] == "Yes"


def genuine(
    scenario: str,
    folder: Path,
    *,
    queries: int,
    bound_ns: int = 10**9,
    qps: float = 5000,
    percent: float = 99,
) -> Genuine:
    """Run one test on a system that is busy for some microseconds a sample, by chance."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = [scenario, folder, queries, bound_ns, qps, percent]
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *map(str, asked)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    trace = (folder / "mlperf_log_trace.json").read_text(encoding="utf-8")
    run = make_run([_round(trace)], [0] * 64)
    return Genuine(
        summary=(folder / "mlperf_log_summary.txt").read_text(encoding="utf-8"),
        run=with_experiment(run, scenario={"kind": KINDS[scenario]}),
    )


def _round(trace: str) -> Round:
    """Every sample of a trace, in the order of issue."""
    events = [json.loads(line.rstrip(",")) for line in _SAMPLE.findall(trace)]
    events.sort(key=lambda one: one["args"]["sample_seq"])

    def column(name: str) -> Int64s:
        return np.array([one["args"][name] for one in events], dtype=np.int64)

    due = np.array([round(1000 * one["ts"]) for one in events], dtype=np.int64)
    due -= due[0]
    return Round(
        index=0,
        facts={"duration_ns": int((due + column("complete_ns")).max())},
        query=column("query_seq"),
        sample=column("sample_idx").astype(np.int32),
        scheduled_ns=due,
        issued_ns=due + column("issue_start_ns"),
        completed_ns=due + column("complete_ns"),
        status=np.full(len(events), Status.ok, dtype=np.int8),
        output_id=np.zeros(len(events), dtype=np.int32),
    )
