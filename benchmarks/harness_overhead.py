"""What the harness adds to one inference: the same calls in a bare loop and in ours, in turn.

The bare loop calls ONNX Runtime itself and never looks at an answer; ours calls it through
`OnnxRuntime`, decodes every answer and keeps it, so the adapter and the bookkeeping are within what
is added. Decoding slows the inference after it, whoever does it (it takes over the caches); what a
loop that decodes after every inference would pay is shown by itself.
"""

import gc
import time
from array import array
from collections.abc import Callable, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tailmark import Digits, Estimate, OnnxRuntime
from tailmark.clock import MonotonicClock
from tailmark.decode.base import Declared
from tailmark.decode.classes import Classes
from tailmark.drive.closed_loop import issue
from tailmark.drive.recording import Recording
from tailmark.drive.service import outputs_to_hold
from tailmark.records.catalogue import Catalogue
from tailmark.stats.rounds import tail_quantile
from tailmark.system.base import with_batch_axis

SECONDS = 75
CALLS = 16
NULL_SECONDS = 10
NULL_CALLS = 5_000
GOAL_NS = 1_000
DECODING = "digits, decoding"

now = MonotonicClock().now_ns


class Block(NamedTuple):
    """One block of calls, in nanoseconds: each call's latency, and the loop's wall time a call."""

    latency: npt.NDArray[np.int64]
    wall: float


class Calls(NamedTuple):
    """Inputs by sample, what takes one, and what reads an output outside the clock, if anything."""

    inputs: Sequence[Any]
    call: Callable[[Any], Any]
    read: Callable[[Any, int], Any] | None = None


class Loops(NamedTuple):
    """The same calls, twice."""

    bare: Callable[[], Block]
    harness: Callable[[], Block]


def loops(
    order: list[int],
    direct: Calls,
    ours: Calls,
    number: Callable[[Any], int] | None = None,
    hold: int = 1,
) -> Loops:
    """A bare loop and ours.

    Args:
        order: Samples in the order they are sent.
        direct: For the bare loop.
        ours: For the harness.
        number: Stores an answer, in the harness.
        hold: How many outputs wait to be decoded there.
    """
    rows = np.array(order, dtype=np.int32)

    def bare() -> Block:
        inputs, call, read = direct
        answers = []
        started = array("q", bytes(8 * len(order)))
        ended = array("q", bytes(8 * len(order)))
        begin = now()
        for row, sample in enumerate(order):
            one = inputs[sample]
            t0 = now()
            output = call(one)
            t1 = now()
            if read is not None:
                answers.append(read(output, sample))
            started[row] = t0
            ended[row] = t1
        wall = (now() - begin) / len(order)
        return Block(np.subtract(ended, started), wall)

    def harness() -> Block:
        recording = Recording(len(order))
        begin = now()
        issue(rows, ours.inputs, ours.call, recording, now, ours.read, number, hold=hold)
        wall = (now() - begin) / len(order)
        return Block(recording.column("completed") - recording.column("issued"), wall)

    return Loops(bare, harness)


def digits_loops() -> dict[str, Loops]:
    """ONNX Runtime on the built-in digits model, and a bare loop beside one that decodes."""
    samples = Digits().open()
    inputs = [with_batch_axis(samples.prepare(samples.load(i))) for i in range(len(samples))]
    order = np.random.default_rng(0).integers(0, len(inputs), CALLS).tolist()
    model = Path(str(files("tailmark") / "data" / "digits.onnx"))
    predictor: Any = OnnxRuntime(model=model).open()
    # The same session for both: another one's weights lie elsewhere, which alone can cost 1 µs.
    session = predictor._session  # noqa: SLF001
    feeds = [{session.get_inputs()[0].name: one} for one in inputs]
    run = partial(session.run, [output.name for output in session.get_outputs()])
    predict = predictor.predict
    classes = Classes()
    decode, _ = classes.bind(predict(inputs[0]), Declared(classes=samples.classes))
    number = Catalogue(classes.columns, {}).number
    silent = Calls(feeds, run)
    decoding = Calls(feeds, run, lambda outputs, sample: decode(outputs[0], sample))
    hold = outputs_to_hold(predict(inputs[0]))
    kept = loops(order, silent, Calls(inputs, predict, decode), number, hold)
    return {
        "digits, answers dropped": loops(order, silent, Calls(inputs, predict)),
        "digits, answers kept": kept,
        DECODING: Loops(kept.bare, loops(order, decoding, decoding).bare),
    }


