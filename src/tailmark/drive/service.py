"""A workload, a system and a decoder, opened together: everything that answers one query.

The same service answers in our own process and in an isolated one.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from tailmark.decode.base import Declared, Decode, Decoder
from tailmark.drive.failures import describe_failure
from tailmark.drive.watchdog import STOPS
from tailmark.errors import SystemSetupError, WorkloadError
from tailmark.records.catalogue import Answer
from tailmark.system.asynchronous import Waited, as_predictor
from tailmark.system.base import Batch, Predictor, System, joined, split, with_batch_axis
from tailmark.workload.base import Samples

Timed = Literal["inference", "total"]

FIRST_TRIES = 32
"""How many samples may fail at first before the system is called broken."""

_MEMORY_SHARE = 0.8
_HELD_BYTES = 1 << 16
_HELD_AT_MOST = 1 << 9  # so that decoding them takes milliseconds, well within any timeout


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a service says of itself once it is open.

    Args:
        system: The settings in effect.
        warnings: What could not be checked.
        open_ns: How long the system took to open.
        first_query_ns: How long its very first call took.
        responds: Whether it queues and answers by itself.
    """

    system: Mapping[str, Any]
    warnings: tuple[str, ...]
    open_ns: int
    first_query_ns: int
    responds: bool = False


@dataclass(frozen=True)
class Reply:
    """A batch's answers as an isolated process reports them: no moments, only durations."""

    answers: tuple[Answer, ...]
    failure: str | None
    preprocess_ns: int
    inference_ns: int
    postprocess_ns: int


@dataclass(frozen=True, kw_only=True)
class Service:
    """What answers queries.

    Args:
        predictor: The live model.
        inputs: By sample: batches of one (``timed: inference``) or raw samples (``total``).
        prepare: Raw sample to batch.
        decode: Raw output and its sample to answer.
        hold: How many outputs may wait to be decoded.
        output_bytes: What one takes up.
        opened: What it says of itself.
    """

    predictor: Predictor
    inputs: list[Any]
    prepare: Callable[[Any], Batch]
    decode: Decode
    hold: int
    output_bytes: int
    opened: Opened

    def reply(self, samples: Sequence[int], timed: Timed) -> Reply:
        """Answer a batch, timing each stage; what the system raises becomes a failure."""
        now = time.perf_counter_ns
        began = prepared = inferred = now()
        try:
            batch = self.prepared(samples, timed)
            prepared = inferred = now()
            raw = self.predictor.predict(batch)
            inferred = now()
            # A system that runs elsewhere knows what the way there and back did not cost.
            took_ns = getattr(self.predictor, "took_ns", None)
            if took_ns is not None:
                prepared = inferred - took_ns
            answers = tuple(map(self.decode, split(raw, len(samples)), samples))
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            return Reply((), describe_failure(cause), prepared - began, inferred - prepared, 0)
        return Reply(answers, None, prepared - began, inferred - prepared, now() - inferred)

    def outputs(self, sample: int, timed: Timed) -> dict[str, Any] | str:
        """The model's own outputs for a sample, by name; why there are none, where it failed."""
        try:
            raw = self.predictor.predict(self.prepared([sample], timed))
            named = raw if isinstance(raw, Mapping) else {"output": raw}
            return {str(name): np.array(values) for name, values in named.items()}
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            return describe_failure(cause)

    def again(self, system: System) -> "Service":
        """The same with another opening of the system; inputs are shared.

        Raises:
            SystemSetupError: The system cannot be opened more than once.
        """
        return replace(self, predictor=as_predictor(system.open()))

    def prepared(self, samples: Sequence[int], timed: Timed) -> Batch:
        """The batch of these samples, preprocessed first where that is timed."""
        ones = [self.inputs[sample] for sample in samples]
        return joined([self.prepare(one) for one in ones] if timed == "total" else ones)


