"""``tailmark import``: other people's results become runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import tailmark
from tailmark.cli.shared import new_run, show_run
from tailmark.errors import InputError

if TYPE_CHECKING:
    from tailmark.records.model import Run

Out = Annotated[
    Path | None, typer.Option(help="The run's directory; by default runs/NAME-DATE-TIME.")
]
_COLUMN = "COLUMN"

imports = typer.Typer(
    name="import", help="Turn other people's results into a run.", no_args_is_help=True
)


def tail_quality(
    directory: Annotated[
        Path | None,
        typer.Argument(help="Where All_Times.pickle, result.* and golden.* lie."),
    ] = None,
    *,
    times: Annotated[Path | None, typer.Option(help="All_Times.pickle.")] = None,
    results: Annotated[Path | None, typer.Option(help="The answers, by batch.")] = None,
    references: Annotated[
        Path | None,
        typer.Option(
            help="What is right, by batch; of detr COCO's annotations, of hybridnets nothing."
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="mobilenet, emotion-flow, vicuna, detr, lightgcn or hybridnets; by default as "
            "the directory is named."
        ),
    ] = None,
    out: Out = None,
) -> None:
    """Import result files of the published tail-quality code, and grade them as it does.

    Each task's own metrics are the run's; nothing in a pickle runs.
    """
    named = directory or times
    if named is None:
        raise InputError("nothing is given to import: give a directory or --times FILE")
    _show(
        tailmark.import_tail_quality(
            directory,
            times=times,
            results=results,
            references=references,
            task=task,
            out=out or new_run(named.stem or "tail-quality"),
        )
    )


def csv(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV or TSV file.")],
    *,
    out: Out = None,
    round_column: Annotated[
        str | None, typer.Option("--round", metavar=_COLUMN, help="By default: round.")
    ] = None,
    sample: Annotated[str | None, typer.Option(metavar=_COLUMN, help="By default: sample.")] = None,
    latency: Annotated[
        str | None,
        typer.Option(metavar=_COLUMN, help="By default: latency_ns, _us, _ms or _s."),
    ] = None,
    unit: Annotated[
        str | None, typer.Option(help="Of the latency, if its column says none: ns, us, ms or s.")
    ] = None,
    output: Annotated[
        list[str] | None,
        typer.Option(
            metavar=_COLUMN,
            help="By default: output; or output_1, output_2, …, best first. Repeatable.",
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar=_COLUMN, help="By default: reference.")
    ] = None,
    timed: Annotated[str, typer.Option(help="What a latency holds: total or inference.")] = "total",
) -> None:
    """Import a table with a row for every query: round, sample, latency, output, reference."""
    _show(
        tailmark.import_csv(
            file,
            round=round_column,
            sample=sample,
            latency=latency,
            unit=unit,
            output=output or (),
            reference=reference,
            timed=timed,
            out=out or new_run(file.stem),
        )
    )


def loadgen(
    directory: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Of mlperf_log_*: one test, or performance/run_1 … and accuracy."
        ),
    ],
    *,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="What is right: lines 'name label', 'sample,label' or 'label'."
        ),
    ] = None,
    accuracy: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The accuracy test, where it lies elsewhere."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="Of the answers: float32, int32, int64, …; by default as they look."),
    ] = None,
    out: Out = None,
) -> None:
    """Import MLPerf LoadGen's logs: with a trace, every query; without, what it reported."""
    _show(
        tailmark.import_loadgen(
            directory,
            labels=labels,
            accuracy=accuracy,
            dtype=dtype,
            out=out or new_run(directory.resolve().name or "loadgen"),
        )
    )


def _show(run: "Run") -> None:
    show_run(run)
    typer.echo(f"\n{run.path}")
