"""Every built-in keeps its seam's contract, and each check notices a plug-in that does not."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.decode.labels import Labels
from tailmark.system.base import Predictor
from tailmark.testing import (
    FaultySystem,
    LawfulSystem,
    VirtualClock,
    check_decoder,
    check_scenario,
    check_system,
    check_workload,
)

ARRAYS = tailmark.Arrays(inputs=np.arange(12.0).reshape(6, 2), references=np.arange(6) % 3)
SCORES = np.array([[0.1, 0.7, 0.2]])


def test_every_built_in_passes_its_check() -> None:
    """Workloads, systems, decoders and scenarios (images have theirs in `tests/workload`)."""
    check_workload(tailmark.Digits())
    check_workload(ARRAYS)
    check_system(tailmark.DigitsNetwork(), np.zeros((1, 1, 8, 8), np.float32))
    check_system(tailmark.Function(call=lambda batch: batch), np.zeros((1, 3)))
    check_decoder(tailmark.Classes(), SCORES, classes=3)
    check_decoder(tailmark.Classes(top=1, offset=-1), SCORES)
    check_decoder(Labels(), np.array([3]))
    check_scenario(tailmark.SingleStream())


def test_the_fakes_pass_too() -> None:
    """They are systems like any."""
    clock = VirtualClock()
    check_system(LawfulSystem(clock=clock, law=lambda _: 5, answer=lambda b: b), np.zeros((1, 2)))
    check_system(FaultySystem(answer=lambda b: b, faults=lambda _: None), np.zeros((1, 2)))


@dataclasses.dataclass(frozen=True)
class OffWorkload:
    """Arrays with one thing wrong."""

    wrong: dict[str, Any]
    described: Any = dataclasses.field(default_factory=dict)

    def open(self) -> Any:
        """Open, and spoil."""
        changes = {k: v() if callable(v) and k != "prepare" else v for k, v in self.wrong.items()}
        return dataclasses.replace(ARRAYS.open(), **changes)

    def describe(self) -> Any:
        """Perhaps not plain."""
        return self.described


_TICKS = itertools.count()


def ticking() -> str:
    """Another each time."""
    return str(next(_TICKS))


def restless(raw: Any) -> Any:
    """Another value each time."""
    return raw + next(_TICKS)


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        (OffWorkload({"ids": ("a",) * 6}), "ids are unique"),
        (OffWorkload({"fingerprint": ticking}), "fingerprint is the same"),
        (OffWorkload({"references": np.arange(5)}), "one reference a sample"),
        (OffWorkload({"prepare": restless}), "is the same when opened again"),
        (OffWorkload({}, described={"path": Path()}), "describe.* is plain data"),
    ],
)
def test_a_workload_that_breaks_its_contract_is_noticed(workload: Any, says: str) -> None:
    """What is owed is said."""
    with pytest.raises(AssertionError, match=says):
        check_workload(workload)


def system(answer: Callable[[Any], Any], **described: Any) -> Any:
    """A system of one function."""
    made = FaultySystem(answer=answer, faults=lambda _: None)

    class Described:
        def open(self) -> Predictor:
            return made.open()

        def describe(self) -> Any:
            return described.get("plain", {})

        def fingerprint(self) -> Any:
            return described.get("fingerprint")

    return Described()


def scribbling(batch: Any) -> Any:
    """Writes into its input."""
    batch += 1
    return batch


def growing(batch: Any) -> Any:
    """Another shape each time."""
    del batch
    return np.zeros((1, next(_TICKS)))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (system(scribbling), "the input is kept"),
        (system(growing), "output's shape does not change"),
        (system(np.copy, fingerprint="abc"), "SHA-256 in hex"),
        (system(np.copy, plain={"model": Path()}), "is plain data"),
    ],
)
def test_a_system_that_breaks_its_contract_is_noticed(wrong: Any, says: str) -> None:
    """What is owed is said."""
    with pytest.raises(AssertionError, match=says):
        check_system(wrong, np.zeros((1, 3)))


class OffDecoder:
    """A decoder with one thing wrong."""

    columns = ("labels",)

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self.decode = decode

    def bind(self, *_: Any) -> Any:
        """The function as it is."""
        return self.decode, []

    def describe(self) -> dict[str, Any]:
        """Nothing."""
        return {}


@pytest.mark.parametrize(
    ("decode", "says"),
    [
        (lambda raw: (raw, raw), "a part for each column"),
        (lambda raw: (raw.tolist(),), "parts are arrays"),
        (lambda raw: (raw + next(_TICKS),), "the same output gives the same answer"),
    ],
)
def test_a_decoder_that_breaks_its_contract_is_noticed(
    decode: Callable[[Any], Any], says: str
) -> None:
    """What is owed is said."""
    with pytest.raises(AssertionError, match=says):
        check_decoder(OffDecoder(decode), SCORES)


class OffScenario:
    """A scenario with one thing wrong."""

    def __init__(self, schedule: Callable[[int, str], Any]) -> None:
        self._schedule = schedule

    def schedule(self, samples: int, *, order: str, seed: int, index: int) -> Any:
        """Whatever it is."""
        del seed
        return self._schedule(samples + 0 * index, order)

    def describe(self) -> dict[str, Any]:
        """Nothing."""
        return {}


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (lambda n, _: np.arange(n), "a schedule is int32"),
        (lambda n, _: np.arange(1, n + 1, dtype=np.int32), "names known samples"),
        (lambda n, _: np.arange(n, dtype=np.int32), "order 'shuffled' is what it says"),
        (
            lambda n, _: np.random.default_rng().permutation(n).astype(np.int32),
            "the same seed and round give the same schedule",
        ),
    ],
)
def test_a_scenario_that_breaks_its_contract_is_noticed(
    schedule: Callable[[int, str], Any], says: str
) -> None:
    """What is owed is said."""
    with pytest.raises(AssertionError, match=says):
        check_scenario(OffScenario(schedule))
