"""Where a model's time goes, operator by operator, and which of them makes one slower."""

import json
import re
import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.study.onnx_graph import Graph, Operator
from tailmark.system.base import Batch
from tailmark.system.onnxruntime import OnnxRuntime

_REPEATS = 20
_WARM = 3
_LEAST = 0.05
"""The share of A's time that is worth a name."""
_MOST = 0.5
"""The share of the extra time that one operator must have more than to be named."""

_RENAMED = re.compile(r"(_nchwc|_token_\d+|/duplicated)+$")
"""What ONNX Runtime appends: to the operator's name, or to its output's in another layout."""


@dataclass(frozen=True, kw_only=True)
class OperatorTime:
    """One operator of the file, with those that the runtime fused into it.

    Args:
        operator: Its name in the file; the runtime's own where the file has none like it.
        op_type: What the runtime runs for it.
        median_ns: What it takes in an answer.
        low_ns: A quarter of the answers take less.
        high_ns: A quarter take more.
        share: Of the time of all.
        covers: What it and those fused into it make, by the tensors' names in the file.
    """

    operator: str
    op_type: str
    median_ns: float
    low_ns: float
    high_ns: float
    share: float
    covers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Slower:
    """The operator that takes most of the time that B takes longer.

    Args:
        operator: Its name in B.
        op_type: What the runtime runs for it.
        a_ns: What the same takes in A; 0 where A has none of it.
        b_ns: In B.
        share: Of all that B's operators take longer, beyond what this one does as all others do.
    """

    operator: str
    op_type: str
    a_ns: float
    b_ns: float
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def operator_times(
    recipe: OnnxRuntime, inputs: Sequence[Batch], repeats: int = _REPEATS
) -> dict[str, OperatorTime]:
    """Time every operator by ONNX Runtime's own profiler.

    Args:
        recipe: How the model is run.
        inputs: Batches of one, run in turn.
        repeats: How many are answered, after some that are not counted.

    Returns:
        By the operator's name, in the order in which they run.

    Raises:
        SystemSetupError: The model cannot be opened, or onnx is not installed.
    """
    graph = Graph(recipe.model)
    with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
        session = recipe.session(Path(folder) / "profile")
        first = session.get_inputs()[0].name
        for turn in range(_WARM + repeats):
            one = inputs[turn % len(inputs)]
            session.run(None, dict(one) if isinstance(one, Mapping) else {first: one})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    spent = _spent(events, nested=recipe.inter_threads == 1)
    run = [_place(name, graph) for name, _ in spent]
    covered = _covered(graph, [one for one in run if one is not None])
    found: dict[str, OperatorTime] = {}
    total = sum(float(np.median(times[_WARM:])) for times in spent.values())
    for ((name, kind), times), placed in zip(spent.items(), run, strict=True):
        covers = covered[placed.index] if placed is not None else []
        # What is named by the last tensor of several is better called by the one of its type.
        named = next((one for one in covers if one.op_type == kind), placed)
        operator = name if named is None else named.name
        low, median, high = np.quantile(times[_WARM:], (0.25, 0.5, 0.75))
        found[operator if operator not in found else name] = OperatorTime(
            operator=operator,
            op_type=kind,
            median_ns=float(median),
            low_ns=float(low),
            high_ns=float(high),
            share=float(median) / total if total else 0.0,
            covers=tuple(tensor for one in covers for tensor in one.makes),
        )
    return found


