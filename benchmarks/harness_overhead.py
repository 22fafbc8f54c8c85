"""What the harness adds to one inference: the same calls in a bare loop and in ours, in turn."""

import gc
import time
from array import array
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from tailmark import Digits, OnnxRuntime
from tailmark.clock import MonotonicClock
from tailmark.decode.base import Catalogue
from tailmark.decode.classes import Classes
from tailmark.drive.closed_loop import Recording, issue
from tailmark.system.base import with_batch_axis

BLOCKS = 60
CALLS = 2_000
NULL_CALLS = 50_000
GOAL_NS = 1_000

Times = npt.NDArray[np.int64]
Block = Callable[[], tuple[Times, float]]
"""Runs a block of calls: the recorded latencies, and the block's wall time a call (ns)."""

now = MonotonicClock().now_ns


def bare(order: list[int], inputs: Sequence[Any], call: Callable[[Any], Any]) -> Block:
    """The least a loop can do that keeps its times: t0, the call, t1."""

    def block() -> tuple[Times, float]:
        started = array("q", bytes(8 * len(order)))
        ended = array("q", bytes(8 * len(order)))
        begin = time.perf_counter_ns()
        for row, sample in enumerate(order):
            one = inputs[sample]
            t0 = now()
            call(one)
            t1 = now()
            started[row] = t0
            ended[row] = t1
        wall = (time.perf_counter_ns() - begin) / len(order)
        return np.subtract(ended, started), wall

    return block


def harness(
    order: list[int], inputs: Sequence[Any], call: Callable[[Any], Any], *keep: Callable[[Any], Any]
) -> Block:
    """Our loop; with ``keep`` (decode, number) the answers are kept, as a measurement keeps them."""
    rows = np.array(order, dtype=np.int32)

    def block() -> tuple[Times, float]:
        recording = Recording(len(order))
        begin = time.perf_counter_ns()
        issue(rows, inputs, call, recording, now, *keep)
        wall = (time.perf_counter_ns() - begin) / len(order)
        return recording.column("completed") - recording.column("issued"), wall

    return block


def in_turn(blocks: dict[str, Block]) -> dict[str, tuple[float, float, float]]:
    """Run the blocks by turns, each turn in another order.

    Returns:
        By name: the medians over turns of a block's p50, p99 and wall time a call, in ns.
    """
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in blocks}
    names = list(blocks)
    gc.disable()  # as a measurement does
    for turn in range(BLOCKS + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            latency, wall = blocks[name]()
            if turn:  # the first warms up
                measured[name].append((*np.quantile(latency, [0.5, 0.99]), wall))
        gc.collect()
    gc.enable()
    return {name: tuple(np.median(turns, axis=0)) for name, turns in measured.items()}


def digits_blocks() -> dict[str, Block]:
    """The built-in digits model: ONNX Runtime called directly, and through the harness."""
    model = Path(str(files("tailmark") / "data" / "digits.onnx"))
    samples = Digits().open()
    inputs = [with_batch_axis(samples.prepare(samples.load(i))) for i in range(len(samples))]
    order = np.random.default_rng(0).integers(0, len(inputs), CALLS).tolist()

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    feeds = [{session.get_inputs()[0].name: one} for one in inputs]

    predictor = OnnxRuntime(model=model).open()
    classes = Classes()
    decode, _ = classes.bind(predictor.predict(inputs[0]), samples.classes, samples.references)
    number = Catalogue(classes.columns, {}).number
    return {
        "bare loop, session.run": bare(order, feeds, lambda feed: session.run(names, feed)),
        "bare loop, our predict": bare(order, inputs, predictor.predict),
        "harness": harness(order, inputs, predictor.predict),
        "harness, answers kept": harness(order, inputs, predictor.predict, decode, number),
    }


def null(batch: object) -> None:
    """Answer nothing."""
    del batch


def show(title: str, results: dict[str, tuple[float, float, float]]) -> None:
    """Print one row a loop, beside what it adds to the first."""
    heads = ("p50", "p99", "wall", "+p50", "+p99", "+wall")
    print(f"{title:<42}" + "".join(f"{head:>9}" for head in heads))
    base = next(iter(results.values()))
    for name, values in results.items():
        more = [value - least for value, least in zip(values, base, strict=True)]
        print(f"  {name:<40}" + "".join(f"{value:>9,.0f}" for value in (*values, *more)))


def main() -> None:
    """Measure and print."""
    digits = in_turn(digits_blocks())
    order = np.zeros(NULL_CALLS, dtype=np.int32).tolist()
    nothing = in_turn(
        {
            "bare loop": bare(order, [None], null),
            "harness": harness(order, [None], null),
        }
    )
    print(f"nanoseconds a call; medians of {BLOCKS} blocks, in turn")
    print("p50, p99: the latency recorded; wall: the whole loop's time; +: beyond the first row\n")
    show(f"digits, ONNX Runtime ({CALLS:,} a block)", digits)
    show(f"null function ({NULL_CALLS:,} a block)", nothing)
    direct = digits["bare loop, session.run"][0]
    added = max(values[0] for values in digits.values()) - direct
    print(f"\nadded to one inference at p50, whichever row is worst: {added:,.0f} ns")
    print(f"goal < {GOAL_NS:,} ns: {'met' if added < GOAL_NS else 'NOT met'}")


if __name__ == "__main__":
    main()
