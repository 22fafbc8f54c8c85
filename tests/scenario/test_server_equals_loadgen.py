"""Given LoadGen's seed, queries are due when LoadGen's are: to the nanosecond, every one."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tailmark
from tailmark.records.model import Int64s

GENUINE = Path(__file__).parent / "genuine_server.py"
V61_SEED = 16159082839903944936  # the schedule's, of MLPerf Inference v6.1
_SENT = re.compile(r'"name":"Sample".*"ph":"b".*"ts":(\d+)\.(\d{3}),.*"query_seq":(\d+)')

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("mlperf_loadgen") is None,
    reason="mlperf_loadgen is not installed: pip install mlcommons-loadgen",
)


def scheduled_ns(out: Path, qps: float, seed: int, queries: int, duration_ms: int) -> Int64s:
    """When the installed LoadGen scheduled its queries, from its trace log."""
    words = [str(qps), str(seed), str(queries), str(duration_ms), str(out)]
    done = subprocess.run(
        [sys.executable, str(GENUINE), *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = (out / "mlperf_log_trace.json").read_text(encoding="utf-8").splitlines()
    found = [[int(part) for part in sent.groups()] for sent in map(_SENT.search, lines) if sent]
    micros, nanos, query = np.array(found).T
    times = np.empty(len(found), dtype=np.int64)
    times[query] = micros * 1000 + nanos
    times -= times[0]
    return times


@pytest.mark.parametrize(
    ("qps", "seed", "index", "queries", "duration_ms"),
    [
        (5_000, V61_SEED, 0, 2_000, 0),
        (5_000, V61_SEED, 3, 1_000, 300),  # the duration decides
        (1_333.3, 7, 0, 1_200, 100),  # the number of queries decides
        (20_000, 2**32 + 5, 1, 1_000, 250),
        (100_000, 2**32 - 1, 1, 20_000, 0),
    ],
)
def test_it_is_due_when_loadgens_is(
    tmp_path: Path, qps: float, seed: int, index: int, queries: int, duration_ms: int
) -> None:
    """Round r as with the seed + r; and so many queries as LoadGen sends."""
    server = tailmark.Server(
        target_qps=qps,
        queries=queries,
        duration=f"{duration_ms}ms" if duration_ms else None,
        schedule_seed=seed,
    )
    ours = server.schedule(64, order="fixed", seed=123, index=index).due_ns
    theirs = scheduled_ns(tmp_path, qps, seed + index, queries, duration_ms)
    assert len(theirs) >= 1_000
    assert ours is not None
    assert np.array_equal(ours, theirs)
