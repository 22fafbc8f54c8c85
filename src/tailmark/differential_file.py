"""The file of a differential run: an experiment, and the environments that differ from it.

An environment says what it sets otherwise; a grid of axes makes one of every combination. What is
compared must be alike in everything else, so samples, scenario, rounds and quality are of the file.
"""

import copy
import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tailmark import plugins
from tailmark.conversion.base import Conversion
from tailmark.errors import ExperimentError, InputError, nearest
from tailmark.experiment import Experiment
from tailmark.experiment_file import ANY_SYSTEM, assemble, naming, read_document
from tailmark.recipes import build, validated
from tailmark.records.differential import clashing
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.single_stream import SingleStream

_OWN = ("environments", "axes", "oracle", "baseline", "make")
_ENVIRONMENT = ("name", "answers_only", "make", "then", "workload", "system", "warmup")
_SHARED = ("scenario", "rounds", "quality", "seed", "timed", "engine", "require")


@dataclass(frozen=True, kw_only=True)
class PlannedEnvironment:
    """One environment before anything is made.

    Args:
        name: What it is called.
        document: Its experiment as plain data.
        steps: What makes its model from ``system.model``, as written, in order.
        changes: What it sets otherwise than the file, by dotted name.
        answers_only: Whether it is only asked, once.
    """

    name: str
    document: Mapping[str, Any]
    steps: tuple[Any, ...] = ()
    changes: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    answers_only: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        """All that it is, by dotted name; the steps as ``make``."""
        said = {key: self.document[key] for key in ("workload", "system") if key in self.document}
        return flattened({**said, "make": list(self.steps)})


@dataclass(frozen=True, kw_only=True)
class DifferentialPlan:
    """What a differential run is to be.

    Args:
        path: The file, or None.
        folder: What its paths are relative to.
        document: The file as plain data.
        environments: In order; the first is the baseline unless the file says otherwise.
        baseline: The one that the others are told against.
        oracle: The one whose numbers are taken for true; None to take the most precise.
    """

    folder: Path
    document: Mapping[str, Any]
    environments: tuple[PlannedEnvironment, ...]
    baseline: str
    oracle: str | None = None
    path: Path | None = None

    def conversions(self, environment: PlannedEnvironment) -> list[Conversion]:
        """The recipes of its steps.

        Raises:
            ExperimentError: No such step or setting.
        """
        return [_conversion(step, self.folder) for step in environment.steps]

    def source(self, environment: PlannedEnvironment) -> Path | None:
        """The model its steps begin with; None where its system has none."""
        model = self.document_model(environment)
        return None if model is None else self.folder / Path(str(model)).expanduser()

    @staticmethod
    def document_model(environment: PlannedEnvironment) -> Any:
        """``system.model`` as it is written."""
        system = environment.document["system"]
        inner = system.get("system")
        return inner.get("model") if isinstance(inner, Mapping) else system.get("model")

    def experiment(self, environment: PlannedEnvironment, model: Path | None = None) -> Experiment:
        """What is measured in an environment.

        Args:
            environment: Which.
            model: What its steps made; None to take ``system.model`` as it is.

        Raises:
            InputError: It cannot be carried out.
        """
        document = copy.deepcopy(dict(environment.document))
        system = document["system"]
        if model is not None:
            holder = system["system"] if isinstance(system.get("system"), dict) else system
            holder["model"] = str(model.resolve())
        system["isolate"] = True
        if not environment.answers_only:
            return assemble(document, self.folder)
        asked = assemble({**document, "rounds": 1, "warmup": 0}, self.folder)
        if asked.queueing.batch > 1:  # what is computed together may decide the answers
            return asked
        return replace(asked, scenario=SingleStream(), queueing=Queueing(), order="fixed")


def load_differential(path: str | Path, overrides: Sequence[str] = ()) -> DifferentialPlan:
    """Read and check the file of a differential run.

    Args:
        path: The YAML file; paths in it are relative to its folder.
        overrides: ``"rounds=10"``, each replacing one setting of the experiment.

    Raises:
        ExperimentError: What is wrong, where, and what is allowed.
    """
    path = Path(path)
    document = read_document(path, overrides)
    with naming(path):
        return plan_differential(document, path.parent, path)


