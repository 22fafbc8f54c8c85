"""A system in another interpreter answers as it does here, and its end is a failed query."""

import gc
import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.decode.values import Values
from tailmark.errors import ExperimentError, SystemSetupError
from tailmark.recipes import build
from tailmark.records.model import Status
from tailmark.system.digits import DigitsNetwork
from tailmark.system.function import Function
from tailmark.system.process import Process
from tailmark.testing import check_batches, check_system
from tailmark.workload.arrays import Arrays
from tailmark.workload.digits import Digits

HERE = Path(sys.executable)

MODULE = '''
"""Systems of every behaviour."""
import os, signal, sys, time
import numpy as np

calls = 0

def answer(batch):
    global calls
    calls += 1
    what = int(np.asarray(batch).flat[0])
    if what == 1:
        raise ValueError("no ones")
    if what == 2:
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == 3:
        time.sleep(60)
    if what == 4:
        sys.exit(7)
    return np.full((len(batch), 1), calls)

def back(batch): return batch

def nested(batch):
    return {"pair": (batch[:, :1], 3), "texts": np.array(["é", "b"], object), "scalar": batch[0, 0]}

def strange(batch): return object()

def modules(batch): return sorted(sys.modules)

def printed(batch):
    print("to no table")
    return batch

def variable(batch): return [os.environ.get("OWN"), os.environ.get("PYTHONPATH"), os.getpid()]
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An experiment's folder with a module in it."""
    (tmp_path / "own_systems.py").write_text(MODULE)
    return tmp_path


def elsewhere(folder: Path, name: str, **settings: Any) -> Any:
    """A function of the module at work in another process."""
    system = Function(call=f"own_systems:{name}", folder=folder)
    return Process(python=HERE, system=system, **settings).open()


def test_it_answers_as_the_system_does_here() -> None:
    """To the bit, in a batch too; and keeps the system contract."""
    digits = np.random.default_rng(1).normal(size=(5, 1, 8, 8)).astype(np.float32)
    system = Process(python=HERE, system=DigitsNetwork())
    far, near = system.open(), DigitsNetwork().open()
    assert np.array_equal(far.predict(digits), near.predict(digits))
    check_system(system, digits[:1])
    check_batches(system, digits)
    assert system.fingerprint() == DigitsNetwork().fingerprint()


def test_it_tells_the_systems_settings_in_effect_and_what_it_is() -> None:
    """By the versions there; nothing of the machine's folders."""
    described = Process(python=HERE, system=DigitsNetwork(threads=2)).open().describe()
    assert described["kind"] == "onnxruntime"
    assert described["threads"] == 2
    process = described["process"]
    assert process["python"] == ".".join(map(str, sys.version_info[:3]))
    assert process["packages"]["numpy"] == np.__version__
    assert "onnxruntime" in process["packages"]
    assert str(HERE.parent) not in str(described)


def test_of_tailmark_only_what_needs_numpy_is_loaded_there(folder: Path) -> None:
    """Nothing that another environment might lack."""
    loaded = set(elsewhere(folder, "modules").predict(np.zeros(1)))
    assert {"numpy", "tailmark.system.base"} <= loaded
    ours = ("pydantic", "pyarrow", "yaml", "scipy", "rich", "PIL", "typer", "jinja2", "altair")
    assert not loaded & set(ours)


@pytest.mark.parametrize(
    "values",
    [
        np.arange(6, dtype=np.uint8).reshape(2, 3),
        np.zeros((0, 4), np.float16),
        np.array([[1 + 2j]]),
        np.array([[np.nan, -0.0, np.inf]], ">f8"),
        np.arange(24.0).reshape(2, 3, 4).transpose(2, 0, 1),
        np.array([["", "zwölf"]]),
        np.array([[True]]),
        np.random.default_rng(0).normal(size=(3, 1 << 20)),
    ],
    ids=lambda values: f"{values.dtype.str}{list(values.shape)}",
)
def test_arrays_come_back_as_they_went(folder: Path, values: Any) -> None:
    """Of whatever type, shape, order and size."""
    back = elsewhere(folder, "back").predict(values)
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def test_outputs_may_be_nested_and_stay_the_callers(folder: Path) -> None:
    """Names, tuples, texts and numbers; what comes later changes nothing."""
    predictor = elsewhere(folder, "nested")
    first = predictor.predict(np.ones((2, 3), np.float32))
    predictor.predict(np.zeros((2, 3), np.float32))
    assert first["pair"][0].tolist() == [[1], [1]]
    assert first["pair"][1] == 3
    assert first["texts"].tolist() == ["é", "b"]
    assert first["scalar"] == 1
    assert predictor.fresh
    named = {"a": np.ones((1, 2)), "b": np.array(["x"], object)}
    assert elsewhere(folder, "back").predict(named)["b"].tolist() == ["x"]


def test_a_failure_there_is_a_failed_query_and_nothing_more(folder: Path) -> None:
    """What was raised is told; the process goes on."""
    predictor = elsewhere(folder, "answer")
    assert predictor.predict(np.zeros((1, 1))) == 1
    with pytest.raises(RuntimeError, match=r"^ValueError: no ones$"):
        predictor.predict(np.ones((1, 1)))
    with pytest.raises(RuntimeError, match=r"^SystemExit: 7$"):
        predictor.predict(np.full((1, 1), 4))
    assert predictor.predict(np.zeros((1, 1))) == 4
    with pytest.raises(RuntimeError, match="TypeError: a object cannot be told"):
        elsewhere(folder, "strange").predict(np.zeros((1, 1)))


def test_after_a_crash_the_next_query_has_a_process_again(folder: Path) -> None:
    """The signal is named, and the calls are counted from one."""
    predictor = elsewhere(folder, "answer")
    predictor.predict(np.zeros((1, 1)))
    with pytest.raises(RuntimeError, match=r"^its process ended \(SIGSEGV\)$"):
        predictor.predict(np.full((1, 1), 2))
    assert predictor.took_ns is None
    assert predictor.predict(np.zeros((1, 1))) == 1


def test_a_call_that_never_returns_is_ended(folder: Path) -> None:
    """And the next query answered."""
    predictor = elsewhere(folder, "answer", timeout_s=0.3)
    with pytest.raises(TimeoutError, match=r"^no answer within 0\.3 s$"):
        predictor.predict(np.full((1, 1), 3))
    assert predictor.predict(np.zeros((1, 1))) == 1


def test_how_long_a_call_took_is_told_by_its_own_clock(folder: Path) -> None:
    """So that the way there is not taken for the system's time."""
    predictor = elsewhere(folder, "back")
    began = time.perf_counter_ns()
    predictor.predict(np.zeros((1, 1 << 20), np.float32))
    assert 0 < predictor.took_ns < time.perf_counter_ns() - began


def test_variables_are_given_and_ours_do_not_leak(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own path least of all."""
    monkeypatch.setenv("PYTHONPATH", str(folder))
    predictor = elsewhere(folder, "variable", environment={"OWN": 0})
    assert predictor.predict(np.zeros(1))[:2] == ["0", None]


def test_the_process_ends_with_its_system(folder: Path) -> None:
    """Nobody needs to close anything."""
    predictor = elsewhere(folder, "variable")
    number = predictor.predict(np.zeros(1))[2]
    os.kill(number, 0)
    del predictor
    gc.collect()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_a_process_outlives_the_thread_that_started_it(folder: Path) -> None:
    """As where one of several workers starts it again."""
    opened: list[Any] = []
    thread = threading.Thread(target=lambda: opened.append(elsewhere(folder, "answer")))
    thread.start()
    thread.join()
    assert opened[0].predict(np.zeros((1, 1))) == 1
    assert opened[0].predict(np.zeros((1, 1))) == 2


def test_what_it_prints_is_kept_from_our_output(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Standard output is for results."""
    elsewhere(folder, "printed").predict(np.zeros(1))
    assert capfd.readouterr().out == ""


def test_settings_are_those_of_an_experiment_file(tmp_path: Path, data: Path) -> None:
    """Paths are the experiment's; a wrong setting is named before anything starts."""
    options: dict[str, Any] = {
        "kind": "process",
        "python": str(HERE),
        "system": {"kind": "onnxruntime", "model": "FastestDet.onnx"},
        "environment": {"OMP_NUM_THREADS": 1},
    }
    recipe = build("systems", "system", dict(options), data / "models")
    image = np.random.default_rng(0).random((1, 3, 352, 352), np.float32)
    predictor = recipe.open()
    predictor.check(image)
    assert recipe.describe()["system"]["model"] == "FastestDet.onnx"
    near = tailmark.OnnxRuntime(model=data / "models" / "FastestDet.onnx").open()
    assert np.array_equal(predictor.predict(image), near.predict(image))
    with pytest.raises(SystemSetupError, match=r"input 'input\.1' takes float32 \[1, 3, 352"):
        predictor.check(image[:, :, :8])
    options["system"] = {"kind": "onnxruntime", "model": "x.onnx", "thread": 1}
    with pytest.raises(ExperimentError, match=r"'thread' \(did you mean 'threads'\?\)"):
        build("systems", "system", dict(options), tmp_path)
    options["system"] = {"kind": "process", "python": "x", "system": {}}
    with pytest.raises(ExperimentError, match="a process in a process"):
        build("systems", "system", dict(options), tmp_path)


@pytest.mark.parametrize(
    ("python", "says"),
    [
        ("absent", "python '.*absent' does not exist: give an interpreter's path, such as"),
        ("text", "python '.*text' cannot be run: .*: give an interpreter's path"),
        ("false", r"did not open: its process ended \(exit code 1\): see what it printed"),
        ("old", "it is Python 3.9, and 3.10 or later is needed"),
    ],
)
def test_an_interpreter_that_is_none_is_named(tmp_path: Path, python: str, says: str) -> None:
    """In a sentence, with the way out."""
    path = tmp_path / python
    scripts = {
        "text": "",
        "false": "#!/bin/sh\nexit 1\n",
        "old": f'#!/bin/sh\nshift\nexec {HERE} {tmp_path / "as_old.py"} "$@"\n',
    }
    (tmp_path / "as_old.py").write_text(
        "import sys\nfrom tailmark.interpreter import boot\n"
        "sys.version_info = (3, 9, 1)\nboot.main()\n"
    )
    if python in scripts:
        path.write_text(scripts[python])
        path.chmod(0o644 if python == "text" else 0o755)
    with pytest.raises(SystemSetupError, match=says):
        Process(python=path, system=DigitsNetwork()).open()


def test_a_system_that_cannot_be_opened_there_says_why(tmp_path: Path) -> None:
    """What it lacks, or what cannot go there."""
    with pytest.raises(SystemSetupError, match="module 'no_such' cannot be imported"):
        Process(python=HERE, system=Function(call="no_such:f")).open()
    with pytest.raises(SystemSetupError, match="write a function as 'module:function'"):
        Process(python=HERE, system=Function(call=lambda batch: batch)).open()
    (tmp_path / "own_slow.py").write_text("import time; time.sleep(60)")
    slow = Function(call="own_slow:f", folder=tmp_path)
    process = Process(python=HERE, system=slow, start_s=0.5)
    with pytest.raises(SystemSetupError, match=r"within 0\.5 s: raise system\.start_s"):
        process.open()


def test_a_run_goes_on_after_a_crash(folder: Path, tmp_path: Path) -> None:
    """The query that met it is a failure with its cause; the others are answered."""
    asked = np.array([[0], [2], [0], [1]], np.float32)
    system = Process(python=HERE, system=Function(call="own_systems:answer", folder=folder))
    run = tailmark.measure(
        Arrays(inputs=asked, reference=None),
        system,
        decode=Values(),
        out=tmp_path / "run",
        rounds=2,
        warmup=0,
    )
    for one in run.rounds():
        failed = {int(s) for s in one.sample[one.status == Status.failed]}
        assert failed == {1, 3}


def test_it_measures_as_any_system(tmp_path: Path) -> None:
    """Isolated, too: a process of a process, ended with it."""
    run = tailmark.measure(
        Digits(),
        Process(python=HERE, system={"kind": "digits"}),
        out=tmp_path / "run",
        rounds=1,
        warmup=0,
        isolate=True,
    )
    (one,) = run.rounds()
    assert run.references.values is not None
    right = run.outputs["labels"][one.output_id, 0] == run.references.values[one.sample]
    assert right.mean() == pytest.approx(0.989, abs=0.002)
