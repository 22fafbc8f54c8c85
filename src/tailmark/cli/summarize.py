"""``tailmark summarize``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import (
    Deadlines,
    Json,
    Metric,
    OnLate,
    Time,
    several,
    show,
    show_reported,
    untimed,
)
from tailmark.errors import InputError


def summarize(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    *,
    metric: Metric = None,
    also: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Another metric to tell beside it; repeatable."),
    ] = None,
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
    steady: Annotated[
        str | None,
        typer.Option(
            metavar="5s", help="Leave out this ramp of each round, and cut the rest into blocks."
        ),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(metavar="30", help="How many blocks a round has for --steady.")
    ] = None,
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
) -> None:
    """Say what a run delivers at its deadlines, and how sure that is."""
    if json and markdown:
        raise InputError("--json and --markdown are both given: choose one")
    if blocks is not None and steady is None:
        raise InputError("--blocks cuts a steady state into blocks: give its ramp, --steady 5s")
    measured = tailmark.open_run(run)
    of_times = (also, deadline, sweep, quality, on_late, fallback, time, steady)
    if untimed(measured) and not any(of_times) and about == "samples":
        show_reported(tailmark.reported(measured, metric=metric), json=json, markdown=markdown)
        return
    if steady is not None:
        cut = {} if blocks is None else {"blocks": blocks}
        measured = tailmark.steady(measured, steady, **cut)
    summary = tailmark.summarize(
        measured,
        metric=metric,
        also=also,
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