def open_service(
    samples: Samples,
    system: System,
    decoder: Decoder,
    timed: Timed,
    tick: Callable[[int], None],
    skip: Collection[int] = (),
    batch: int = 1,
) -> Service:
    """Load everything, and answer a first query to see that the parts fit.

    Args:
        samples: The opened workload.
        system: What is measured.
        decoder: How its outputs are read.
        timed: Whether preprocessing belongs into the clock, and so is not done yet.
        tick: Called with the sample before each first try, so that a watchdog can follow.
        skip: Samples not to try first: they are known to end the process.
        batch: The most samples it will be given at once; tried too.

    Raises:
        InputError: The parts do not fit, or none of the first samples is answered.
    """
    began = time.perf_counter_ns()
    predictor = as_predictor(system.open())
    open_ns = time.perf_counter_ns() - began
    raws = [samples.load(i) for i in range(len(samples))]

    def prepare(raw: Any) -> Batch:
        return with_batch_axis(samples.prepare(raw))

    first = prepare(raws[0])
    predictor.check(first)
    inputs = raws if timed == "total" else _prepared(raws, prepare, first)
    failure: BaseException | None = None
    first_tries = [i for i in range(len(raws)) if i not in skip][:FIRST_TRIES]
    for index in first_tries:
        one = prepare(raws[index])
        tick(index)
        began = time.perf_counter_ns()
        try:
            raw = predictor.predict(one)
        except STOPS:
            raise
        except BaseException as cause:  # noqa: BLE001 - the system may raise anything
            failure = failure or cause
            continue
        first_query_ns = time.perf_counter_ns() - began
        declared = Declared(
            classes=samples.classes,
            references=samples.references,
            placements=samples.placements,
        )
        decode, warnings = decoder.bind(raw, declared)
        if batch > 1:
            _try_batch(predictor, one, batch)
        return Service(
            predictor=predictor,
            inputs=inputs,
            prepare=prepare,
            decode=decode,
            hold=outputs_to_hold(raw) if predictor.fresh else 1,
            output_bytes=_output_bytes(raw),
            opened=Opened(
                system=predictor.describe(),
                warnings=tuple(warnings),
                open_ns=open_ns,
                first_query_ns=first_query_ns,
                responds=isinstance(predictor, Waited),
            ),
        )
    if not first_tries:
        raise SystemSetupError(
            f"each of the {len(raws)} samples blocks or ends the system, so nothing is measured"
        )
    raise SystemSetupError(
        f"the system failed on each of the first {len(first_tries)} samples, so nothing is "
        "measured: "
        f"{describe_failure(failure)}"
    ) from failure


def _try_batch(predictor: Predictor, one: Batch, size: int) -> None:
    """Answer the most there can be at once.

    Raises:
        SystemSetupError: The system takes no such batch, or does not answer each of its samples.
    """
    many = joined([one] * size)
    predictor.check(many)
    try:
        split(predictor.predict(many), size)
    except STOPS:
        raise
    except BaseException as cause:
        raise SystemSetupError(
            f"the system does not answer a batch of {size}: {describe_failure(cause)}; set "
            "system.batch.max to what it takes"
        ) from cause


def _prepared(raws: list[Any], prepare: Callable[[Any], Batch], first: Batch) -> list[Any]:
    parts = list(first.values()) if isinstance(first, Mapping) else [first]
    needed = sum(part.nbytes for part in parts) * len(raws)
    there = _available_memory()
    if there is not None and needed > _MEMORY_SHARE * there:
        raise WorkloadError(
            f"{len(raws)} prepared samples need {needed / 1e9:.1f} GB and {there / 1e9:.1f} GB are "
            "free: set timed: total, which prepares each when it is due, or give fewer samples"
        )
    return [first, *(prepare(raw) for raw in raws[1:])]


def _available_memory() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def outputs_to_hold(raw: Any) -> int:
    """As many as lie in the caches without crowding out the model."""
    return max(1, min(_HELD_AT_MOST, _HELD_BYTES // max(_output_bytes(raw), 1)))


def _output_bytes(raw: Any) -> int:
    parts = raw.values() if isinstance(raw, Mapping) else [raw]
    return sum(getattr(part, "nbytes", _HELD_BYTES) for part in parts)
