"""The experiment file: YAML to a measurement, checked to the last key before anything runs."""

import dataclasses
import os
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tailmark import plugins
from tailmark.analysis.gate import parse_requirement
from tailmark.decode.base import Decoder
from tailmark.drive.isolated import IsolatedService
from tailmark.drive.service import Reply, Timed
from tailmark.errors import ExperimentError, InputError, nearest
from tailmark.measurement import Progress, measure
from tailmark.records.model import Run
from tailmark.scenario.base import Order, Scenario
from tailmark.system.base import System
from tailmark.units import parse_duration
from tailmark.workload.base import Samples, Workload

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
_TRIES = 5


class _Quality(BaseModel):
    """How the run is graded if nobody says otherwise."""

    model_config = ConfigDict(extra="forbid")
    metric: str = "top1"
    deadlines: list[str | int | float] = []
    on_late: Literal["fail", "drop", "stale", "fallback"] = "fail"


class _Schema(BaseModel):
    """The file's outline; each plug-in's own settings are checked by its recipe."""

    model_config = ConfigDict(extra="forbid")
    workload: dict[str, Any]
    system: dict[str, Any]
    scenario: dict[str, Any] = {"kind": "single-stream"}
    rounds: int = 100
    warmup: int = 50
    timed: Timed = "inference"
    engine: Literal["tailmark"] = "tailmark"
    quality: _Quality = _Quality()
    require: dict[str, Any] | None = None
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What `Experiment.check` found.

    Args:
        samples: How many.
        query_ns: About what a query takes, from a few untimed tries.
        total_ns: About what all rounds will take.
        system: The settings in effect.
        warnings: What could not be checked.
    """

    samples: int
    query_ns: int
    total_ns: int
    system: Mapping[str, Any]
    warnings: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A checked experiment, ready to run; its fields are `measure`'s arguments.

    Args:
        path: The file it came from.
        workload: What is asked.
        system: What answers.
        decode: What the outputs mean.
        scenario: When queries are sent.
        order: Of the samples.
        timeout_ns: How long a query may take.
        isolate: Whether the system lives in a process of its own.
        rounds: How many.
        warmup: Queries before them.
        timed: What the clock holds.
        quality: How it is graded.
        require: What it must deliver, if anything.
        seed: Of the order.
    """

    path: Path
    workload: Workload
    system: System
    decode: Decoder
    scenario: Scenario
    order: Order = "shuffled"
    timeout_ns: int = 10**10
    isolate: bool = False
    rounds: int = 100
    warmup: int = 50
    timed: Timed = "inference"
    quality: Mapping[str, Any] = field(default_factory=dict)
    require: Mapping[str, Any] | None = None
    seed: int = 0

    def run(
        self,
        out: str | Path,
        *,
        resume: bool = False,
        progress: Callable[[Progress], object] | None = None,
    ) -> Run:
        """Measure it into ``out``; see `measure` for what can go wrong."""
        return measure(
            self.workload,
            self.system,
            out=out,
            rounds=self.rounds,
            scenario=self.scenario,
            decode=self.decode,
            quality=self.quality,
            warmup=self.warmup,
            timed=self.timed,
            order=self.order,
            seed=self.seed,
            timeout=self.timeout_ns,
            isolate=self.isolate,
            resume=resume,
            require=self.require,
            folder=self.path.parent,
            progress=progress,
        )

    def check(self) -> Checked:
        """Open everything and answer a few queries, in a process that can be killed.

        Raises:
            InputError: What does not fit.
        """
        samples: Samples = self.workload.open()
        with IsolatedService(
            self.workload, self.system, self.decode, self.timed, self.timeout_ns
        ) as service:
            replies = [service.ask(i % len(samples)) for i in range(_TRIES)]
            opened = service.opened
        spent = [
            r.preprocess_ns + r.inference_ns + r.postprocess_ns
            for r in replies
            if isinstance(r, Reply)
        ]
        query_ns = sorted(spent)[len(spent) // 2] if spent else self.timeout_ns
        failed = [r.failure for r in replies if isinstance(r, Reply) and r.failure]
        warnings = list(opened.warnings)
        if failed or len(spent) < _TRIES:
            warnings.append(
                f"{_TRIES - len(spent) + len(failed)} of {_TRIES} tried queries have no answer"
                + (f": {failed[0]}" if failed else "")
            )
        return Checked(
            samples=len(samples),
            query_ns=query_ns,
            total_ns=query_ns * (len(samples) * self.rounds + self.warmup),
            system=opened.system,
            warnings=tuple(warnings),
        )


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read and check an experiment file.

    Args:
        path: The YAML file; paths in it are relative to its folder.
        overrides: ``"system.threads=2"``, each replacing one setting.

    Raises:
        ExperimentError: What is wrong, where, and what is allowed.
    """
    path = Path(path)
    document = _read(path)
    for override in overrides:
        _override(document, override)
    try:
        schema = _validated(_Schema, _expanded(document))
        return _assembled(schema, path)
    except InputError as cause:
        raise ExperimentError(f"{str(path)!r}: {cause}") from cause


def _assembled(schema: _Schema, path: Path) -> Experiment:
    folder = path.parent
    workload = dict(schema.workload)
    order = workload.pop("order", "shuffled")
    if order not in typing.get_args(Order):
        raise ExperimentError(f"workload.order is {order!r}: fixed or shuffled")
    system = dict(schema.system)
    decode = dict(system.pop("decode", {"kind": "classes"}))
    timeout_ns = parse_duration(system.pop("timeout", "10s"), "a timeout")
    if timeout_ns == 0:
        raise ExperimentError("system.timeout is zero: give more than zero, such as 10s")
    isolate = system.pop("isolate", False)
    if not isinstance(isolate, bool):
        raise ExperimentError(f"system.isolate is {isolate!r}: true or false")
    if schema.require is not None:
        parse_requirement(schema.require)
    quality = schema.quality.model_dump()
    quality["deadlines"] = [str(d) for d in quality["deadlines"]]
    return Experiment(
        path=path,
        workload=_plugin("workloads", "workload", workload, folder, ("order",)),
        system=_plugin("systems", "system", system, folder, ("decode", "timeout", "isolate")),
        decode=_plugin("decoders", "system.decode", decode, folder),
        scenario=_plugin("scenarios", "scenario", dict(schema.scenario), folder),
        order=order,
        timeout_ns=timeout_ns,
        isolate=isolate,
        rounds=schema.rounds,
        warmup=schema.warmup,
        timed=schema.timed,
        quality=quality,
        require=schema.require,
        seed=schema.seed,
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ExperimentError(
            f"{str(path)!r} does not exist: give an experiment file ('tailmark init' writes one)"
        ) from None
    except (OSError, UnicodeDecodeError) as cause:
        raise ExperimentError(f"{str(path)!r} cannot be read: {cause}") from cause
    except yaml.YAMLError as cause:
        line = getattr(getattr(cause, "problem_mark", None), "line", None)
        where = f" line {line + 1}" if line is not None else ""
        problem = getattr(cause, "problem", None) or "no YAML"
        raise ExperimentError(f"{str(path)!r}{where} is not YAML: {problem}") from cause
    if not isinstance(document, dict):
        raise ExperimentError(f"{str(path)!r} is no experiment: it needs workload and system")
    return document


def _override(document: dict[str, Any], text: str) -> None:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ExperimentError(
            f"--set {text!r} is no setting: write name=value, as system.threads=2"
        )
    *parents, last = name.split(".")
    place = document
    for parent in parents:
        place = place.setdefault(parent, {})
        if not isinstance(place, dict):
            raise ExperimentError(f"--set {text!r}: {parent!r} holds one value, not settings")
    try:
        place[last] = yaml.safe_load(value)
    except yaml.YAMLError as cause:
        raise ExperimentError(f"--set {text!r}: {value!r} is not a YAML value") from cause


def _expanded(value: Any) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in every string."""
    if isinstance(value, dict):
        return {key: _expanded(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one) for one in value]
    return _VARIABLE.sub(_variable, value) if isinstance(value, str) else value


def _variable(match: re.Match[str]) -> str:
    found = os.environ.get(match[1]) or match[2]
    if found is None:
        raise ExperimentError(
            f"the variable {match[1]!r} is not set: set it, or write ${{{match[1]}:-default}}"
        )
    return found


def _plugin(
    group: str, where: str, options: dict[str, Any], folder: Path, common: tuple[str, ...] = ()
) -> Any:
    """Build a recipe from its ``kind`` and settings."""
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        known = ", ".join(plugins.names(group))
        raise ExperimentError(f"{where} has no kind: write kind: and one of {known}")
    recipe = plugins.load(group, kind)
    _known_keys(recipe, options, where, common)
    return _with_folder(_validated(recipe, options, where), folder)


def _known_keys(
    recipe: Any, options: dict[str, Any], where: str, common: tuple[str, ...] = ()
) -> None:
    hints = typing.get_type_hints(recipe)
    known = [f.name for f in dataclasses.fields(recipe)]
    for key, value in options.items():
        if key not in known:
            allowed = [*known, *common]
            raise ExperimentError(
                f"{where} has no setting {key!r}{nearest(str(key), allowed)}: "
                f"it has {', '.join(['kind', *allowed] if '.' not in where else allowed)}"
            )
        if dataclasses.is_dataclass(hints[key]) and isinstance(value, dict):
            _known_keys(hints[key], value, f"{where}.{key}")


def _validated(kind: Any, options: Any, where: str = "") -> Any:
    """Check types; the first thing wrong becomes one sentence."""
    try:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_validate(options)
        return TypeAdapter(kind).validate_python(options)
    except ValidationError as cause:
        raise ExperimentError(_sentence(cause, kind, where)) from cause


def _sentence(cause: ValidationError, kind: Any, where: str) -> str:
    first = cause.errors()[0]
    parts = [str(part) for part in first["loc"] if not str(part).startswith("function-")]
    name = ".".join([where, *parts] if where else parts)
    if first["type"] == "extra_forbidden":
        known = list(_Quality.model_fields if len(parts) > 1 else kind.model_fields)
        return (
            f"there is no setting {name!r}{nearest(parts[-1], known)}: known are {', '.join(known)}"
        )
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{name} is missing: give it"
    expected = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{name} is {first['input']!r}: it {expected}"


def _with_folder(recipe: Any, folder: Path) -> Any:
    """Make the recipe's relative paths relative to the experiment's folder."""
    changes = {}
    for one, hint in typing.get_type_hints(type(recipe)).items():
        value = getattr(recipe, one, None)
        if isinstance(value, Path) and _is_path(hint):
            changes[one] = folder / value.expanduser()
    return dataclasses.replace(recipe, **changes) if changes else recipe


def _is_path(hint: Any) -> bool:
    if isinstance(hint, types.UnionType):
        return Path in typing.get_args(hint)
    return hint is Path
