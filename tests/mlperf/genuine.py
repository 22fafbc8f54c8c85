"""The genuine LoadGen, a test a process, on a system that answers at once; and what it is put into.

Run as a program it does one test: ``genuine.py SCENARIO MODE FOLDER SAMPLES LOADED``.
"""

import hashlib
import importlib.util
import json
import shutil
import subprocess
import sys
from array import array
from collections.abc import Iterable
from pathlib import Path

import pytest

from tailmark.mlperf import rules

SUMMARY, DETAIL, ACCURACY = *rules.LOGS, "mlperf_log_accuracy.json"
STREAMS = ("SingleStream", "MultiStream", "Offline")

QUICK = {
    "SingleStream": {"min_query_count": 800},
    "MultiStream": {"min_query_count": 662},
    "Offline": {"min_query_count": 24_576, "target_qps": 1},
    "Server": {"min_query_count": 700, "target_qps": 20_000, "target_latency": 15_000},
}
"""What makes each scenario end at once, and validly."""


def answer(sample: int) -> int:
    """What the system answers: wrong for each tenth."""
    return (sample + (sample % 10 == 0)) % 10


def needs_loadgen() -> None:
    """Skip where LoadGen is not installed."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        pytest.skip("LoadGen is not installed: pip install mlcommons-loadgen")


def run_loadgen(
    folder: Path,
    scenario: str,
    mode: str = "PerformanceOnly",
    *,
    samples: int = 50_000,
    loaded: int = 1024,
    **settings: int,
) -> Path:
    """Do one test; its logs and its ``user.conf`` are in the folder."""
    folder.mkdir(parents=True)
    said = {"min_duration": 0, **QUICK[scenario], **settings}
    text = "".join(f"*.{scenario}.{key} = {value}\n" for key, value in said.items())
    (folder / "user.conf").write_text(text, encoding="utf-8")
    words = [sys.executable, __file__, scenario, mode, str(folder), str(samples), str(loaded)]
    subprocess.run(words, check=True, timeout=60, cwd=folder)
    return folder


def put_in(found: Path, target: Path, *names: str) -> None:
    """Copy logs to where a submission has them."""
    target.mkdir(parents=True, exist_ok=True)
    for name in names:
        (target / name).write_bytes((found / name).read_bytes())


def edit(path: Path, old: str, new: str) -> None:
    """Replace text that has to be there."""
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path.name} does not say {old!r}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def last_600_seconds(detail: Path) -> None:
    """Have a log say it was to last as long as the rules ask: no test can wait for that."""
    edit(
        detail,
        '"effective_min_duration_ms", "value": 0',
        '"effective_min_duration_ms", "value": 600000',
    )


def submission(root: Path, division: str = "closed", scenarios: Iterable[str] = STREAMS) -> Path:
    """ResNet-50 on one edge system: nothing in it breaks a rule, if all scenarios are there."""
    home = root / division / "Acme"
    for name in ("src", "documentation", "systems"):
        (home / name).mkdir(parents=True)
    system = dict.fromkeys(rules.SYSTEM_FIELDS, "N/A") | {
        "division": division,
        "submitter": "Acme",
        "status": "available",
        "system_type": "edge",
        "number_of_nodes": 1,
        "accelerators_per_node": "0",
    }
    (home / "systems" / "box.json").write_text(json.dumps(system), encoding="utf-8")
    graded = run_loadgen(root / "scratch" / "accuracy", "Offline", "AccuracyOnly")
    log = (graded / ACCURACY).read_bytes()
    for scenario in scenarios:
        timed = run_loadgen(root / "scratch" / scenario, scenario)
        same = run_loadgen(root / "scratch" / f"{scenario}4", scenario, performance_issue_same=1)
        folder = home / "results" / "box" / "resnet50" / scenario
        for found, to in ((timed, "performance"), (timed, "TEST01/performance")):
            put_in(found, folder / to / "run_1", SUMMARY, DETAIL)
        put_in(same, folder / "TEST04/performance/run_1", SUMMARY, DETAIL)
        for detail in folder.rglob(DETAIL):
            last_600_seconds(detail)
        put_in(graded, folder / "accuracy", SUMMARY, DETAIL)
        (folder / "accuracy" / ACCURACY).write_bytes(log[:4096] + b"\n\n...\n\n" + log[-4096:])
        reached = "accuracy=76.400%, good=38200, total=50000\n"
        hashed = f"hash={hashlib.sha256(log).hexdigest()}\n"
        (folder / "accuracy" / "accuracy.txt").write_text(reached + hashed, encoding="utf-8")
        for test, names in (("TEST01", ("accuracy", "performance")), ("TEST04", ("performance",))):
            for name in names:
                (folder / test / f"verify_{name}.txt").write_text("TEST PASS\n", encoding="utf-8")
        model = dict.fromkeys(rules.MEASUREMENT_FIELDS, "N/A")
        (folder / "measurements.json").write_text(json.dumps(model), encoding="utf-8")
        (folder / "README.md").write_text("# How\n", encoding="utf-8")
        put_in(timed, folder, "user.conf")
    shutil.rmtree(root / "scratch")
    return root


def main(scenario: str, mode: str, folder: str, samples: str, loaded: str) -> None:
    """One test."""
    import mlperf_loadgen as lg

    kept: dict[int, array[int]] = {}

    def reply(asked: object) -> object:
        index, number = asked.index, asked.id  # type: ignore[attr-defined]
        data = kept.setdefault(answer(index), array("q", [answer(index)]))
        return lg.QuerySampleResponse(number, data.buffer_info()[0], 8)

    settings = lg.TestSettings()
    settings.scenario = getattr(lg.TestScenario, scenario)
    settings.mode = getattr(lg.TestMode, mode)
    settings.FromConfig(f"{folder}/user.conf", "resnet50", scenario, 1)
    logs = lg.LogSettings()
    logs.enable_trace = False
    logs.log_output.outdir = folder
    logs.log_output.copy_summary_to_stdout = False
    system = lg.ConstructSUT(
        lambda asked: lg.QuerySamplesComplete([reply(one) for one in asked]), lambda: None
    )
    library = lg.ConstructQSL(int(samples), int(loaded), lambda _: None, lambda _: None)
    lg.StartTestWithLogSettings(system, library, settings, logs)
    lg.DestroyQSL(library)
    lg.DestroySUT(system)


if __name__ == "__main__":
    main(*sys.argv[1:])
