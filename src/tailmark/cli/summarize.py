"""``tailmark summarize``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import Deadlines, Json, Metric, OnLate, Time, several, show
from tailmark.errors import InputError


def summarize(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    *,
    metric: Metric = None,
    deadline: Deadlines = None,
    sweep: Annotated[
        int | None,
        typer.Option(metavar="20", help="Also at so many quantiles of the measured latencies."),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(metavar="0.75", help="Ask for the shortest deadline that delivers this."),
    ] = None,
    on_late: OnLate = None,
    fallback: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run that lends its answers.")
    ] = None,
    time: Time = None,
    about: Annotated[
        str,
        typer.Option(
            metavar="samples|population",
            help="What intervals are about: these samples, or those they come from.",
        ),
    ] = "samples",
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
) -> None:
    """Say what a run delivers at its deadlines, and how sure that is."""
    if json and markdown:
        raise InputError("--json and --markdown are both given: choose one")
    summary = tailmark.summarize(
        run,
        metric=metric,
        deadlines=several(deadline) or None,
        sweep=sweep,
        quality=[_share(text) for text in several(quality)],
        on_late=on_late,
        time=time,
        fallback=fallback,
        about=about,
    )
    show(summary, json=json, markdown=markdown)


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--quality {text!r} is no number: give a share such as 0.75") from None