def slower_operator(a: Mapping[str, OperatorTime], b: Mapping[str, OperatorTime]) -> Slower | None:
    """Name the operator that makes B slower; None where no one of them clearly does.

    What the one runs as one operator and the other as several is compared as a whole.

    Args:
        a: From `operator_times`.
        b: Of the other, whose tensors go by the same names.
    """
    total = sum(one.median_ns for one in b.values()) - sum(one.median_ns for one in a.values())
    if total < _LEAST * sum(one.median_ns for one in a.values()):
        return None
    regions = _regions(a.values(), b.values())
    if not regions:
        return None
    mine, theirs = chosen = max(regions, key=lambda sides: _sum(sides[1]) - _sum(sides[0]))
    # Where all take longer by as much, it is no one of them: the machine, or fewer threads.
    others = [
        _sum(two) / _sum(one) for one, two in regions if (one, two) != chosen and _sum(one) > 0
    ]
    alike = max(1.0, float(np.median(others))) if others else 1.0
    extra = _sum(theirs) - alike * _sum(mine)
    apart = sum(one.low_ns for one in theirs) > alike * sum(one.high_ns for one in mine)
    if extra <= _MOST * total or not apart:
        return None
    worst = max(theirs, key=lambda one: one.median_ns)
    return Slower(
        operator=worst.operator,
        op_type=worst.op_type,
        a_ns=_sum(mine),
        b_ns=_sum(theirs),
        share=min(1.0, extra / total),
    )


def _spent(events: Sequence[Mapping[str, Any]], *, nested: bool) -> dict[tuple[str, str], Any]:
    """Nanoseconds by operator and answer.

    Args:
        events: Of the profile; its times are in microseconds.
        nested: Whether one that runs inside another is part of it, as in a branch.
    """
    begins = sorted(event["ts"] for event in events if event.get("name") == "model_run")
    spent: dict[tuple[str, str], Any] = defaultdict(lambda: np.zeros(len(begins)))
    kernels = [
        event
        for event in events
        if event.get("cat") == "Node" and str(event.get("name", "")).endswith("_kernel_time")
    ]
    end = -1
    for event in sorted(kernels, key=lambda event: (event["ts"], -event["dur"])):
        if nested and event["ts"] + event["dur"] <= end:
            continue
        end = event["ts"] + event["dur"]
        key = event["name"].removesuffix("_kernel_time"), str(event["args"].get("op_name", ""))
        spent[key][bisect_right(begins, event["ts"]) - 1] += 1e3 * event["dur"]
    return dict(spent)


def _place(name: str, graph: Graph) -> Operator | None:
    """The operator of the file that one of the runtime is called after."""
    for called in (name, _RENAMED.sub("", name)):
        for operator in graph.operators:
            if called == operator.name or called in operator.makes:
                return operator
    return None


def _covered(graph: Graph, run: Sequence[Operator]) -> dict[int, list[Operator]]:
    """For each operator that is run, it and those that are not and lead to it, by its index."""
    readers: dict[str, Operator] = {}
    for operator in reversed(graph.operators):
        readers.update(dict.fromkeys(operator.reads, operator))
    there = {one.index for one in run}
    covered: dict[int, list[Operator]] = {index: [] for index in there}
    for operator in graph.operators:
        at: Operator | None = operator
        while at is not None and at.index not in there:
            at = next((readers[name] for name in at.makes if name in readers), None)
        if at is not None:
            covered[at.index].append(operator)
    return covered


def _regions(
    a: Iterable[OperatorTime], b: Iterable[OperatorTime]
) -> list[tuple[list[OperatorTime], list[OperatorTime]]]:
    """What runs the same in A and in B: operators that cover a tensor in common, and so on.

    Where both have operators that the other has nothing like, which is which cannot be told.
    """
    leads: dict[str, str] = {}

    def region(name: str) -> str:
        while leads.setdefault(name, name) != name:
            name = leads[name]
        return name

    sides = list(a), list(b)
    for one in (*sides[0], *sides[1]):
        first, *more = one.covers or (f"operator {one.operator}",)
        for name in more:
            leads[region(name)] = region(first)
    found: dict[str, tuple[list[OperatorTime], list[OperatorTime]]] = {}
    for side, times in enumerate(sides):
        for one in times:
            name = region((one.covers or (f"operator {one.operator}",))[0])
            found.setdefault(name, ([], []))[side].append(one)
    gone = any(not theirs for _, theirs in found.values())
    return [(mine, theirs) for mine, theirs in found.values() if theirs and (mine or not gone)]


def _sum(times: Iterable[OperatorTime]) -> float:
    return sum(one.median_ns for one in times)
