"""A metric by how people write it.

Code is imported only if the caller says so: a stranger's run names a metric too.
"""

import dataclasses
import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tailmark import plugins
from tailmark.errors import InputError, UnknownNameError, nearest
from tailmark.quality.base import Metric
from tailmark.quality.spelling import changed, parts, recipe_of

_NAMED: dict[str, Metric] = {}
"""Code that was named in this process: whoever measures by it need not name it again to be told."""


def choose(spec: str, *, code: bool = False) -> Metric:
    """The metric that is written so; `Metric.name` is written so again.

    Args:
        spec: A name of the entry points ``tailmark.metrics``, and after it what differs from its
            defaults: ``top1``, ``ndcg@10``, ``mae:5``, ``iou:label=1,column=road``. Or
            ``module:function`` (see `tailmark.quality.custom`); or a metric's name there.
        code: Whether a module may be imported.

    Raises:
        UnknownNameError: No such metric.
        InputError: A setting that it has not or that does not fit, or code that may not or cannot
            be imported.
    """
    if is_code(spec):
        if not code and spec in _NAMED:
            return _NAMED[spec]
        if not code:
            raise InputError(
                f"metric {spec!r} is code, and a run's own is not imported unasked: if you trust "
                f"it, name it yourself, --metric {spec} or metric={spec!r}"
            )
        _NAMED[spec] = _of_code(spec)
        return _NAMED[spec]
    name, rank, settings = parts(spec)
    found = plugins.load("metrics", name)
    if isinstance(found, type) and dataclasses.is_dataclass(found):
        metric: Metric = recipe_of(found, spec)
        return metric
    if not hasattr(found, "prepare") or isinstance(found, type):
        raise InputError(
            f"the metric {name!r} is {found!r}: its entry point must name a metric or a dataclass "
            "of such"
        )
    if (rank is not None or settings) and hasattr(found, "settable"):
        other: Metric = changed(found, spec)
        return other
    if rank is not None or settings:
        raise InputError(f"metric {spec!r} has settings and {name} takes none: write {name}")
    ready: Metric = found
    return ready


def is_code(spec: str) -> bool:
    """Whether it names a function, ``module:function``, and no metric with a setting."""
    module, colon, function = (part.strip() for part in spec.partition(":"))
    dotted = all(part.isidentifier() for part in [*module.split("."), *function.split(".")])
    return bool(colon) and dotted and module not in plugins.names("metrics")


def _of_code(spec: str) -> Metric:
    module, _, function = (part.strip() for part in spec.partition(":"))
    try:
        with _last_on_path(Path.cwd()):
            found: Any = importlib.import_module(module)
    except ModuleNotFoundError as cause:
        if cause.name is None or not f"{module}.".startswith(f"{cause.name}."):
            raise _not_imported(module, cause) from cause
        close = nearest(module, plugins.names("metrics"))
        raise UnknownNameError(
            f"metric {spec!r}: there is no metric and no module {module!r}{close}: give one of "
            f"{', '.join(plugins.names('metrics'))}, or a module beside the experiment or where "
            "Python looks"
        ) from cause
    except Exception as cause:
        raise _not_imported(module, cause) from cause
    for part in function.split("."):
        found = getattr(found, part, None)
    if hasattr(found, "prepare") and not isinstance(found, type):
        metric: Metric = found
        return metric
    if not callable(found):
        raise InputError(f"metric {spec!r}: module {module!r} has no function {function!r}")
    from tailmark.quality.custom import of_function

    return of_function(found, called=f"{module}:{function}")


def _not_imported(module: str, cause: Exception) -> InputError:
    return InputError(f"module {module!r} cannot be imported: {type(cause).__name__}: {cause}")


@contextmanager
def _last_on_path(folder: Path) -> Iterator[None]:
    """Where modules are looked for last: a script that is installed does not look here."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
