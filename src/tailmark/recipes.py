"""Recipes from settings as people write them: YAML's mappings, checked to the last key.

A setting is checked by the recipe's own annotations; the first thing wrong becomes one sentence.
"""

import dataclasses
import re
import typing
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from tailmark import plugins
from tailmark.errors import ExperimentError, nearest

_TAG = re.compile(r"function-|(int|float|str|bool|path|tuple|list|literal|dict)\b.*$|NoneType$")
"""How pydantic names the branches of a union: no part of a setting's name."""


def build(
    group: str, where: str, options: dict[str, Any], folder: Path, common: tuple[str, ...] = ()
) -> Any:
    """A plug-in's recipe.

    Args:
        group: The plug-in's.
        where: What its settings are called, for messages.
        options: ``kind`` and settings; emptied of the former.
        folder: What its paths are relative to.
        common: Settings that every kind has and others read, for messages.

    Raises:
        ExperimentError: No such kind or setting, or a value that does not fit.
    """
    kind = options.pop("kind", None)
    if not isinstance(kind, str):
        known = ", ".join(plugins.names(group))
        raise ExperimentError(f"{where} has no kind: write kind: and one of {known}")
    recipe = plugins.load(group, kind)
    check_keys(recipe, options, where, common)
    return _with_folder(validated(recipe, options, where), folder)


def check_keys(
    recipe: Any, options: dict[str, Any], where: str, common: tuple[str, ...] = ()
) -> None:
    """Refuse a setting that a recipe does not have; the nearest is named.

    Raises:
        ExperimentError: Naming it.
    """
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
            check_keys(hints[key], value, f"{where}.{key}")


def validated(kind: Any, options: Any, where: str = "") -> Any:
    """A value of this type.

    Raises:
        ExperimentError: The first thing wrong.
    """
    try:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind.model_validate(options)
        return TypeAdapter(kind).validate_python(options)
    except ValidationError as cause:
        raise ExperimentError(_sentence(cause, kind, where)) from cause


def _sentence(cause: ValidationError, kind: Any, where: str) -> str:
    first = cause.errors()[0]
    parts = [str(part) for part in first["loc"] if not _TAG.match(str(part))]
    name = ".".join([where, *parts] if where else parts)
    if first["type"] == "extra_forbidden":
        for part in parts[:-1]:  # whose settings they are
            kind = kind.model_fields[part].annotation
        known = list(kind.model_fields)
        return (
            f"there is no setting {name!r}{nearest(parts[-1], known)}: known are {', '.join(known)}"
        )
    if first["type"] in ("missing", "missing_argument", "missing_keyword_only_argument"):
        return f"{name} is missing: give it"
    expected = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"{name} is {first['input']!r}: it {expected}"


def _with_folder(recipe: Any, folder: Path) -> Any:
    """The recipe, its relative paths made relative to a folder."""
    changes = {}
    for one, hint in typing.get_type_hints(type(recipe)).items():
        value = getattr(recipe, one, None)
        if isinstance(value, Path) and (hint is Path or Path in typing.get_args(hint)):
            changes[one] = folder / value.expanduser()
    return dataclasses.replace(recipe, **changes) if changes else recipe
