"""A system at work in another interpreter: this runs there, without what tailmark depends on."""

import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from tailmark.interpreter.answering import attend_to, described
from tailmark.system.asynchronous import as_predictor
from tailmark.system.base import Predictor


def serve(numbers: list[int], pipe: Connection) -> None:
    """Open the recipe that comes first, then answer batches."""
    attend_to(pipe, numbers, _System().answer)


class _System:
    def __init__(self) -> None:
        self._predictor: Predictor
        self._doing: Mapping[str, Callable[[Any], Mapping[str, Any]]] = {
            "open": self._open,
            "check": self._check,
            "predict": self._predict,
            "describe": self._describe,
        }

    def answer(self, message: Mapping[str, Any]) -> Mapping[str, Any]:
        ((what, about),) = message.items()
        return self._doing[what](about)

    def _open(self, recipe: Any) -> Mapping[str, Any]:
        self._predictor = as_predictor(recipe.open())
        return {}

    def _check(self, batch: Any) -> Mapping[str, Any]:
        self._predictor.check(batch)
        return {}

    def _predict(self, batch: Any) -> Mapping[str, Any]:
        began = time.perf_counter_ns()
        output = self._predictor.predict(batch)
        return {"took_ns": time.perf_counter_ns() - began, "output": output}

    def _describe(self, nothing: None) -> Mapping[str, Any]:
        del nothing
        return {"settings": {**self._predictor.describe(), "process": described()}}
