"""What several commands take or show alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from tailmark.analysis.reported import Reported
    from tailmark.analysis.summary import Summary
    from tailmark.bench import Progress
    from tailmark.records.model import Run

_BLINK_S = 0.2

ExperimentFile = Annotated[
    Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The experiment file.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="A.B=C", help="Replace one setting of the file; repeatable."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Metric = Annotated[
    str | None, typer.Option(help="What quality means, as top1, ap50, f1_weighted or ndcg@10.")
]
Deadlines = Annotated[
    list[str] | None,
    typer.Option("--deadline", metavar="20ms|p99", help="A deadline; repeatable, or with commas."),
]
OnLate = Annotated[
    str | None,
    typer.Option(
        help="What a late answer counts as: fail, drop, stale, fallback, linear:5ms, "
        "exponential:5ms or penalty."
    ),
]
Time = Annotated[
    str | None, typer.Option(help="What a deadline applies to: total, inference or another stage.")
]
Allow = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Compare though this differs: contents, labels, timed, scenario or order; "
        "repeatable, or with commas.",
    ),
]


def new_run(name: str) -> Path:
    """Where a run goes if nobody says: a directory that is not there yet."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    return Path("runs") / f"{name}-{stamp}"


def several(given: list[str] | None) -> list[str]:
    """Options given several times, or once with commas."""
    return [part for text in given or () for part in text.replace(" ", "").split(",") if part]


def console() -> "Console":
    """Where tables go: as wide as the terminal, and wide enough for a table elsewhere."""
    from rich.console import Console

    class Piped(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # rich would exit with 1, which says that a requirement failed

    found = Piped(highlight=False)
    return found if found.is_terminal else Piped(highlight=False, width=160)


def print_json(document: Any) -> None:
    """One document on standard output."""
    import json

    typer.echo(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def progress_bar() -> "Iterator[Callable[[Progress], object] | None]":
    """A bar on a terminal, drawn between rounds only; elsewhere nothing."""
    from rich import progress as rich_progress
    from rich.console import Console

    errors = Console(stderr=True)
    if not errors.is_terminal:
        yield None
        return
    bar = rich_progress.Progress(
        rich_progress.TextColumn("{task.description}"),
        rich_progress.BarColumn(),
        rich_progress.MofNCompleteColumn(),
        rich_progress.TextColumn("rounds"),
        rich_progress.TimeRemainingColumn(),
        console=errors,
        auto_refresh=False,  # a refreshing thread would take the interpreter from the timed region
        transient=True,
    )
    with bar:
        task = bar.add_task("starting", total=None)

        def tell(now: "Progress") -> None:
            bar.update(task, completed=now.done, total=now.rounds, description=now.doing)
            bar.refresh()

        yield tell


@contextmanager
def grading_told() -> Iterator[None]:
    """On a terminal, how many sets a metric that is code has graded: that may take long."""
    import sys
    import time

    from tailmark.quality.watched import watch

    if not sys.stderr.isatty():
        yield
        return
    shown = 0.0

    def tell(metric: str, graded: int) -> None:
        nonlocal shown
        if time.monotonic() - shown > _BLINK_S:
            shown = time.monotonic()
            sys.stderr.write(f"\r{metric} has graded {graded:,} sets of answers")
            sys.stderr.flush()

    before = watch.set(tell)
    try:
        yield
    finally:
        watch.reset(before)
        if shown:
            sys.stderr.write("\r\033[K")


def untimed(run: "Run") -> bool:
    """Whether a run's queries have no times, so that only what was reported can be shown."""
    from tailmark.analysis.reported import untimed as found

    return found(run)


def show_run(run: "Run") -> None:
    """Print what a run delivers; of one without times, what was reported of it."""
    from tailmark.analysis.reported import reported
    from tailmark.analysis.summary import summarize

    if untimed(run):
        show_reported(reported(run))
    else:
        show(summarize(run))


def show_reported(found: "Reported", *, json: bool = False, markdown: bool = False) -> None:
    """Print what another harness reported, in the form asked for."""
    from tailmark.report import reported_text

    if json:
        print_json(found.to_dict())
    elif markdown:
        typer.echo(reported_text.markdown(found), nl=False)
    else:
        reported_text.print_reported(found, console())


def show(summary: "Summary", *, json: bool = False, markdown: bool = False) -> None:
    """Print a summary in the form asked for."""
    if json:
        print_json(summary.to_dict())
    elif markdown:
        from tailmark.report.text import markdown as as_markdown

        typer.echo(as_markdown(summary), nl=False)
    else:
        from tailmark.report.text import print_summary

        print_summary(summary, console())
