"""``tailmark extremes``."""

from pathlib import Path
from typing import Annotated

import typer

import tailmark
from tailmark.cli.shared import Deadlines, Json, Time, console, print_json, several
from tailmark.errors import InputError


def extremes(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.")],
    *,
    deadline: Deadlines = None,
    horizon: Annotated[
        str | None,
        typer.Option(metavar="1e6", help="The rarest asked for: once in so many queries."),
    ] = None,
    time: Time = None,
    json: Json = False,
) -> None:
    """Say how late the rarest answers are, as far beyond the data as the data bear it."""
    found = tailmark.extremes(
        run, deadlines=several(deadline) or None, horizon=_number(horizon), time=time
    )
    if json:
        print_json(found.to_dict())
    else:
        from tailmark.report.extremes_text import print_extremes

        print_extremes(found, console())


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text.replace(",", ""))
    except ValueError:
        raise InputError(f"--horizon {text!r} is no number: give queries, such as 1e6") from None
