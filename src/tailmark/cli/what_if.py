"""``tailmark what-if``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import Deadlines, Json, Metric, OnLate, console, print_json, several
from tailmark.errors import InputError

_SWEPT = 12
"""How many rates a plot asks for, if nobody says."""


def what_if(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    *,
    qps: Annotated[
        float | None, typer.Option(metavar="200", help="Queries a second that would come.")
    ] = None,
    load: Annotated[
        float | None, typer.Option(metavar="0.6", help="The rate as a share of the capacity.")
    ] = None,
    trace: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Recorded arrivals, instead of a rate.")
    ] = None,
    workers: Annotated[int | None, typer.Option(metavar="2", help="Side by side.")] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="8", help="The most samples a worker takes at once.")
    ] = None,
    batch_wait: Annotated[
        str | None,
        typer.Option(metavar="2ms", help="How long the first of a batch may wait for others."),
    ] = None,
    batches: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run that measured larger batches.")
    ] = None,
    deadline: Deadlines = None,
    sweep: Annotated[
        int | None,
        typer.Option(metavar="12", help="Also at so many rates, from 10 to 95 % of the capacity."),
    ] = None,
    quality: Annotated[
        list[str] | None,
        typer.Option(metavar="0.75", help="Up to which of those rates it delivers this."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="A run measured under that load, to see the error."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw quality against the rate.")
    ] = None,
    max_outstanding: Annotated[
        int | None, typer.Option(help="Shed queries beyond so many queued or in service.")
    ] = None,
    queries: Annotated[
        int | None, typer.Option(help="Of a simulated round; by default as recorded.")
    ] = None,
    metric: Metric = None,
    on_late: OnLate = None,
    json: Json = False,
) -> None:
    """Foretell what a run's system would deliver under another load."""
    if plot:
        from tailmark.report.what_if_plot import plot_format

        plot_format(plot)  # before anything takes time
    found = tailmark.what_if(
        run,
        qps=qps,
        load=load,
        scenario=None if trace is None else tailmark.Replay(trace=trace),
        workers=workers,
        batch=batch,
        batch_wait=batch_wait,
        batches=batches,
        deadlines=several(deadline) or None,
        sweep=_SWEPT if sweep is None and (plot or quality) else sweep,
        quality=[_share(text) for text in several(quality)],
        against=against,
        max_outstanding=max_outstanding,
        queries=queries,
        metric=metric,
        on_late=on_late,
    )
    if plot:
        from tailmark.report.what_if_plot import write_what_if_plot

        write_what_if_plot(found, plot)
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.report.what_if_text import print_what_if

        print_what_if(found, console())


def _share(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--quality {text!r} is no number: give a share such as 0.75") from None
