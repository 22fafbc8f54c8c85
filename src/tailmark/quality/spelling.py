"""A metric's recipe as people write it, and back: ``ndcg@10``, ``mae:5``, ``iou:label=1,column=a``.

Knows no metric: only dataclasses, their fields and their defaults.
"""

import dataclasses
from collections.abc import Collection
from typing import Any

from tailmark.errors import InputError, nearest

_RANK = "k"
"""The field that is written after an ``@``, as rankings have it."""


def spelled(name: str, recipe: Any) -> str:
    """A recipe with what differs from its defaults; the shortest form that says it.

    Args:
        name: What the recipe is called.
        recipe: A dataclass instance.
    """
    fields = dataclasses.fields(recipe)
    said = {
        f.name: getattr(recipe, f.name) for f in fields if f.compare and not _default(f, recipe)
    }
    if _RANK in said:
        name = f"{name}@{said.pop(_RANK)}"
    if list(said) == [fields[0].name]:
        return f"{name}:{_plain(said[fields[0].name])}"
    settings = ",".join(f"{key}={_plain(value)}" for key, value in said.items())
    return f"{name}:{settings}" if settings else name


def recipe_of(kind: type, spec: str) -> Any:
    """Build a recipe from how it is written.

    Args:
        kind: A dataclass.
        spec: ``NAME``, ``NAME@K``, ``NAME:VALUE,FIELD=VALUE``; values without a field's name are in
            the order of the fields.

    Raises:
        InputError: A setting there is not, is missing, comes twice or does not fit.
    """
    return _validated(kind, _settings(kind, spec), spec)


def changed(ready: Any, spec: str) -> Any:
    """A ready recipe with some of its fields set, those in its class's ``settable``.

    Args:
        ready: A dataclass instance.
        spec: As `recipe_of` takes it.

    Raises:
        InputError: As `recipe_of`.
    """
    kind = type(ready)
    had = {f.name: getattr(ready, f.name) for f in dataclasses.fields(kind)}
    return _validated(kind, {**had, **_settings(kind, spec, kind.settable)}, spec)


def _validated(kind: type, settings: dict[str, Any], spec: str) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(settings)
    except ValidationError as cause:
        raise InputError(_sentence(cause.errors()[0], spec)) from cause


def _settings(kind: type, spec: str, settable: Collection[str] | None = None) -> dict[str, str]:
    """The settings by field, unchecked."""
    name, rank, written = parts(spec)
    known = [f.name for f in dataclasses.fields(kind) if f.compare]
    known = [one for one in known if settable is None or one in settable]
    has = f"{name} has {', '.join(known) or 'none'}"
    given: list[tuple[str, str]] = []
    if rank is not None:
        if _RANK not in known:
            raise InputError(f"metric {spec!r} has a rank and {name} takes none: {has}")
        given.append((_RANK, rank))
    for place, part in enumerate(written.split(",") if written else ()):
        key, equals, value = (text.strip() for text in part.partition("="))
        if not equals:
            if place >= len(known):
                raise InputError(f"metric {spec!r} has too many settings: {has}")
            key, value = known[place], key
        given.append((key, value))
    for key in (key for key, _ in given):
        if key not in known:
            raise InputError(f"metric {spec!r} has no setting {key!r}{nearest(key, known)}: {has}")
        if [other for other, _ in given].count(key) > 1:
            raise InputError(f"metric {spec!r} has {key} twice: give it once")
    return dict(given)


def parts(spec: str) -> tuple[str, str | None, str]:
    """The name, what is after an ``@`` if there is one, and what is after the colon."""
    head, _, written = spec.partition(":")
    name, at, rank = head.partition("@")
    return name.strip(), rank.strip() if at else None, written.strip()


def _default(field: dataclasses.Field[Any], recipe: Any) -> bool:
    value: bool = getattr(recipe, field.name) == field.default
    return value


def _plain(value: Any) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _sentence(first: Any, spec: str) -> str:
    name = parts(spec)[0]
    key = str(first["loc"][0])
    if first["type"].startswith("missing"):
        form = f"{name}@{key.upper()}" if key == _RANK else f"{name}:{key}={key.upper()}"
        return f"metric {spec!r} does not say its {key}: write {form}"
    expected = first["msg"].removeprefix("Input ").removeprefix("Value error, ")
    return f"metric {spec!r} has {first['input']!r} for {key}: it {expected}"