def plan_differential(
    document: Mapping[str, Any], folder: Path, path: Path | None = None
) -> DifferentialPlan:
    """The plan that a document is; see `load_differential`.

    Raises:
        ExperimentError: What is wrong, where, and what is allowed.
    """
    base = {key: value for key, value in document.items() if key not in _OWN}
    for needed in ("workload", "system"):
        if not isinstance(base.get(needed), dict):
            raise ExperimentError(f"{needed} is missing: give it, with its kind")
    steps = _steps(document.get("make", []), "make")
    listed = _listed(document.get("environments", []))
    grid = _grid(document.get("axes", {}))
    if not listed and not grid:
        raise ExperimentError(
            "there are no environments: write environments:, a list of what each sets otherwise, "
            "or axes:, a grid of settings"
        )
    environments = tuple(_planned(name, changes, base, steps) for name, changes in [*listed, *grid])
    names = [one.name for one in environments]
    same = clashing(names)
    if same is not None:
        raise ExperimentError(
            f"the environments {same[0]!r} and {same[1]!r} have names too much alike: give each "
            "one of its own"
        )
    plan = DifferentialPlan(
        path=path,
        folder=folder,
        document=document,
        environments=environments,
        baseline=_named(document.get("baseline"), names, "baseline") or names[0],
        oracle=_named(document.get("oracle"), names, "oracle"),
    )
    for one in environments:
        try:
            plan.conversions(one)
            plan.experiment(one)
        except InputError as cause:
            raise ExperimentError(f"environment {one.name!r}: {cause}") from cause
    return plan


def merged(
    base: Mapping[str, Any], changes: Mapping[str, Any], *, inherit: bool = False
) -> dict[str, Any]:
    """Settings with others in their place, level by level.

    Args:
        base: The settings.
        changes: The others.
        inherit: Keep what another ``kind`` does not have; otherwise it is left behind where a kind
            changes.
    """
    found = dict(base)
    for key, value in changes.items():
        held = found.get(key)
        if not isinstance(value, Mapping) or not isinstance(held, Mapping):
            found[key] = copy.deepcopy(value)
            continue
        if not inherit and "kind" in value and value["kind"] != held.get("kind"):
            known = _settings_of(key, value["kind"])
            held = {name: one for name, one in held.items() if known is None or name in known}
        found[key] = merged(held, value, inherit=inherit)
    return found


