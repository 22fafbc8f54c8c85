"""``tailmark audit``."""

from typing import TYPE_CHECKING

import tailmark
from tailmark.cli.shared import Json, console, print_json
from tailmark.units import format_duration

if TYPE_CHECKING:
    from tailmark.machine import Audit


def audit(*, json: Json = False) -> None:
    """Say what this machine can resolve: timer, scheduler, our own cost, governor, load."""
    found = tailmark.audit()
    if json:
        print_json({"format": 1, **found.to_dict(), "warnings": found.warnings()})
        return
    _print(found)


def _print(found: "Audit") -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("", "p50", "p99", ""):
        table.add_column(name, justify="left" if not name else "right")
    pairs = (
        ("reading the timer", found.timer_cost_ns, None, "the cost of one reading"),
        ("smallest step seen", found.timer_step_ns, None, "between two readings"),
        ("waking from a sleep", found.wakeup_p50_ns, found.wakeup_p99_ns, "late after 200 µs"),
        (
            "a query that does nothing",
            found.harness_p50_ns,
            found.harness_p99_ns,
            "in this process",
        ),
        ("the same, isolated", found.hop_p50_ns, found.hop_p99_ns, "in a process of its own"),
    )
    for name, p50, p99, meaning in pairs:
        table.add_row(name, format_duration(p50), format_duration(p99) if p99 else "", meaning)
    out = console()
    out.print(table)
    out.print(
        f"\ngovernor {found.governor or 'not shown'} · load {found.load} on {found.cores} cores · "
        f"deadlines from {format_duration(found.resolvable_ns, 2)} can be measured here"
    )
    for warning in found.warnings():
        out.print(Text(f"warning: {warning}", style="yellow"))
