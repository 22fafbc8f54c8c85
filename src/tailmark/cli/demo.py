"""``tailmark demo``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import console, new_run, progress_bar, show


def demo(
    *,
    out: Annotated[
        Path | None, typer.Option(help="The run's directory; by default runs/demo-DATE-TIME.")
    ] = None,
) -> None:
    """Measure the built-in example, show it, and write its report."""
    from tailmark.study.demo import lesson

    console().print(
        "A small network reads 360 handwritten digits, again and again, while a neighbour on this\n"
        "machine works now and then. Its accuracy is the same every time. What it is worth is not."
    )
    with progress_bar() as progress:
        measured = tailmark.demo(out or new_run("demo"), progress=progress)
    summary = tailmark.summarize(measured)
    show(summary)
    console().print()
    for sentence in lesson(summary):
        console().print(sentence)
    typer.echo(f"\nThe run: {measured.path}\nIts report: {measured.path}/report.html")
