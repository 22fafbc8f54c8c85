"""``tailmark find-peak``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import (
    ExperimentFile,
    Json,
    Settings,
    console,
    new_run,
    print_json,
    progress_bar,
)


def find_peak(
    experiment: ExperimentFile,
    *,
    settings: Settings = None,
    start: Annotated[
        float | None,
        typer.Option("--from", metavar="QPS", help="Where to begin; by default its capacity."),
    ] = None,
    up_to: Annotated[
        float | None, typer.Option(metavar="QPS", help="No rate above it is tried.")
    ] = None,
    within: Annotated[
        float, typer.Option(metavar="0.05", help="How close the peak is bracketed, as a share.")
    ] = 0.05,
    candidates: Annotated[int, typer.Option(help="The most rates to try.")] = 20,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the runs go; one that is there is gone on with."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg|png", help="Draw it against the rate.")
    ] = None,
    json: Json = False,
) -> None:
    """Find the highest rate at which the experiment's requirement holds."""
    if plot is not None:
        from tailmark.report.peak_plot import check_plot_file

        check_plot_file(plot)
    plan = tailmark.load_experiment(experiment, settings or ())
    with progress_bar() as progress:
        found = tailmark.find_peak(
            plan,
            out=out or new_run(f"{experiment.stem}-peak"),
            start_qps=start,
            up_to_qps=up_to,
            within=within,
            candidates=candidates,
            progress=progress,
        )
    if plot is not None:
        from tailmark.report.peak_plot import write_peak_plot

        write_peak_plot(found, plot)
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.report.peak_text import print_peak

        print_peak(found, console())
        typer.echo(f"\nThe runs, side by side: tailmark report {found.folder}/qps-*")
    if found.peak_qps is None:
        raise typer.Exit(1)
