"""Looking into models in a process of its own: runtimes crash, and leave things behind."""

from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

from tailmark.child import attend, working
from tailmark.errors import SystemSetupError, TailmarkError
from tailmark.study.divergence import Divergence, Side, first_divergence
from tailmark.system.base import Batch

_COARSE, _FINE = 1e-3, 1e-5
"""Tolerances: what answers differ by is looked for finely only where it is not to be seen else."""

_TIMEOUT_S = 900.0


def first_divergence_apart(a: Side, b: Side, inputs: Sequence[Batch]) -> Divergence:
    """`first_divergence` in another process.

    Raises:
        SystemSetupError: As there; or the process ended, or took too long.
    """
    with working(__name__) as (child, _):
        try:
            child.send((a, b, list(inputs)))
            found = child.receive(_TIMEOUT_S)
        except TimeoutError:
            raise SystemSetupError(
                f"the first diverging operator was not found within {_TIMEOUT_S:g} s"
            ) from None
        except (EOFError, OSError):
            raise SystemSetupError(
                f"the process that looked for the first diverging operator ended ({child.ending()})"
            ) from None
    if isinstance(found, TailmarkError):
        raise found
    divergence: Divergence = found
    return divergence


def _serve(pipe: Connection) -> None:
    a, b, inputs = pipe.recv()
    answer: Any
    try:
        answer = first_divergence(a, b, inputs, tolerance=_COARSE)
        if answer.operator is None:
            answer = first_divergence(a, b, inputs, tolerance=_FINE)
    except TailmarkError as cause:
        answer = cause
    except Exception as cause:  # noqa: BLE001 - runtimes raise anything
        answer = SystemSetupError(f"{type(cause).__name__}: {cause}")
    pipe.send(answer)


def main() -> None:
    """The child process."""
    attend(_serve)
