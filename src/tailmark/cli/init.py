"""``tailmark init``."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from tailmark.errors import InputError


def init(
    path: Annotated[
        Path, typer.Argument(metavar="EXPERIMENT.yaml", help="The file to write.")
    ] = Path("experiment.yaml"),
) -> None:
    """Write a commented experiment file that runs as it is."""
    text = (files("tailmark") / "data" / "experiment.yaml").read_text(encoding="utf-8")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(f"{str(path)!r} is there already: give another name") from None
    except OSError as cause:
        raise InputError(f"{str(path)!r} cannot be written: {cause.strerror}") from cause
    typer.echo(f"{path} is written; next: tailmark run {path}")
