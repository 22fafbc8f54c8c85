"""tailmark measures what a deep-learning system delivers on time.

The front door. Every name loads when it is first used, so importing tailmark imports no backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailmark.analysis.comparison import Comparison, compare
    from tailmark.analysis.convergence import Rjsd
    from tailmark.analysis.extremes import Extremes, extremes
    from tailmark.analysis.gate import judge
    from tailmark.analysis.prediction import Prediction, predict
    from tailmark.analysis.stopping import HalfWidth
    from tailmark.analysis.summary import Summary, summarize
    from tailmark.decode.classes import Classes
    from tailmark.decode.labels import Labels
    from tailmark.experiment import Experiment
    from tailmark.experiment_file import load_experiment
    from tailmark.importers.table import import_csv
    from tailmark.importers.tail_quality import import_tail_quality
    from tailmark.machine import audit
    from tailmark.measurement import measure, run_experiment
    from tailmark.quality.deadlines import quality_at_deadlines
    from tailmark.records.model import Round, Run
    from tailmark.records.store import open_run
    from tailmark.rehearsal import rehearse
    from tailmark.report.html import write_report
    from tailmark.scenario.single_stream import SingleStream
    from tailmark.stats.estimate import Estimate
    from tailmark.stopping import Until
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
    "Comparison": "analysis.comparison",
    "Digits": "workload.digits",
    "DigitsNetwork": "system.digits",
    "Estimate": "stats.estimate",
    "Experiment": "experiment",
    "Extremes": "analysis.extremes",
    "Function": "system.function",
    "HalfWidth": "analysis.stopping",
    "Images": "workload.images",
    "Labels": "decode.labels",
    "OnnxRuntime": "system.onnxruntime",
    "Prediction": "analysis.prediction",
    "Preprocess": "workload.images",
    "Rjsd": "analysis.convergence",
    "Round": "records.model",
    "Run": "records.model",
    "SingleStream": "scenario.single_stream",
    "Summary": "analysis.summary",
    "Until": "stopping",
    "audit": "machine",
    "compare": "analysis.comparison",
    "demo": "study.demo",
    "extremes": "analysis.extremes",
    "import_csv": "importers.table",
    "import_tail_quality": "importers.tail_quality",
    "judge": "analysis.gate",
    "load_experiment": "experiment_file",
    "measure": "measurement",
    "open_run": "records.store",
    "predict": "analysis.prediction",
    "quality_at_deadlines": "quality.deadlines",
    "rehearse": "rehearsal",
    "run_experiment": "measurement",
    "summarize": "analysis.summary",
    "write_report": "report.html",
}

__all__ = [
    "Arrays",
    "Classes",
    "Comparison",
    "Digits",
    "DigitsNetwork",
    "Estimate",
    "Experiment",
    "Extremes",
    "Function",
    "HalfWidth",
    "Images",
    "Labels",
    "OnnxRuntime",
    "Prediction",
    "Preprocess",
    "Rjsd",
    "Round",
    "Run",
    "SingleStream",
    "Summary",
    "Until",
    "audit",
    "compare",
    "demo",
    "extremes",
    "import_csv",
    "import_tail_quality",
    "judge",
    "load_experiment",
    "measure",
    "open_run",
    "predict",
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
