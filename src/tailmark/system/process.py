"""Any system in an interpreter of its own, whose packages may conflict with ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tailmark.errors import ExperimentError, SystemSetupError
from tailmark.interpreter.other import OtherInterpreter
from tailmark.system.base import Batch, Predictor, System

_SERVES = "tailmark.system.elsewhere"


@dataclass(frozen=True, kw_only=True)
class Process:
    """A system that another Python interpreter runs: another version of a framework, say.

    That interpreter needs NumPy and the system's framework, not tailmark. Should it crash, the
    query fails and the next one starts it again.

    Args:
        python: The interpreter, such as ``../other/bin/python``.
        system: What it runs: settings as in an experiment file, or a recipe.
        environment: Variables it is given, such as ``{TF_ENABLE_ONEDNN_OPTS: 0}``.
        start_s: How long it may take to open the system.
        timeout_s: How long a call may take before the process is ended.
        folder: What paths in the system's settings are relative to; the experiment's folder.
    """

    python: Path
    system: Any
    environment: dict[str, str | int] = field(default_factory=dict)
    start_s: float = 120.0
    timeout_s: float = 60.0
    folder: Path = Path()

    def __post_init__(self) -> None:
        """Refuse settings that the system does not have.

        Raises:
            ExperimentError: Naming them.
        """
        self._inner()

    def open(self) -> Predictor:
        """Start the interpreter and load the model there.

        Raises:
            SystemSetupError: No such interpreter, or it cannot open the system.
        """
        return _Elsewhere(self, self._inner())

    def describe(self) -> dict[str, Any]:
        """The settings; of the interpreter's path, the last part."""
        return {
            "kind": "process",
            "python": self.python.name,
            "system": self._inner().describe(),
            "environment": {name: str(value) for name, value in self.environment.items()},
            "start_s": self.start_s,
            "timeout_s": self.timeout_s,
        }

    def fingerprint(self) -> str | None:
        """The system's."""
        return self._inner().fingerprint()

    def _inner(self) -> System:
        if isinstance(self.system, Process):
            raise _nested()
        if not isinstance(self.system, Mapping):
            given: System = self.system
            return given
        if self.system.get("kind") == "process":
            raise _nested()
        from tailmark.recipes import build

        built: System = build("systems", "system.system", dict(self.system), self.folder)
        return built


def _nested() -> ExperimentError:
    return ExperimentError("system.system is a process in a process: give the system itself")


class _Elsewhere:
    """The live system; ``took_ns`` is the last call's time by the other interpreter's clock."""

    fresh = True

    def __init__(self, recipe: Process, inner: System) -> None:
        self._recipe = recipe
        self._inner = inner
        self._running: OtherInterpreter | None = None
        self.took_ns: int | None = None
        self._start()

    def predict(self, batch: Batch) -> Any:
        self.took_ns = None
        answer = self._ask("predict", batch)
        self.took_ns = answer["took_ns"]
        return answer["output"]

    def check(self, batch: Batch) -> None:
        self._ask("check", batch)

    def describe(self) -> dict[str, Any]:
        settings: dict[str, Any] = self._ask("describe", None)["settings"]
        return settings

    def _ask(self, what: str, about: Any) -> dict[str, Any]:
        running = self._running or self._start()
        answer = self._answered(running, {what: about}, self._recipe.timeout_s)
        if "refused" in answer:
            raise SystemSetupError(answer["refused"])
        if "raised" in answer:
            raise RuntimeError(answer["raised"])
        return answer

    def _start(self) -> OtherInterpreter:
        recipe = self._recipe
        python = str(recipe.python)
        if not recipe.python.is_file():
            raise SystemSetupError(
                f"python {python!r} does not exist: give an interpreter's path, such as "
                "../other/bin/python"
            )
        variables = {name: str(value) for name, value in recipe.environment.items()}
        try:
            running = OtherInterpreter(recipe.python, _SERVES, variables)
        except OSError as cause:
            raise SystemSetupError(
                f"python {python!r} cannot be run: {cause.strerror}: give an interpreter's path"
            ) from cause
        try:
            answer = self._answered(running, {"open": self._inner}, recipe.start_s)
        except TimeoutError as cause:
            raise SystemSetupError(
                f"the system in {python!r} did not open within {recipe.start_s:g} s: "
                "raise system.start_s"
            ) from cause
        except TypeError as cause:
            raise SystemSetupError(
                f"the system's settings cannot be told to {python!r}: {cause}; write a function as "
                "'module:function'"
            ) from cause
        except RuntimeError as cause:
            raise SystemSetupError(
                f"the system in {python!r} did not open: {cause}: see what it printed"
            ) from cause
        if "refused" in answer:
            running.stop()
            raise SystemSetupError(f"the interpreter {python!r} is of no use: {answer['refused']}")
        if "raised" in answer:
            running.stop()
            raise SystemSetupError(f"the system cannot be opened in {python!r}: {answer['raised']}")
        self._running = running
        return running

    def _answered(
        self, running: OtherInterpreter, message: Mapping[str, Any], within_s: float
    ) -> dict[str, Any]:
        """The answer; whatever prevents one ends the process, as what it says next is not ours."""
        answer = None
        try:
            answer = running.ask(message, within_s)
        except TimeoutError:
            raise TimeoutError(f"no answer within {within_s:g} s") from None
        except (EOFError, OSError):
            raise RuntimeError(f"its process ended ({running.ending()})") from None
        finally:
            if answer is None:
                running.stop()
                self._running = None
        return answer
