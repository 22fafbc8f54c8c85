"""What the LoadGen engine left in a run: the logs of its tests."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tailmark.analysis.summary import summarize
from tailmark.errors import InputError
from tailmark.loadgen.logs import ACCURACY, DETAIL, SUMMARY, Detail, read_accuracy, read_detail
from tailmark.mlperf import rules
from tailmark.records.model import Run

_ENGINE = "set engine: loadgen in its experiment, and measure it again"
_LABEL_BYTES = 8


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A run and the two of its tests that are handed in.

    Args:
        run: The run.
        accuracy: The folder of its accuracy test.
        performance: The folder of one performance test.
        detail: That test's detail log.
        scenario: As LoadGen calls it.
        round: Which round that test is.
        rounds: How many there are.
    """

    run: Run
    accuracy: Path
    performance: Path
    detail: Detail
    scenario: str
    round: int
    rounds: int

    @property
    def loadgen(self) -> str:
        """LoadGen's version."""
        return str(self.detail.get("loadgen_version", "")).split(" ")[0]


def measured(run: Run, round_index: int = 0) -> Measured:
    """Find the logs in a run.

    Args:
        run: On disk.
        round_index: Which of its rounds is handed in.

    Raises:
        InputError: LoadGen did not measure it, or its logs are not all there.
    """
    if run.path is None:
        raise InputError("the run is held in memory: give one that is on disk")
    kept = run.path / "loadgen"
    if not kept.is_dir():
        raise InputError(f"{str(run.path)!r} was not measured by LoadGen: {_ENGINE}")
    rounds = sorted(p.name for p in kept.iterdir() if p.is_dir() and p.name.isdigit())
    name = f"{round_index:05d}"
    if name not in rounds:
        raise InputError(
            f"{str(run.path)!r} has no round {round_index} measured by LoadGen: "
            f"{f'give one from 0 to {int(rounds[-1])}' if rounds else _ENGINE}"
        )
    accuracy, performance = kept / "accuracy", kept / name
    needed = [
        *(accuracy / file for file in (SUMMARY, DETAIL, ACCURACY)),
        *(performance / file for file in (SUMMARY, DETAIL, "user.conf")),
    ]
    for file in needed:
        if not file.is_file():
            raise InputError(f"{str(file)!r} does not exist: measure the run again with LoadGen")
    if (performance / "audit.config").exists():
        raise InputError(
            f"round {round_index} of {str(run.path)!r} is a compliance test: give a run measured "
            "without engine.audit"
        )
    detail = read_detail(performance / DETAIL)
    scenario = str(detail.get("effective_scenario"))
    if scenario not in rules.SCENARIOS:
        raise InputError(
            f"{str(performance / DETAIL)!r} names the scenario {scenario!r}: "
            "measure the run again with LoadGen"
        )
    return Measured(
        run=run,
        accuracy=accuracy,
        performance=performance,
        detail=detail,
        scenario=scenario,
        round=round_index,
        rounds=len(rounds),
    )


def accuracy_line(one: Measured) -> str:
    """What the accuracy test reached, as ``accuracy.txt`` says it.

    Of labels it is top-1, counted from the accuracy log itself; of anything else the run's own
    metric without a deadline.

    Raises:
        InputError: Nobody knows what is right.
    """
    references = one.run.references.values
    if references is None:
        raise InputError(
            f"{one.run.name!r} knows no right answers: measure it with references, or say what "
            "the accuracy test reached with --accuracy"
        )
    if references.ndim == 1 and references.dtype.kind in "iu" and "labels" in one.run.outputs:
        return _top1(one, references)
    found = summarize(one.run)
    if found.ideal is None or found.ideal.value is None:
        raise InputError(
            f"{one.run.name!r} has no quality: name its metric in the experiment, or say what the "
            "accuracy test reached with --accuracy"
        )
    return f"{found.metric}={found.ideal.value:.6g}"


def _top1(one: Measured, references: np.ndarray) -> str:
    log = read_accuracy(one.accuracy / ACCURACY)
    total = len(log)
    if not total or log.unread or log.qsl_idx.max() >= len(references):
        raise InputError(
            f"{str(one.accuracy / ACCURACY)!r} does not fit the run: measure it again with LoadGen"
        )
    answered = [
        int.from_bytes(data, "little", signed=True) if len(data) == _LABEL_BYTES else None
        for data in log.data
    ]
    right = references[log.qsl_idx].tolist()
    good = sum(a == r for a, r in zip(answered, right, strict=True))
    return f"accuracy={100 * good / total:.3f}%, good={good}, total={total}"
