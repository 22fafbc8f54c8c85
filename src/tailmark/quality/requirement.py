"""What a run must deliver, as people write it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tailmark.errors import InputError, nearest
from tailmark.units import parse_deadline

Of = Literal["mean", "tail"]

_AT_LEAST = re.compile(r"\s*>=\s*(0?\.\d+|1(?:\.0*)?|0(?:\.0*)?)\s*")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What a run must deliver.

    Args:
        quality: At least this share.
        at: By this deadline: ``5ms``, ``p99``.
        of: ``mean`` over rounds, or ``tail``: their 5 % quantile.
    """

    quality: float
    at: str
    of: Of = "mean"


def parse_requirement(given: Mapping[str, Any]) -> Requirement:
    """Read ``{quality: ">= 0.75", at: 5ms, of: tail}``.

    Raises:
        InputError: A missing or unknown key, or a value that cannot be judged.
    """
    known = ("quality", "at", "of")
    for key in given:
        if key not in known:
            raise InputError(
                f"require has no setting {key!r}{nearest(key, known)}: {', '.join(known)}"
            )
    for key in ("quality", "at"):
        if key not in given:
            raise InputError(
                f"require has no {key!r}: write {{quality: '>= 0.75', at: 5ms, of: mean}}"
            )
    match = _AT_LEAST.fullmatch(str(given["quality"]))
    if not match:
        raise InputError(
            f"require.quality is {given['quality']!r}: write '>= ' and a share from 0 to 1"
        )
    parse_deadline(str(given["at"]))
    of = given.get("of", "mean")
    if of not in get_args(Of):
        raise InputError(f"require.of is {of!r}{nearest(str(of), get_args(Of))}: mean or tail")
    return Requirement(quality=float(match[1]), at=str(given["at"]), of=of)
