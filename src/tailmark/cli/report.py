"""``tailmark report``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import Allow, Deadlines, Metric, OnLate, Time, several


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN…", help="Runs' directories.")],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The page; by default RUN/report.html.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write each plot as PNG and SVG here.")
    ] = None,
    metric: Metric = None,
    deadline: Deadlines = None,
    on_late: OnLate = None,
    time: Time = None,
    allow: Allow = None,
) -> None:
    """Write one HTML page that works offline: the headline, the plots, the doubts.

    Several runs are drawn side by side, each compared with the first.
    """
    opened = [tailmark.open_run(path) for path in runs]
    deadlines = several(deadline) or None
    page = tailmark.write_report(
        opened,
        out or runs[0] / "report.html",
        metric=metric,
        deadlines=deadlines,
        on_late=on_late,
        time=time,
        allow=several(allow),
    )
    typer.echo(str(page))
    if plots:
        from tailmark.report.plots import write_plots

        for one in opened:
            folder = plots / one.name if len(opened) > 1 else plots
            for file in write_plots(
                one, folder, metric=metric, deadlines=deadlines, on_late=on_late, time=time
            ):
                typer.echo(str(file))