def flattened(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted name; an empty mapping is a value, and so is one of dotted keys."""
    found: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping) and value and not any("." in str(one) for one in value):
            found |= flattened(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `flattened`."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        *parents, last = name.split(".")
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return found


def _settings_of(key: str, kind: Any) -> set[str] | None:
    """What a kind of system or workload has for settings; None where that is not ours to know."""
    groups = {"system": "systems", "workload": "workloads", "decode": "decoders"}
    if key not in groups or not isinstance(kind, str):
        return None
    recipe = plugins.load(groups[key], kind)
    common = ANY_SYSTEM if key == "system" else ("order",) if key == "workload" else ()
    return {"kind", *(one.name for one in dataclasses.fields(recipe)), *common}


def _listed(given: Any) -> list[tuple[str | None, dict[str, Any]]]:
    """``environments:`` as names and what they set."""
    if not isinstance(given, list):
        raise ExperimentError(
            f"environments is {given!r}: write a list, such as [{{name: threads-2, system: "
            "{threads: 2}}]"
        )
    found: list[tuple[str | None, dict[str, Any]]] = []
    for place, one in enumerate(given):
        if not isinstance(one, dict):
            raise ExperimentError(f"environment {place + 1} is {one!r}: write what it sets")
        _check_environment(one, f"environment {one.get('name', place + 1)!r}", _ENVIRONMENT)
        changes = dict(one)
        name = changes.pop("name", None)
        if name is None:
            raise ExperimentError(f"environment {place + 1} has no name: give it one")
        found.append((str(name), changes))
    return found


def _check_environment(given: Mapping[str, Any], where: str, known: Sequence[str]) -> None:
    for key in given:
        if key not in known:
            shared = " (it is the same in all of them)" if key in _SHARED else ""
            raise ExperimentError(
                f"{where} has no setting {key!r}{shared or nearest(str(key), known)}: it has "
                f"{', '.join(known)}"
            )
    for key in ("workload", "system"):
        if key in given and not isinstance(given[key], Mapping):
            raise ExperimentError(
                f"{where} has the {key} {given[key]!r}: write what it sets, such as {{kind: …}}"
            )


def _grid(given: Any) -> list[tuple[str | None, dict[str, Any]]]:
    """``axes:`` as names and what they set: one of every combination."""
    if not isinstance(given, dict):
        raise ExperimentError(
            f"axes is {given!r}: write each axis with its levels, such as "
            "{system.threads: [1, 2]}"
        )
    if not given:
        return []
    axes = [_levels(str(axis), levels) for axis, levels in given.items()]
    found: list[tuple[str | None, dict[str, Any]]] = []
    for chosen in itertools.product(*axes):
        changes: dict[str, Any] = {}
        name = "/".join(level for level, _ in chosen)
        for _, one in chosen:
            twice = sorted(flattened(changes).keys() & flattened(one).keys() - {"then"})
            if twice:
                raise ExperimentError(
                    f"axes: two of {name!r} set {twice[0]}: let one axis set it, or write "
                    "environments:"
                )
            steps = [*_steps(changes.get("then", []), "then"), *_steps(one.get("then", []), "then")]
            changes = merged(changes, one, inherit=True) | ({"then": steps} if steps else {})
        found.append((name, changes))
    return found


def _levels(axis: str, given: Any) -> list[tuple[str, dict[str, Any]]]:
    """An axis' levels by name: a setting's values, or names of what is set."""
    if isinstance(given, list) and given:
        setting = axis.rpartition(".")[2]
        levels = [(f"{setting}={_word(value)}", nested({axis: value})) for value in given]
        _check_environment(levels[0][1], f"axis {axis!r}", _ENVIRONMENT[1:])
        return levels
    if isinstance(given, dict) and given:
        for level, changes in given.items():
            if not isinstance(changes, dict):
                raise ExperimentError(
                    f"axis {axis!r}: {level!r} is {changes!r}: write what it sets, such as "
                    f"{{{level}: {{system: {{threads: 2}}}}}}"
                )
            _check_environment(changes, f"axis {axis!r}, {level!r},", _ENVIRONMENT[1:])
        return [(str(level), changes) for level, changes in given.items()]
    raise ExperimentError(
        f"axis {axis!r} is {given!r}: write a list of its setting's values, or names of what each "
        "level sets"
    )


def _word(value: Any) -> str:
    """A value as part of a name."""
    if isinstance(value, dict):
        return "+".join(f"{key}:{_word(one)}" for key, one in value.items())
    if isinstance(value, list):
        return "+".join(map(_word, value)) or "none"
    if value is None:
        return "default"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _planned(
    name: str | None, changes: dict[str, Any], base: Mapping[str, Any], steps: list[Any]
) -> PlannedEnvironment:
    documented = ("workload", "system", "warmup")
    own: dict[str, Any] = {key: changes[key] for key in documented if key in changes}
    where = f"environment {name!r}: "
    made = _steps(changes["make"], f"{where}make") if "make" in changes else steps
    made = [*made, *_steps(changes.get("then", []), f"{where}then")]
    said = flattened({key: value for key, value in changes.items() if key != "answers_only"})
    return PlannedEnvironment(
        name=str(name),
        document=merged(base, own),
        steps=tuple(made),
        changes=said,
        answers_only=validated(bool, changes.get("answers_only", False), f"{where}answers_only"),
    )


def _steps(given: Any, where: str) -> list[Any]:
    steps = given if isinstance(given, list) else [given]
    for step in steps:
        if not isinstance(step, str) and not (isinstance(step, dict) and "kind" in step):
            raise ExperimentError(
                f"{where} has the step {step!r}: write its kind, or {{kind: …}} with its settings"
            )
    return steps


def _conversion(step: Any, folder: Path) -> Conversion:
    options = {"kind": step} if isinstance(step, str) else dict(step)
    made: Conversion = build("conversions", f"make.{options['kind']}", options, folder)
    return made


def _named(given: Any, names: Sequence[str], setting: str) -> str | None:
    if given is not None and str(given) not in names:
        raise ExperimentError(
            f"{setting} is {given!r}, which is no environment{nearest(str(given), names)}: "
            f"{', '.join(names)}"
        )
    return None if given is None else str(given)
