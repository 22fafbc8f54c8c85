"""Every built-in keeps its seam's contract, and each check notices a plug-in that does not."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.decode.base import Declared
from tailmark.decode.labels import Labels
from tailmark.scenario.base import Schedule
from tailmark.system.base import Predictor
from tailmark.testing import (
    FaultySystem,
    LawfulSystem,
    RespondingSystem,
    VirtualClock,
    check_batches,
    check_decoder,
    check_responder,
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
    check_decoder(tailmark.Classes(), SCORES, Declared(classes=3))
    check_decoder(tailmark.Classes(top=1, offset=-1), SCORES)
    check_decoder(Labels(), np.array([3]))
    for scenario in (
        tailmark.SingleStream(),
        tailmark.SingleStream(queries=33),
        tailmark.MultiStream(),
        tailmark.Server(target_qps=100),
        tailmark.Offline(),
        tailmark.Burst(base_qps=10, burst_qps=500, every="1s", length="100ms", duration="2s"),
        tailmark.Ramp(from_qps=0, to_qps=100, duration="2s"),
    ):
        check_scenario(scenario)


def test_the_fakes_pass_too() -> None:
    """They are systems like any."""
    clock = VirtualClock()
    check_system(LawfulSystem(clock=clock, law=lambda _: 5, answer=lambda b: b), np.zeros((1, 2)))
    check_system(FaultySystem(answer=lambda b: b, faults=lambda _: None), np.zeros((1, 2)))
    check_system(RespondingSystem(answer=lambda b: b), np.zeros((1, 2)))
    check_responder(RespondingSystem(answer=lambda b: b), np.zeros((1, 2)))


@pytest.mark.parametrize(
    ("fault", "owes"),
    [
        ("dropped", "every ticket is completed within"),
        ("raises", "is answered, and not with"),
        ("twice", "each ticket is completed once"),
    ],
)
def test_a_responder_that_forgets_raises_or_repeats_is_noticed(fault: Any, owes: str) -> None:
    """Each breach has its sentence."""
    system = RespondingSystem(answer=lambda b: b, fault=lambda _: fault)
    with pytest.raises(AssertionError, match=owes):
        check_responder(system, np.zeros((1, 2)), patience_s=0.5)


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
    ragged = ()

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self.decode = decode

    def bind(self, *_: Any) -> Any:
        """The function as it is."""
        return lambda raw, _: self.decode(raw), []

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


@dataclasses.dataclass(frozen=True)
class OffScenario:
    """A scenario with one thing wrong, of `WRONG`; or none."""

    wrong: str

    def schedule(self, samples: int, *, order: str, seed: int, index: int) -> Any:
        """Whatever it is."""
        del seed
        make = WRONG.get(self.wrong, right)
        return make(samples, order, index)

    def describe(self) -> dict[str, Any]:
        """Nothing."""
        return {}


class NoValue:
    """A scenario that is another each time."""

    schedule = staticmethod(tailmark.SingleStream().schedule)

    def describe(self) -> dict[str, Any]:
        """Nothing."""
        return {}


def right(samples: int, order: str, index: int) -> Schedule:
    """A pass, as the order has it."""
    return tailmark.SingleStream().schedule(samples, order=order, seed=1, index=index)  # type: ignore[arg-type]


def spoiled(**wrong: Callable[[Schedule], Any]) -> Callable[[int, str, int], Schedule]:
    """A right schedule with some fields made anew from it."""

    def make(samples: int, order: str, index: int) -> Schedule:
        made = right(samples, order, index)
        return dataclasses.replace(made, **{name: how(made) for name, how in wrong.items()})

    return make


def due(*times: int) -> Callable[[Schedule], Any]:
    """Those times, then the last again."""
    return lambda made: np.pad(np.array(times), (0, len(made) - len(times)), mode="edge")


def still(samples: int, order: str, index: int) -> Schedule:
    """The first round's order, each round."""
    del index
    return right(samples, order, 0)


