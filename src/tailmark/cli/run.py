"""``tailmark run``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import ExperimentFile, Settings, console, new_run, progress_bar, show
from tailmark.errors import InputError


def run(
    experiment: ExperimentFile,
    *,
    settings: Settings = None,
    out: Annotated[
        Path | None, typer.Option(help="The run's directory; by default runs/NAME-DATE-TIME.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out at its next round.")
    ] = False,
) -> None:
    """Measure an experiment, round by round, and show what it delivers."""
    if resume and out is None:
        raise InputError("--resume needs the run to go on with: give --out RUN")
    plan = tailmark.load_experiment(experiment, settings or ())
    with progress_bar() as progress:
        measured = tailmark.run_experiment(
            plan, out=out or new_run(experiment.stem), resume=resume, progress=progress
        )
    show(tailmark.summarize(measured))
    typer.echo(f"\n{measured.path}")
    if plan.require:
        from tailmark.report.sentences import verdict_sentence

        verdict = tailmark.judge(measured)
        console().print(verdict_sentence(verdict))
        if verdict.outcome != "pass":
            raise typer.Exit(1)