def null(batch: object) -> None:
    """Answer nothing."""
    del batch


def measure(pairs: dict[str, Loops], seconds: float) -> dict[str, tuple[list[Block], ...]]:
    """Run every loop once a turn, in an order drawn anew each time, until the time is up.

    Returns:
        By name: the blocks of the bare loop, and those of the harness.
    """
    random = np.random.default_rng(0)
    runs = [(name, side) for name in pairs for side in (0, 1)]
    blocks: dict[str, tuple[list[Block], ...]] = {name: ([], []) for name in pairs}
    for name, side in runs:  # warm up
        pairs[name][side]()
    gc.disable()  # as a measurement does
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for index in random.permutation(len(runs)):
            name, side = runs[index]
            blocks[name][side].append(pairs[name][side]())
    gc.enable()
    return blocks


def p50_added(least: list[Block], more: list[Block]) -> Estimate:
    """The median over turns of how far the second loop's p50 lies beyond the first's."""
    turns = zip(least, more, strict=True)
    added = [np.median(second.latency) - np.median(first.latency) for first, second in turns]
    return tail_quantile(np.array(added), 0.5)


def interval(added: Estimate) -> str:
    """Its ends, where there were turns enough."""
    if added.low is None or added.high is None:
        return f"  ({added.reason})"
    return f"{added.low:>+10,.0f} to {added.high:+,.0f}"


def show(name: str, bare: list[Block], harness: list[Block]) -> float:
    """Print a pair of loops and their difference; return the difference at p50."""
    rows = []
    for side, found in (("bare loop", bare), ("harness", harness)):
        pooled = np.concatenate([block.latency for block in found])
        wall = float(np.median([block.wall for block in found]))
        rows.append((*np.quantile(pooled, [0.5, 0.99]), wall))
        print(f"{name + ', ' + side:<34}" + "".join(f"{value:>10,.0f}" for value in rows[-1]))
    added = p50_added(bare, harness)
    if added.value is None:
        raise SystemExit("no turn was finished: raise SECONDS")
    more = (added.value, *np.subtract(rows[1], rows[0])[1:])
    print(
        f"{'  difference':<34}" + "".join(f"{value:>+10,.0f}" for value in more) + interval(added)
    )
    return added.value


def main() -> None:
    """Measure and print."""
    order = np.zeros(NULL_CALLS, dtype=np.int32).tolist()
    nothing = Calls([None], null)
    digits = measure(digits_loops(), SECONDS)
    blocks = digits | measure({"null function": loops(order, nothing, nothing)}, NULL_SECONDS)
    print("nanoseconds: latency at p50 and p99 of all calls, the loop's wall time a call,")
    print("and the 95 % interval of the difference at p50, taken turn by turn\n")
    print(f"{'':<34}{'p50':>10}{'p99':>10}{'wall':>10}{'p50, 95 %':>14}")
    silent, decoding = blocks.pop(DECODING)
    worst = max(show(name, *pair) for name, pair in blocks.items())
    print(f"\nadded to one inference at p50, the worst of these: {worst:,.0f} ns")
    print(f"goal < {GOAL_NS:,} ns: {'met' if worst < GOAL_NS else 'NOT met'}")
    cost = p50_added(silent, decoding)
    print(
        "\ndecoding after every inference costs the next one, bare loop against bare loop, at p50:"
    )
    print(f"{cost.value:+,.0f} ns, 95 %{interval(cost)}")


if __name__ == "__main__":
    main()
