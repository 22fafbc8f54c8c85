"""tailmark measures what a deep-learning system delivers on time.

The front door. Every name loads when it is first used, so importing tailmark imports no backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailmark.analysis.gate import judge
    from tailmark.analysis.summary import Summary, summarize
    from tailmark.decode.classes import Classes
    from tailmark.decode.labels import Labels
    from tailmark.experiment import Experiment
    from tailmark.experiment_file import load_experiment
    from tailmark.machine import audit
    from tailmark.measurement import measure, run_experiment
    from tailmark.quality.deadlines import quality_at_deadlines
    from tailmark.records.model import Round, Run
    from tailmark.records.store import open_run
    from tailmark.rehearsal import rehearse
    from tailmark.report.html import write_report
    from tailmark.scenario.single_stream import SingleStream
    from tailmark.stats.estimate import Estimate
    from tailmark.study.demo import demo
    from tailmark.system.digits import DigitsNetwork
    from tailmark.system.function import Function
    from tailmark.system.onnxruntime import OnnxRuntime
    from tailmark.workload.arrays import Arrays
    from tailmark.workload.digits import Digits
    from tailmark.workload.images import Images, Preprocess

_HOMES = {
    "Arrays": "workload.arrays",
    "Classes": "decode.classes",
    "Digits": "workload.digits",
    "DigitsNetwork": "system.digits",
    "Estimate": "stats.estimate",
    "Experiment": "experiment",
    "Function": "system.function",
    "Images": "workload.images",
    "Labels": "decode.labels",
    "OnnxRuntime": "system.onnxruntime",
    "Preprocess": "workload.images",
    "Round": "records.model",
    "Run": "records.model",
    "SingleStream": "scenario.single_stream",
    "Summary": "analysis.summary",
    "audit": "machine",
    "demo": "study.demo",
    "judge": "analysis.gate",
    "load_experiment": "experiment_file",
    "measure": "measurement",
    "open_run": "records.store",
    "quality_at_deadlines": "quality.deadlines",
    "rehearse": "rehearsal",
    "run_experiment": "measurement",
    "summarize": "analysis.summary",
    "write_report": "report.html",
}

__all__ = [
    "Arrays",
    "Classes",
    "Digits",
    "DigitsNetwork",
    "Estimate",
    "Experiment",
    "Function",
    "Images",
    "Labels",
    "OnnxRuntime",
    "Preprocess",
    "Round",
    "Run",
    "SingleStream",
    "Summary",
    "audit",
    "demo",
    "judge",
    "load_experiment",
    "measure",
    "open_run",
    "quality_at_deadlines",
    "rehearse",
    "run_experiment",
    "summarize",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("tailmark")
    if name not in _HOMES:
        raise AttributeError(f"module 'tailmark' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"tailmark.{_HOMES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
