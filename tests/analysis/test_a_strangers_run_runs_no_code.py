"""Law: analysing a run imports no backend and nothing that the run names."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

import tailmark

_MEASURING = (
    "onnxruntime",
    "torch",
    "tailmark.system",
    "tailmark.measurement",
    "tailmark.rehearsal",
    "tailmark.drive",
    "tailmark.machine",
    "tailmark.workload",
    "tailmark.decode",
    "tailmark.experiment",
    "tailmark.scenario",
)

_ANALYSIS = """
import json, sys
import tailmark
from tailmark.analysis.curve import quality_curve
from tailmark.analysis.samples import notable_samples
from tailmark.report.text import markdown
run = tailmark.open_run("run")
summary = tailmark.summarize(run, deadlines=["p90"], quality=[0.01])
json.dumps(summary.to_dict(), allow_nan=False)
markdown(summary)
quality_curve(run)
notable_samples(run, deadline_ns=summary.at[0].deadline_ns)
tailmark.judge(run, {"quality": ">= 0.5", "at": "p90"})
run.to_arrow()
print(json.dumps(sorted(sys.modules)))
"""


def _modules(code: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def _among(modules: list[str], unwanted: tuple[str, ...]) -> list[str]:
    return [m for m in modules if any(m == u or m.startswith(f"{u}.") for u in unwanted)]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A folder with a run that names a module, and that module, which leaves a mark if imported."""

    def predict(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.zeros((len(batch), 10), dtype=np.float32)

    tailmark.measure(tailmark.Digits(), predict, out=tmp_path / "run", rounds=2, warmup=0)
    manifest = tmp_path / "run" / "run.json"
    document = json.loads(manifest.read_text(encoding="utf-8"))
    document["experiment"]["system"] = {"kind": "function", "call": "evil:predict"}
    document["experiment"]["workload"] = {"kind": "evil", "order": "fixed"}
    document["system"] = {"kind": "function", "call": "evil:predict"}
    manifest.write_text(json.dumps(document), encoding="utf-8")
    evil = "from pathlib import Path\nPath('imported').touch()\ndef predict(batch): return batch\n"
    (tmp_path / "evil.py").write_text(evil, encoding="utf-8")
    return tmp_path


def test_summary_curve_samples_and_gate_import_no_system(strange: Path) -> None:
    """All analysis and its text come without a runtime, a workload or a measuring module."""
    modules = _modules(_ANALYSIS, strange)
    assert "tailmark.analysis.summary" in modules
    assert _among(modules, _MEASURING) == []
    assert not (strange / "imported").exists()


def test_importing_tailmark_imports_nothing_heavy(tmp_path: Path) -> None:
    """The front door opens without numpy, a runtime, pydantic, pyarrow or the command line."""
    code = "import json, sys, tailmark; dir(tailmark); print(json.dumps(sorted(sys.modules)))"
    heavy = (
        "numpy",
        "scipy",
        "onnxruntime",
        "pydantic",
        "pyarrow",
        "typer",
        "rich",
        "altair",
        "PIL",
    )
    assert _among(_modules(code, tmp_path), heavy) == []


def test_the_front_door_knows_its_rooms() -> None:
    """Every public name loads, and one that is not there is an AttributeError."""
    for name in tailmark.__all__:
        assert getattr(tailmark, name) is not None
        assert name in dir(tailmark)
    assert tailmark.__version__
    with pytest.raises(AttributeError, match="no attribute 'measurre'"):
        _ = tailmark.measurre
