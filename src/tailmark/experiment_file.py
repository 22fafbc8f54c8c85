"""The experiment file: YAML to an experiment, checked to the last key before anything runs."""

import os
import re
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from tailmark import plugins
from tailmark.drive.loadgen.settings import LoadGen
from tailmark.drive.service import Timed
from tailmark.errors import ExperimentError, InputError, nearest
from tailmark.experiment import Experiment
from tailmark.recipes import build, check_keys, validated
from tailmark.scenario.base import Order
from tailmark.scenario.queueing import Queueing
from tailmark.stopping import Until
from tailmark.units import parse_duration

ANY_SYSTEM = ("decode", "timeout", "isolate", "workers", "batch", "max_outstanding", "when_busy")
"""Settings that every kind of system has, read here."""

_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


class _Quality(BaseModel):
    """How the run is graded if nobody says otherwise."""

    model_config = ConfigDict(extra="forbid")
    metric: str = "top1"
    also: list[str] = []
    deadlines: list[str | int | float] = []
    on_late: str = "fail"


class _Schema(BaseModel):
    """The file's outline; each plug-in's own settings are checked by its recipe."""

    model_config = ConfigDict(extra="forbid")
    workload: dict[str, Any]
    system: dict[str, Any]
    scenario: dict[str, Any] = {"kind": "single-stream"}
    rounds: Any = 100
    warmup: int = 50
    timed: Timed = "inference"
    engine: Any = "tailmark"
    quality: _Quality = _Quality()
    require: dict[str, Any] | None = None
    seed: int = 0


def load_experiment(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """Read and check an experiment file.

    Args:
        path: The YAML file; paths in it are relative to its folder.
        overrides: ``"system.threads=2"``, each replacing one setting.

    Raises:
        ExperimentError: What is wrong, where, and what is allowed.
    """
    path = Path(path)
    document = read_document(path, overrides)
    with naming(path):
        return assemble(document, path.parent)


def read_document(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """A file as plain data, its variables replaced.

    Raises:
        ExperimentError: It cannot be read, or an override is none.
    """
    document = _read(path)
    for override in overrides:
        _override(document, override)
    with naming(path):
        expanded: dict[str, Any] = _expanded(document)
    return expanded


def assemble(document: dict[str, Any], folder: Path) -> Experiment:
    """Put an experiment together.

    Args:
        document: As `read_document` gives it.
        folder: What its paths are relative to.

    Raises:
        InputError: What is wrong, where, and what is allowed.
    """
    return _assembled(validated(_Schema, document), folder)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """What is wrong in a file is said of the file."""
    try:
        yield
    except InputError as cause:
        raise ExperimentError(f"{str(path)!r}: {cause}") from cause


def _assembled(schema: _Schema, folder: Path) -> Experiment:
    workload = dict(schema.workload)
    order, known = workload.pop("order", None), typing.get_args(Order)
    if order is not None and order not in known:
        raise ExperimentError(
            f"workload.order is {order!r}{nearest(str(order), known)}: {' or '.join(known)}"
        )
    system = dict(schema.system)
    decode = dict(system.pop("decode", {"kind": "classes"}))
    timeout_ns = parse_duration(system.pop("timeout", "10s"), "a timeout")
    isolate = system.pop("isolate", False)
    if not isinstance(isolate, bool):
        raise ExperimentError(f"system.isolate is {isolate!r}: true or false")
    queueing = _queueing(system)
    quality = schema.quality.model_dump()
    quality["deadlines"] = [str(d) for d in quality["deadlines"]]
    return Experiment(
        workload=build("workloads", "workload", workload, folder, ("order",)),
        system=build("systems", "system", system, folder, ANY_SYSTEM),
        decode=build("decoders", "system.decode", decode, folder),
        scenario=build("scenarios", "scenario", dict(schema.scenario), folder),
        order=order,
        timeout_ns=timeout_ns,
        isolate=isolate,
        queueing=queueing,
        engine=_engine(schema.engine, folder),
        rounds=_rounds(schema.rounds),
        warmup=schema.warmup,
        timed=schema.timed,
        quality=quality,
        require=schema.require,
        seed=schema.seed,
        folder=folder,
    )


def _queueing(system: dict[str, Any]) -> Queueing:
    """``workers``, ``batch``, ``max_outstanding`` and ``when_busy``, taken out of the system's."""
    batch = system.pop("batch", {})
    if not isinstance(batch, dict):
        raise ExperimentError(f"system.batch is {batch!r}: write {{max: 8, wait: 2ms}}")
    for key in batch:
        if key not in ("max", "wait"):
            raise ExperimentError(
                f"system.batch has no setting {key!r}{nearest(str(key), ('max', 'wait'))}: "
                "it has max, wait"
            )
    most = system.pop("max_outstanding", None)
    return Queueing(
        workers=validated(int, system.pop("workers", 1), "system.workers"),
        batch=validated(int, batch.get("max", 1), "system.batch.max"),
        batch_wait_ns=parse_duration(batch.get("wait", "0ms"), "system.batch.wait"),
        max_outstanding=validated(int | None, most, "system.max_outstanding"),
        when_busy=system.pop("when_busy", "queue"),
    )


def _engine(given: Any, folder: Path) -> LoadGen | None:
    """``tailmark``, ``loadgen``, or ``{kind: loadgen, min_duration: 60s, …}``."""
    settings = dict(given) if isinstance(given, dict) else {"kind": given}
    kind = settings.pop("kind", None)
    if kind == "tailmark" and not settings:
        return None
    if kind != "loadgen":
        raise ExperimentError(
            f"engine is {given!r}: write tailmark, loadgen, or {{kind: loadgen, min_duration: 60s}}"
        )
    check_keys(LoadGen, settings, "engine")
    for name in ("user_conf", "audit"):  # which are read when the recipe is made
        if isinstance(settings.get(name), str):
            settings[name] = folder / Path(settings[name]).expanduser()
    engine: LoadGen = validated(LoadGen, settings, "engine")
    return engine


def _rounds(given: Any) -> int | Until:
    """A number, or ``{until: {RULE: TARGET, …}, at_most: N}``."""
    if not isinstance(given, dict):
        return int(validated(int, given, "rounds"))
    known = ("until", "at_most")
    for key in given:
        if key not in known:
            raise ExperimentError(
                f"rounds has no setting {key!r}{nearest(str(key), known)}: it has until, at_most"
            )
    for key, example in zip(known, ("{half_width: 0.005, of: mean}", "500"), strict=True):
        if key not in given:
            raise ExperimentError(f"rounds.{key} is missing: give it, such as {key}: {example}")
    at_most = validated(int, given["at_most"], "rounds.at_most")
    return Until(_stopping_rule(given["until"]), at_most=at_most)


def _stopping_rule(until: Any) -> Any:
    """The recipe whose name is among the settings: there it holds the target."""
    known = plugins.names("stopping")
    listed = " or ".join(known)
    if not isinstance(until, dict):
        raise ExperimentError(f"rounds.until is {until!r}: write {{half_width: 0.005, of: mean}}")
    named = [str(key) for key in until if key in known]
    if not named:
        close = next(filter(None, (nearest(str(key), known) for key in until)), "")
        raise ExperimentError(
            f"rounds.until {until!r} names no stopping rule{close}: give {listed}"
        )
    if len(named) > 1:
        raise ExperimentError(f"rounds.until names {' and '.join(named)}: give one of them")
    recipe = plugins.load("stopping", named[0])
    check_keys(recipe, until, "rounds.until")
    return validated(recipe, until, "rounds.until")


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
