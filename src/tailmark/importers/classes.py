"""Labels as other people write them, and the numbers they get here."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

_WHOLE = re.compile(r"[+-]?\d{1,10}(?:\.0*)?")
_LEAST, _MOST = np.iinfo(np.int32).min, np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class Numbering:
    """Which number stands for which label.

    Args:
        number: By label as it is written.
        names: The labels in the order of their numbers; None where they are numbers themselves.
    """

    number: Mapping[str, int]
    names: tuple[str, ...] | None


def number_labels(references: Iterable[str], answers: Iterable[str]) -> Numbering:
    """Take labels as numbers if all are whole (``3`` and ``3.0`` are one); else number them.

    The references' classes come first, in sorted order, and then what was answered beside them, so
    that an answer outside every class is wrong and still known from other wrong ones.

    Args:
        references: The labels of the samples.
        answers: The labels that were answered.
    """
    right, tried = set(references), set(answers)
    whole = {text: _whole(text) for text in right | tried}
    numbers = {text: number for text, number in whole.items() if number is not None}
    if len(numbers) == len(whole):
        return Numbering(number=numbers, names=None)
    names = (*sorted(right), *sorted(tried - right))
    return Numbering(number={name: k for k, name in enumerate(names)}, names=names)


def _whole(text: str) -> int | None:
    number = int(text.partition(".")[0]) if _WHOLE.fullmatch(text) else None
    return number if number is not None and _LEAST <= number <= _MOST else None
