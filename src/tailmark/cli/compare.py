"""``tailmark compare``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import (
    Allow,
    Deadlines,
    Json,
    Metric,
    OnLate,
    Time,
    console,
    print_json,
    several,
)
from tailmark.errors import InputError


def compare(
    run_a: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run to compare with.")],
    run_b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run to judge.")],
    *,
    deadline: Deadlines = None,
    margin: Annotated[
        float, typer.Option(help="The largest difference in quality that nobody would mind.")
    ] = 0.005,
    metric: Metric = None,
    on_late: OnLate = None,
    fallback: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run that lends its answers to both.")
    ] = None,
    time: Time = None,
    allow: Allow = None,
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
) -> None:
    """Say how RUN_B differs from RUN_A, how sure that is, and whether it matters."""
    if json and markdown:
        raise InputError("--json and --markdown are both given: choose one")
    comparison = tailmark.compare(
        run_a,
        run_b,
        deadlines=several(deadline) or None,
        margin=margin,
        metric=metric,
        on_late=on_late,
        fallback=fallback,
        time=time,
        allow=several(allow),
    )
    if json:
        print_json(comparison.to_dict())
    elif markdown:
        from tailmark.report.comparison_text import markdown as as_markdown

        typer.echo(as_markdown(comparison), nl=False)
    else:
        from tailmark.report.comparison_text import print_comparison

        print_comparison(comparison, console())
