"""A conversion in a process of its own: converters crash, hang and leave memory behind.

What they print goes to a file that is thrown away; of one that crashes, the last line is told.
"""

import os
import pickle
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from tailmark.child import attend, working
from tailmark.conversion.base import Conversion, Inputs
from tailmark.errors import ConversionError, InputError

_START_S = 120.0


def convert_apart(
    step: Conversion, source: Path, out: Path, inputs: Inputs, timeout_s: float
) -> None:
    """Let a process of its own write the model.

    Raises:
        ConversionError: It failed, crashed, wrote nothing or did not end in time.
    """
    what = f"conversion {kind_of(step)!r} of {source.name!r}"
    with working(__name__) as (child, folder):
        log = folder / "log"
        try:
            child.send((sys.path, log))
            pid = child.receive(_START_S)
            child.send((_packed(step, what), source, out, inputs))
            error = child.receive(timeout_s)
        except TimeoutError:
            raise ConversionError(
                f"{what} was stopped after {timeout_s:g} s: allow it more time"
            ) from None
        except (EOFError, OSError):
            said = _last_line(log)
            raise ConversionError(
                f"{what} ended ({child.ending()})" + (f": {said}" if said else "")
            ) from None
        finally:
            with suppress(NameError, OSError):
                os.killpg(pid, signal.SIGKILL)  # and what it started itself
    if error is not None:
        raise ConversionError(error if isinstance(error, str) else f"{what} failed: {error[0]}")
    if not out.exists():
        raise ConversionError(f"{what} wrote no {out.name!r}: mend the conversion")


def kind_of(step: Conversion) -> str:
    """What a conversion is called."""
    return str(step.describe().get("kind", type(step).__name__))


def _packed(step: Conversion, what: str) -> bytes:
    try:
        return pickle.dumps(step)
    except Exception as cause:  # a plug-in's pickling is its own code
        raise ConversionError(
            f"{what} cannot be handed to another process ({cause}): give a recipe of plain data"
        ) from cause


def _last_line(log: Path) -> str:
    if not log.is_file():
        return ""
    lines = log.read_text(errors="replace").split("\n")
    return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "")


def _serve(pipe: Connection) -> None:
    """The child's end: answer None, a sentence, or in a tuple what was raised."""
    sys.path[:], log = pipe.recv()
    with log.open("wb") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    pipe.send(os.getpid())
    packed, source, out, inputs = pipe.recv()
    try:
        step: Conversion = pickle.loads(packed)  # noqa: S301 - our parent's
        step.convert(source, out, inputs)
    except InputError as cause:
        pipe.send(str(cause))
    except (Exception, SystemExit) as cause:  # noqa: BLE001 - converters raise anything
        first = (str(cause).strip().splitlines() or [""])[0]
        pipe.send((f"{type(cause).__name__}: {first}".removesuffix(": "),))
    else:
        pipe.send(None)


def main() -> None:
    """The child process."""
    attend(_serve)
