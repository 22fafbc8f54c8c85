"""tailmark measures what a deep-learning system delivers on time.

The front door. Every name loads when it is first used, so importing tailmark imports no backend.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tailmark.analysis.comparison import Comparison, compare
    from tailmark.analysis.compliance import Compliance
    from tailmark.analysis.convergence import Rjsd
    from tailmark.analysis.decided import Decided
    from tailmark.analysis.differential import Differential, open_differential
    from tailmark.analysis.extremes import Extremes, extremes
    from tailmark.analysis.gate import judge
    from tailmark.analysis.mlperf import MlperfResult, mlperf_result
    from tailmark.analysis.peak import FindPeak
    from tailmark.analysis.prediction import Prediction, predict
    from tailmark.analysis.reported import Reported, reported
    from tailmark.analysis.service_times import capacity_qps
    from tailmark.analysis.steady import steady
    from tailmark.analysis.stopping import HalfWidth
    from tailmark.analysis.summary import Summary, summarize
    from tailmark.analysis.what_if import WhatIf, what_if
    from tailmark.decode.classes import Classes
    from tailmark.decode.detections import Detections
    from tailmark.decode.fastestdet import FastestDet
    from tailmark.decode.labels import Labels
    from tailmark.decode.yolox import Yolox
    from tailmark.differential_file import load_differential
    from tailmark.drive.loadgen.settings import LoadGen
    from tailmark.experiment import Experiment
    from tailmark.experiment_file import load_experiment
    from tailmark.importers.loadgen import import_loadgen
    from tailmark.importers.table import import_csv
    from tailmark.importers.tail_quality import import_tail_quality
    from tailmark.machine import audit
    from tailmark.measurement import measure, run_experiment
    from tailmark.mlperf.check.submission import check_submission
    from tailmark.mlperf.compliance import comply
    from tailmark.mlperf.package import package_submission
    from tailmark.quality.custom import Masked, PerSample, additive
    from tailmark.quality.deadlines import quality_at_deadlines
    from tailmark.records.model import Round, Run
    from tailmark.records.ragged import Ragged
    from tailmark.records.store import open_run
    from tailmark.rehearsal import rehearse
    from tailmark.report.differential_page import write_differential_report
    from tailmark.report.html import write_report
    from tailmark.scenario.burst import Burst
    from tailmark.scenario.multi_stream import MultiStream
    from tailmark.scenario.offline import Offline
    from tailmark.scenario.ramp import Ramp
    from tailmark.scenario.replay import Replay
    from tailmark.scenario.server import Server
    from tailmark.scenario.single_stream import SingleStream
    from tailmark.scenario.stream import Stream
    from tailmark.stats.estimate import Estimate
    from tailmark.stopping import Until
    from tailmark.study.demo import demo
    from tailmark.study.differential import differential
    from tailmark.study.find_peak import find_peak
    from tailmark.system.callback import Callback
    from tailmark.system.digits import DigitsNetwork
    from tailmark.system.function import Function
    from tailmark.system.onnxruntime import OnnxRuntime
    from tailmark.workload.arrays import Arrays
    from tailmark.workload.coco import Coco
    from tailmark.workload.dialogues import Dialogues
    from tailmark.workload.digits import Digits
    from tailmark.workload.images import Images
    from tailmark.workload.preprocess import Preprocess
    from tailmark.workload.questions import Questions
    from tailmark.workload.scenes import Scenes
    from tailmark.workload.segmentation import Segmentation

_HOMES = {
    "Arrays": "workload.arrays",
    "Burst": "scenario.burst",
    "Callback": "system.callback",
    "Classes": "decode.classes",
    "Coco": "workload.coco",
    "Comparison": "analysis.comparison",
    "Compliance": "analysis.compliance",
    "Decided": "analysis.decided",
    "Detections": "decode.detections",
    "Dialogues": "workload.dialogues",
    "Differential": "analysis.differential",
    "Digits": "workload.digits",
    "DigitsNetwork": "system.digits",
    "Estimate": "stats.estimate",
    "Experiment": "experiment",
    "Extremes": "analysis.extremes",
    "FastestDet": "decode.fastestdet",
    "FindPeak": "analysis.peak",
    "Function": "system.function",
    "HalfWidth": "analysis.stopping",
    "Images": "workload.images",
    "Labels": "decode.labels",
    "LoadGen": "drive.loadgen.settings",
    "Masked": "quality.custom",
    "MlperfResult": "analysis.mlperf",
    "MultiStream": "scenario.multi_stream",
    "Offline": "scenario.offline",
    "OnnxRuntime": "system.onnxruntime",
    "PerSample": "quality.custom",
    "Prediction": "analysis.prediction",
    "Preprocess": "workload.preprocess",
    "Questions": "workload.questions",
    "Ragged": "records.ragged",
    "Ramp": "scenario.ramp",
    "Replay": "scenario.replay",
    "Reported": "analysis.reported",
    "Rjsd": "analysis.convergence",
    "Round": "records.model",
    "Run": "records.model",
    "Scenes": "workload.scenes",
    "Segmentation": "workload.segmentation",
    "Server": "scenario.server",
    "SingleStream": "scenario.single_stream",
    "Stream": "scenario.stream",
    "Summary": "analysis.summary",
    "Until": "stopping",
    "WhatIf": "analysis.what_if",
    "Yolox": "decode.yolox",
    "additive": "quality.custom",
    "audit": "machine",
    "capacity_qps": "analysis.service_times",
    "check_submission": "mlperf.check.submission",
    "compare": "analysis.comparison",
    "comply": "mlperf.compliance",
    "demo": "study.demo",
    "differential": "study.differential",
    "extremes": "analysis.extremes",
    "find_peak": "study.find_peak",
    "import_csv": "importers.table",
    "import_loadgen": "importers.loadgen",
    "import_tail_quality": "importers.tail_quality",
    "judge": "analysis.gate",
    "load_differential": "differential_file",
    "load_experiment": "experiment_file",
    "measure": "measurement",
    "mlperf_result": "analysis.mlperf",
    "open_differential": "analysis.differential",
    "open_run": "records.store",
    "package_submission": "mlperf.package",
    "predict": "analysis.prediction",
    "quality_at_deadlines": "quality.deadlines",
    "rehearse": "rehearsal",
    "reported": "analysis.reported",
    "run_experiment": "measurement",
    "steady": "analysis.steady",
    "summarize": "analysis.summary",
    "what_if": "analysis.what_if",
    "write_differential_report": "report.differential_page",
    "write_report": "report.html",
}

__all__ = [
    "Arrays",
    "Burst",
    "Callback",
    "Classes",
    "Coco",
    "Comparison",
    "Compliance",
    "Decided",
    "Detections",
    "Dialogues",
    "Differential",
    "Digits",
    "DigitsNetwork",
    "Estimate",
    "Experiment",
    "Extremes",
    "FastestDet",
    "FindPeak",
    "Function",
    "HalfWidth",
    "Images",
    "Labels",
    "LoadGen",
    "Masked",
    "MlperfResult",
    "MultiStream",
    "Offline",
    "OnnxRuntime",
    "PerSample",
    "Prediction",
    "Preprocess",
    "Questions",
    "Ragged",
    "Ramp",
    "Replay",
    "Reported",
    "Rjsd",
    "Round",
    "Run",
    "Scenes",
    "Segmentation",
    "Server",
    "SingleStream",
    "Stream",
    "Summary",
    "Until",
    "WhatIf",
    "Yolox",
    "additive",
    "audit",
    "capacity_qps",
    "check_submission",
    "compare",
    "comply",
    "demo",
    "differential",
    "extremes",
    "find_peak",
    "import_csv",
    "import_loadgen",
    "import_tail_quality",
    "judge",
    "load_differential",
    "load_experiment",
    "measure",
    "mlperf_result",
    "open_differential",
    "open_run",
    "package_submission",
    "predict",
    "quality_at_deadlines",
    "rehearse",
    "reported",
    "run_experiment",
    "steady",
    "summarize",
    "what_if",
    "write_differential_report",
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
