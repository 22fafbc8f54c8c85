"""Trying an experiment says what measuring it would, and always ends."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import InputError
from tailmark.scenario.queueing import Queueing, WhenBusy
from tailmark.scenario.stream import Stream

HERE = Path(__file__).parent
WORKLOAD = tailmark.Arrays(inputs=np.arange(6), references=np.arange(6) % 3, classes=3)


def rehearse(call: str, **changes: Any) -> Any:
    """Try a function of the measurement tests' module, with a short timeout."""
    system = tailmark.Function(call=call, folder=HERE.parent / "measurement")
    settings: dict[str, Any] = {
        "workload": WORKLOAD,
        "system": system,
        "rounds": 10,
        "warmup": 4,
        "timeout_ns": 300_000_000,
        **changes,
    }
    return tailmark.rehearse(tailmark.Experiment(**settings))


def test_it_tells_how_long_the_run_will_take() -> None:
    """Queries times what a few of them took."""
    found = rehearse("misbehaving:slow")
    assert found.samples == 6
    assert found.query_ns >= 1_000_000
    assert found.total_ns == found.query_ns * (10 * 6 + 4)
    assert found.system == {"kind": "function", "call": "misbehaving:slow"}
    assert found.warnings == ()


def test_a_system_that_hangs_ends_it_with_one_sentence() -> None:
    """It is tried in a process that can be killed."""
    with pytest.raises(InputError, match="did not answer its first query") as caught:
        rehearse("misbehaving:always_hangs", timeout_ns=50_000_000)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("when_busy", "says"),
    [("queue", "the queue grows all the time"), ("newest", r"about \d+% of them will be shed")],
)
def test_a_system_that_is_too_slow_is_a_warning(when_busy: WhenBusy, says: str) -> None:
    """What comes of it depends on what becomes of those who find it busy."""
    found = rehearse(
        "misbehaving:slow", scenario=Stream(fps=10_000), queueing=Queueing(when_busy=when_busy)
    )
    (warning,) = found.warnings
    assert re.fullmatch(f"queries come .* times as fast as the system answers: {says}.*", warning)
    ends_ns = 500_000 if when_busy == "newest" else found.query_ns * 6
    assert found.total_ns == ends_ns * 10 + found.query_ns * 4


def test_a_query_without_an_answer_is_a_warning() -> None:
    """It would be a row of the run, not its end."""
    found = rehearse("misbehaving:faulty")
    assert found.warnings == ("3 of 5 tried queries have no answer: ValueError: no such layer",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"workload": tailmark.Arrays(path=Path("absent.npz"))}, "'absent.npz' does not exist"),
        ({"workload": tailmark.Arrays(inputs=np.arange(6), classes=4)}, "has 3 classes .* 4"),
        ({"system": tailmark.OnnxRuntime(model=Path("absent.onnx"))}, "'absent.onnx' does not"),
        ({"system": tailmark.DigitsNetwork()}, "takes float32 .* gives int64"),
    ],
)
def test_what_does_not_fit_is_said_as_measuring_says_it(changes: dict[str, Any], says: str) -> None:
    """Files, classes, shapes."""
    with pytest.raises(InputError, match=says):
        rehearse("misbehaving:right", **changes)
