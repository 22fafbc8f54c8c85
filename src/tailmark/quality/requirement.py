"""What a run must deliver, as people write it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tailmark.errors import InputError, nearest
from tailmark.units import Percentile, parse_deadline, parse_duration

Of = Literal["mean", "tail"]

_SHARE = r"0?\.\d+|1(?:\.0*)?|0(?:\.0*)?"
_AT_LEAST = re.compile(rf"\s*>=\s*({_SHARE})\s*")
_FRACTION = re.compile(rf"\s*>=\s*(\d+(?:\.\d*)?|\.\d+)\s*%\s*of\s+({_SHARE}|ideal)\s*")
_AT_MOST = re.compile(r"\s*(p[\d.]+)\s*<=\s*(\S.*)")


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """What quality a run must deliver.

    Args:
        quality: At least this share.
        at: By this deadline: ``5ms``, ``p99``.
        of: ``mean`` over rounds, or ``tail``: their 5 % quantile.
        of_ideal: Whether ``quality`` is a share of the run's own ideal quality.
    """

    quality: float
    at: str
    of: Of = "mean"
    of_ideal: bool = False


@dataclass(frozen=True, kw_only=True)
class LatencyRequirement:
    """How long a run's answers may take.

    Args:
        percent: Of the queries, so many, as 99, …
        bound_ns: … take no longer.
    """

    percent: float
    bound_ns: int


Required = Requirement | LatencyRequirement


def parse_requirement(given: Mapping[str, Any]) -> tuple[Required, ...]:
    """Read ``{quality: ">= 0.75", at: 5ms, of: tail, latency: "p99 <= 15ms"}``, part by part.

    A quality may be a fraction of a reference (``">= 99% of 0.7646"``) or of the run's own ideal
    quality (``">= 99% of ideal"``); quality and latency may each be a list.

    Raises:
        InputError: A missing or unknown key, or a value that cannot be judged.
    """
    known = ("quality", "at", "of", "latency")
    for key in given:
        if key not in known:
            raise InputError(
                f"require has no setting {key!r}{nearest(key, known)}: {', '.join(known)}"
            )
        if isinstance(given[key], list | tuple) and not given[key]:
            raise InputError(f"require.{key} is an empty list: give one value or several")
    latencies = tuple(_latency(one) for one in _listed(given.get("latency")))
    if latencies and not {"quality", "at", "of"} & given.keys():
        return latencies
    for key in ("quality", "at"):
        if key not in given:
            raise InputError(
                f"require has no {key!r}: write {{quality: '>= 0.75', at: 5ms, of: mean}}"
            )
    at, of = str(given["at"]), given.get("of", "mean")
    parse_deadline(at)
    if of not in get_args(Of):
        raise InputError(f"require.of is {of!r}{nearest(str(of), get_args(Of))}: mean or tail")
    return (*(_quality(one, at, of) for one in _listed(given["quality"])), *latencies)


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if isinstance(given, list | tuple) else [given]


def _quality(given: Any, at: str, of: Of) -> Requirement:
    text = str(given)
    if match := _AT_LEAST.fullmatch(text):
        return Requirement(quality=float(match[1]), at=at, of=of)
    match = _FRACTION.fullmatch(text)
    if not match or not 0 < float(match[1]) <= 100:
        raise InputError(
            f"require.quality is {given!r}: write '>= ' and a share from 0 to 1, "
            "'>= 99% of 0.7646' or '>= 99% of ideal'"
        )
    fraction = float(match[1]) / 100
    if match[2] == "ideal":
        return Requirement(quality=fraction, at=at, of=of, of_ideal=True)
    return Requirement(quality=fraction * float(match[2]), at=at, of=of)


def _latency(given: Any) -> LatencyRequirement:
    match = _AT_MOST.fullmatch(str(given))
    percentile = parse_deadline(match[1]) if match else None
    if not match or not isinstance(percentile, Percentile):
        raise InputError(f"require.latency is {given!r}: write a percentile, as 'p99 <= 15ms'")
    return LatencyRequirement(
        percent=percentile.percent,
        bound_ns=parse_duration(match[2], "the latency it may have"),
    )
