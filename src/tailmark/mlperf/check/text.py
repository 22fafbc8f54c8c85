"""Findings as a terminal shows them: a headline, then file by file."""

from collections.abc import Sequence
from itertools import groupby
from textwrap import fill
from typing import Any

from rich.console import Console
from rich.text import Text

from tailmark.mlperf import rules
from tailmark.mlperf.check.findings import Finding

_STYLES = {"error": "bold red", "warning": "yellow"}


def counted(findings: Sequence[Finding]) -> tuple[int, int]:
    """How many errors and how many warnings."""
    errors = sum(one.severity == "error" for one in findings)
    return errors, len(findings) - errors


def headline(findings: Sequence[Finding]) -> str:
    """Whether it may be submitted, in one line."""
    errors, warnings = counted(findings)
    if not findings:
        return f"FIT – no rule of MLPerf Inference {rules.VERSION} is broken"
    found = " and ".join(
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    )
    verdict = "NOT FIT" if errors else "FIT"
    return f"{verdict} – {found} by the rules of MLPerf Inference {rules.VERSION}"


def document(findings: Sequence[Finding]) -> dict[str, Any]:
    """As JSON."""
    errors, warnings = counted(findings)
    return {
        "format": 1,
        "rules": rules.VERSION,
        "fit": errors == 0,
        "errors": errors,
        "warnings": warnings,
        "findings": [one.to_dict() for one in findings],
    }


def print_findings(findings: Sequence[Finding], console: Console) -> None:
    """The headline, and every finding under its file."""
    errors, _ = counted(findings)
    console.print(Text(headline(findings), style="bold red" if errors else "bold green"))
    for file, group in groupby(findings, key=lambda one: one.file):
        console.print(Text(f"\n{file}", style="bold"), soft_wrap=True)
        for one in group:
            label = f"  {one.severity} {one.rule}: "
            told = fill(f"{label}{one.sentence}", console.width, subsequent_indent="    ")
            text = Text(told)
            text.stylize(_STYLES[one.severity], 2, 2 + len(one.severity))
            console.print(text, soft_wrap=True)