def unsettled(samples: int, order: str, index: int) -> Schedule:
    """Some samples twice in a pass, and others not."""
    made = right(samples, order, index)
    return made if order == "fixed" else dataclasses.replace(made, sample=made.sample // 2 * 2)


def unfinished(samples: int, order: str, index: int) -> Schedule:
    """A pass and a half."""
    made = right(2 * samples, "fixed", index).sample[: samples * 3 // 2] % samples
    some = np.random.default_rng(index).permuted(made[:samples]), made[samples:]
    return Schedule(sample=made if order == "fixed" else np.concatenate(some))


def scribbled(samples: int, order: str, index: int) -> Schedule:
    """Other times with each call."""
    made = right(samples, order, index)
    return dataclasses.replace(made, due_ns=np.full(samples, next(_TICKS)))


WRONG: dict[str, Callable[[int, str, int], Schedule]] = {
    "samples are int32": spoiled(sample=lambda s: s.sample.astype(np.int64)),
    "a round sends something": spoiled(sample=lambda s: s.sample[:0]),
    "names known samples": spoiled(sample=lambda s: s.sample + np.int32(1)),
    "a query has at least one sample": spoiled(per_query=lambda _: 0),
    "times are int64": spoiled(due_ns=lambda s: np.arange(len(s), dtype=float)),
    "is due once": spoiled(due_ns=lambda _: np.zeros(1, int)),
    "times ascend": spoiled(due_ns=due(0, 2, 1)),
    "from zero or more": spoiled(due_ns=due(-1, 2)),
    "order 'shuffled' is what it says, anew each round": still,
    "order 'fixed' is what it says": spoiled(sample=lambda s: s.sample[::-1]),
    "order 'shuffled' is what it says": unsettled,
    "order 'equal-issue' is what it says": unfinished,
    "the same seed and round give the same schedule": scribbled,
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_scenario_that_breaks_its_contract_is_noticed(wrong: str) -> None:
    """What is owed is said; a right one owes nothing."""
    check_scenario(OffScenario("nothing"))
    with pytest.raises(AssertionError, match=wrong):
        check_scenario(OffScenario(wrong))


def test_a_recipe_of_a_scenario_is_a_value() -> None:
    """What does not equal its copy is noticed."""
    with pytest.raises(AssertionError, match="equals its pickled copy"):
        check_scenario(NoValue())


def test_systems_that_answer_each_sample_by_itself_pass() -> None:
    """A network, a function of the rows, and one whose sums end in other last bits."""
    random = np.random.default_rng(0)
    check_batches(tailmark.DigitsNetwork(), random.random((5, 1, 8, 8)).astype(np.float32))
    check_batches(tailmark.Function(call=lambda batch: batch), np.arange(6))
    slightly = tailmark.Function(call=lambda batch: np.asarray(batch) * (1 + 1e-6 * len(batch)))
    check_batches(slightly, np.arange(6.0))
    check_batches(LawfulSystem(clock=VirtualClock(), law=lambda _: 5, answer=lambda b: b), SCORES.T)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda batch: batch - batch.mean(), "is answered in a batch of 3 as by itself"),
        (lambda batch: np.arange(len(batch)), "is answered in a batch of 3 as by itself"),
        (lambda batch: batch[:1], "a batch has an output for each sample"),
        (lambda batch: batch.astype(int if len(batch) > 1 else float), "as by itself"),
        (lambda batch: batch * (1 if len(batch) != 2 else 2), "in a batch of 2 as by itself"),
    ],
)
def test_a_system_whose_answers_depend_on_the_batch_is_noticed(
    answer: Callable[[Any], Any], says: str
) -> None:
    """By the mean over it, the place in it, its size."""
    with pytest.raises(AssertionError, match=says):
        check_batches(tailmark.Function(call=answer), np.array([[1.0], [2.0], [4.0]]))


def test_one_sample_is_no_batch_to_check_with() -> None:
    """It would pass whatever the system does."""
    with pytest.raises(AssertionError, match="two or more"):
        check_batches(tailmark.DigitsNetwork(), np.zeros((1, 1, 8, 8), np.float32))
