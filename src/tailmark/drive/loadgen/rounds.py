"""What LoadGen logged and what we saw, joined into a round of the run.

===================  ===============================================================================
column               whose clock
===================  ===============================================================================
scheduled_ns         LoadGen's, from its trace: when it wanted the query sent
completed_ns         LoadGen's: when it was told. So completed − scheduled is LoadGen's own latency,
                     to the nanosecond
issued_ns            ours: when its callback was entered. Issued − scheduled is what LoadGen and the
                     interpreter took, which LoadGen counts as the system's
started_ns           ours: when a worker began it
stages               ours
===================  ===============================================================================

LoadGen reads the clock on the wall, we a monotonic one. Every row holds the distance between the
two within bounds: LoadGen issues before its callback is entered, and is told after we set out to
tell it. The bounds of a round meet within a microsecond or two, which is how exactly our columns
lie between LoadGen's; where they contradict each other, the wall's clock was set meanwhile.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tailmark.drive.loadgen.ledger import Account
from tailmark.errors import MeasurementError
from tailmark.loadgen.trace import Trace
from tailmark.records.model import NONE, STAGES, Int32s, Round, Status
from tailmark.units import format_duration


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A round, and what is to be said of it.

    Args:
        round: The facts.
        failures: Why rows have no answer, and how many.
        warnings: Sentences for the reader.
        reported: What LoadGen itself said of it.
    """

    round: Round
    failures: Mapping[str, int]
    warnings: tuple[str, ...]
    reported: Mapping[str, Any] = field(default_factory=dict)


def join_round(
    account: Account,
    trace: Trace,
    output_id: Int32s,
    *,
    index: int,
    scenario: str,
    timeout_ns: int,
    facts: Mapping[str, Any],
) -> Joined:
    """One test as a round.

    Args:
        account: What we saw.
        trace: What LoadGen saw.
        output_id: The rows' answers as the run numbers them, shape (rows,).
        index: Which round of the run.
        scenario: LoadGen's name of it.
        timeout_ns: An answer later than this is none.
        facts: What is true of the whole round.

    Raises:
        MeasurementError: The trace is cut short, or not of the same test.
    """
    if len(trace) != len(account.sample) or (trace.sample_idx != account.sample).any():
        raise MeasurementError(
            f"LoadGen's trace has {len(trace)} of {len(account.sample)} samples, in another order "
            "or cut short (is the disk full?): the round does not count"
        )
    offset, doubt = _offset(account, trace)
    latency = trace.completed_ns - trace.scheduled_ns
    status = account.status.copy()
    failures = Counter(account.failures)
    late = (status == Status.ok) & (latency > timeout_ns)
    if late.any() and scenario != "Offline":  # whose samples all wait for each other by design
        status[late] = Status.timed_out
        failures[f"answered after the timeout of {format_duration(timeout_ns)}"] += int(late.sum())
    answered = status == Status.ok
    issued = account.issued_ns - offset
    started = np.where(account.started_ns == 0, NONE, account.started_ns - offset)
    one = Round(
        index=index,
        facts={
            **facts,
            **({"together": True} if scenario == "MultiStream" else {}),
            **({"open_loop": True} if scenario in ("Server", "Offline") else {}),
            "duration_ns": int(max(trace.completed_ns.max(), issued.max())),
            "clock_doubt_ns": doubt,
        },
        query=trace.query_seq - trace.query_seq.min(),
        sample=account.sample,
        scheduled_ns=trace.scheduled_ns,
        issued_ns=issued,
        started_ns=started,
        completed_ns=np.where(answered, trace.completed_ns, NONE),
        status=status,
        output_id=np.where(answered, output_id, NONE).astype(np.int32),
        **{f"{name}_ns": stage for name, stage in zip(STAGES, account.stages, strict=False)},
    )
    return Joined(round=one, failures=failures, warnings=_warnings(index, doubt))


def _offset(account: Account, trace: Trace) -> tuple[int, int]:
    """Our clock when LoadGen's shows the round's beginning, and how exactly that is known.

    In nanoseconds; below zero where the bounds contradict each other, by how much.
    """
    least = int((account.told_ns - trace.completed_ns).max())
    most = int((account.issued_ns - trace.issued_ns).min())
    return least + (most - least) // 2, (most - least) // 2


def _warnings(index: int, doubt_ns: int) -> tuple[str, ...]:
    if doubt_ns >= 0:
        return ()
    what = (
        f"round {index}: the machine's clock was set by {format_duration(-2 * doubt_ns)} while "
        "LoadGen measured by it: its latencies, and those of this round, may be wrong"
    )
    return (what,)
