"""Where a model's time goes, operator by operator, and which of them makes one slower."""

import json
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tailmark.system.base import Batch
from tailmark.system.onnxruntime import OnnxRuntime

_REPEATS = 20
_WARM = 3
_MOST = 0.3
"""The share of the extra time that one operator must have to be named."""


@dataclass(frozen=True, kw_only=True)
class OperatorTime:
    """One operator.

    Args:
        operator: Its name.
        op_type: What it does.
        median_ns: What a call of it takes.
    """

    operator: str
    op_type: str
    median_ns: float


@dataclass(frozen=True, kw_only=True)
class Slower:
    """The operator that takes most of the time that B takes longer.

    Args:
        operator: Its name.
        op_type: What it does.
        a_ns: What it takes in A; 0 where A has none of that name.
        b_ns: In B.
        share: Of all that B's operators take longer.
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
        repeats: How often they are run.

    Returns:
        By the operator's name.

    Raises:
        SystemSetupError: The model cannot be opened.
    """
    with tempfile.TemporaryDirectory(prefix="tailmark-") as folder:
        session = recipe.session(Path(folder) / "profile")
        first = session.get_inputs()[0].name
        for turn in range(_WARM + repeats):
            one = inputs[turn % len(inputs)]
            session.run(None, dict(one) if isinstance(one, Mapping) else {first: one})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    spent: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        name = str(event.get("name", ""))
        if event.get("cat") == "Node" and name.endswith("_kernel_time"):
            kind = str(event.get("args", {}).get("op_name", ""))
            spent[name.removesuffix("_kernel_time"), kind].append(1e3 * float(event["dur"]))
    return {
        name: OperatorTime(
            operator=name, op_type=kind, median_ns=statistics.median(times[_WARM:] or times)
        )
        for (name, kind), times in spent.items()
    }


def slower_operator(a: Mapping[str, OperatorTime], b: Mapping[str, OperatorTime]) -> Slower | None:
    """Name the operator that makes B slower; None where no one of them does.

    Operators are told apart by their names, so graphs that were fused otherwise differ in many.
    """
    extra = {
        name: one.median_ns - (a[name].median_ns if name in a else 0.0) for name, one in b.items()
    }
    total = sum(one.median_ns for one in b.values()) - sum(one.median_ns for one in a.values())
    if total <= 0 or not extra:
        return None
    worst = max(extra, key=lambda name: extra[name])
    if extra[worst] < _MOST * total:
        return None
    return Slower(
        operator=b[worst].operator,
        op_type=b[worst].op_type,
        a_ns=a[worst].median_ns if worst in a else 0.0,
        b_ns=b[worst].median_ns,
        share=min(1.0, extra[worst] / total),
    )
