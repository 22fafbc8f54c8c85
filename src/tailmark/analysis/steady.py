"""One long round as many blocks: what a system does that runs on, not one that starts empty.

Batch means: after a ramp is left out, time is cut into equal blocks that act as rounds. A block
begins with the queue that the one before it left, so blocks depend on each other; how much they do
is measured as between rounds (`tailmark.stats.dependence`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tailmark.analysis.grading import check_time
from tailmark.errors import InputError
from tailmark.records.model import NONE, Int64s, Round, Rounds, Run
from tailmark.records.store import as_run
from tailmark.units import format_duration, parse_duration

RAMP = "5s"
BLOCKS = 30
OPEN = ("server", "stream", "replay", "burst", "ramp")
"""The scenarios that do not wait for answers."""

_FEWEST_QUERIES = 10


def estimand(run: Run) -> str | None:
    """What a number of a run under open load is about; None in a closed loop, where all agree."""
    scenario = _scenario(run)
    if cut := scenario.get("steady"):
        block, ramp = format_duration(cut["block_ns"]), format_duration(cut["ramp_ns"])
        return f"steady state: blocks of {block} after a ramp of {ramp}"
    return "per round: each starts empty and drains" if scenario.get("kind") in OPEN else None


def steady(run: Run | str | Path, ramp: str | int = RAMP, blocks: int = BLOCKS) -> Run:
    """The same run with each round cut into blocks of equal time, which act as rounds.

    Args:
        run: Measured under open load in long rounds, or its directory.
        ramp: What is left out of each round while its queue fills.
        blocks: How many to cut each round into.

    Raises:
        InputError: A closed loop, a rate that changes all the time, or blocks of too few queries.
    """
    run = as_run(run)
    check_time(run, None)
    scenario = _scenario(run)
    kind = scenario.get("kind", "unknown")
    if kind == "ramp":
        raise InputError("the rate of a ramp changes all the time, so it has no steady state")
    if kind not in OPEN:
        raise InputError(
            f"a steady state needs queries that do not wait for answers, and {kind!r} has none: "
            f"measure {', '.join(OPEN[:-1])}"
        )
    if "steady" in scenario:
        raise InputError(f"{run.name!r} is cut into blocks already: cut the run itself")
    if blocks < 2:
        raise InputError(f"blocks is {blocks}: give 2 or more")
    ramp_ns = parse_duration(ramp, "a ramp") if isinstance(ramp, str) else ramp
    last = [int(one.scheduled_ns.max(initial=0)) for one in run.rounds()]
    width = (min(last, default=0) - ramp_ns) // blocks
    if width < 1:
        shortest = format_duration(min(last, default=0))
        raise InputError(
            f"a ramp of {format_duration(ramp_ns)} leaves nothing of rounds of {shortest}: give a "
            "shorter ramp, or measure longer rounds"
        )
    edges = ramp_ns + width * np.arange(blocks + 1, dtype=np.int64)
    cut = _Blocks(stored=run.stored, edges_ns=edges)
    _check_filled(cut)
    settings = {"ramp_ns": ramp_ns, "block_ns": int(width), "blocks": blocks}
    experiment = {
        **run.manifest.experiment,
        "scenario": {**scenario, "steady": settings},
        "rounds": len(cut),
    }
    return replace(run, manifest=replace(run.manifest, experiment=experiment), stored=cut)


def _scenario(run: Run) -> Mapping[str, Any]:
    return run.manifest.experiment.get("scenario") or {}  # an imported run may not know it


def _check_filled(cut: "_Blocks") -> None:
    fewest = min(cut.queries(index) for index in range(len(cut)))
    if fewest < _FEWEST_QUERIES:
        raise InputError(
            f"of {len(cut)} blocks one has {fewest} queries, {_FEWEST_QUERIES} are needed: cut "
            "fewer blocks, or measure longer rounds"
        )


@dataclass(frozen=True)
class _Blocks:
    """Rounds that are cut out of longer ones when they are read."""

    stored: Rounds
    edges_ns: Int64s
    _held: dict[int, tuple[Round, Int64s, Int64s]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.stored) * (len(self.edges_ns) - 1)

    def __getitem__(self, index: int) -> Round:
        one, start, rows = self._rows(index)

        def cut(column: Any) -> Any:
            return None if column is None else column[rows]

        def moved(column: Int64s | None) -> Any:
            return (
                None
                if column is None
                else np.where(column[rows] == NONE, NONE, column[rows] - start)
            )

        width = int(self.edges_ns[1] - self.edges_ns[0])
        return Round(
            index=index,
            facts={**one.facts, "estimand": "steady state", "duration_ns": width},
            query=cut(one.query),
            sample=cut(one.sample),
            scheduled_ns=one.scheduled_ns[rows] - start,
            issued_ns=one.issued_ns[rows] - start,
            completed_ns=moved(one.completed_ns),
            status=cut(one.status),
            output_id=cut(one.output_id),
            started_ns=moved(one.started_ns),
            preprocess_ns=cut(one.preprocess_ns),
            inference_ns=cut(one.inference_ns),
            postprocess_ns=cut(one.postprocess_ns),
        )

    def queries(self, index: int) -> int:
        """Rows of a block."""
        return len(self._rows(index)[2])

    def _rows(self, index: int) -> tuple[Round, int, Int64s]:
        """The round, the block's start and its rows, in the order of issue."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        source, block = divmod(index, len(self.edges_ns) - 1)
        if source not in self._held:
            one = self.stored[source]
            order = np.argsort(one.scheduled_ns, kind="stable")
            at = np.searchsorted(one.scheduled_ns[order], self.edges_ns)
            self._held.clear()  # blocks are read one after another: one round is enough
            self._held[source] = (one, order, at)
        one, order, at = self._held[source]
        rows = np.sort(order[at[block] : at[block + 1]])
        return one, int(self.edges_ns[block]), rows
