"""What a system raised, in a line."""

from pathlib import Path


def describe_failure(cause: BaseException | None) -> str:
    """An exception as one line; the home folder stays unnamed, for others may read it."""
    first = (str(cause).strip().splitlines() or [""])[0].replace(str(Path.home()), "~")
    return f"{type(cause).__name__}: {first}" if first else type(cause).__name__
