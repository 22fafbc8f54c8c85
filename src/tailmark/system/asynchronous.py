"""A responder asked one thing at a time: for first tries, and where only predictors can go."""

from collections.abc import Callable
from threading import Event
from typing import Any

from tailmark.errors import SystemSetupError
from tailmark.system.base import Batch, Predictor, Responder, split
from tailmark.system.base import joined as join

_PATIENCE_S = 60.0


class Waited:
    """A responder as a predictor: submits, and waits for the answer.

    Args:
        responder: The live system.
    """

    fresh = True

    def __init__(self, responder: Responder) -> None:
        self.responder = responder
        self.check = responder.check
        self.describe = responder.describe

    def predict(self, batch: Batch) -> Any:
        """See `Predictor.predict`; a batch of several is one query of as many samples.

        Raises:
            SystemSetupError: No answer within a minute.
        """
        ones = split(batch, _length(batch))
        answers: dict[int, Any] = {}
        errors: list[BaseException] = []
        done = Event()

        def complete(ticket: int, output: Any = None, error: BaseException | None = None) -> None:
            if error is not None:
                errors.append(error)
            answers[ticket] = output
            if len(answers) == len(ones):
                done.set()

        self.responder.submit(range(len(ones)), ones, complete)
        if not done.wait(_PATIENCE_S):
            raise SystemSetupError(
                f"the system completed {len(answers)} of {len(ones)} samples within "
                f"{_PATIENCE_S:g} s: it must complete each ticket it was given"
            )
        if errors:
            raise errors[0]
        return join([answers[i] for i in range(len(ones))])


def as_predictor(opened: Predictor | Responder) -> Predictor:
    """A predictor as it is; a responder waited for."""
    submit: Callable[..., Any] | None = getattr(opened, "submit", None)
    return Waited(opened) if submit is not None else opened  # type: ignore[arg-type,return-value]


def _length(batch: Batch) -> int:
    return len(next(iter(batch.values())) if isinstance(batch, dict) else batch)
