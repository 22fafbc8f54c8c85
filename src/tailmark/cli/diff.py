"""``tailmark diff``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import Json, Metric, Settings, console, new_run, print_json, progress_bar
from tailmark.errors import InputError


def diff(
    experiment: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT.yaml|DIR",
            help="The experiment file with its environments; or a finished run, to show it again.",
        ),
    ],
    *,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where all goes; by default runs/NAME-diff-DATE-TIME."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what is in --out.")] = False,
    attribution: Annotated[
        bool,
        typer.Option(help="Look for what causes the differences; it takes further answers."),
    ] = True,
    metric: Metric = None,
    json: Json = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print tables for a README or a pull request.")
    ] = False,
) -> None:
    """Run one model in many environments: which answers flip, which become late, and why."""
    if resume and out is None:
        raise InputError("--resume needs what to go on with: give --out DIR")
    if experiment.is_dir():
        found = tailmark.open_differential(experiment, metric=metric)
    else:
        plan = tailmark.load_differential(experiment, settings or ())
        with progress_bar() as progress:
            found = tailmark.differential(
                plan,
                out=out or new_run(f"{experiment.stem}-diff"),
                resume=resume,
                attribution=attribution,
                metric=metric,
                progress=progress,
            )
    page = tailmark.write_differential_report(found, found.path / "report.html")
    if json:
        print_json(found.to_dict())
    elif markdown:
        from tailmark.report.differential_text import markdown as as_markdown

        typer.echo(as_markdown(found), nl=False)
    else:
        from tailmark.report.differential_text import print_differential

        print_differential(found, console())
        typer.echo(f"\n{page}")
