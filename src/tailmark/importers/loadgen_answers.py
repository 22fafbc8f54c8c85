"""What an accuracy log's bytes answer, and what would have been right."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tailmark.errors import InputError, nearest
from tailmark.importers.imported import LARGEST_SAMPLES, Labels
from tailmark.importers.pickles import read_file

DTYPES = ("float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32")
"""What a label may be written as; little-endian, as every machine that LoadGen runs on."""

_SIZES = {1: ("uint8",), 2: ("int16",), 4: ("float32", "int32"), 8: ("float64", "int64")}
_WHOLE = re.compile(r"[+-]?\d{1,10}")
_LEAST, _MOST = np.iinfo(np.int32).min, np.iinfo(np.int32).max


@dataclass(frozen=True, kw_only=True)
class Answers:
    """The labels that were answered.

    Args:
        labels: Best first, shape (entries, ranks); None where the bytes are no labels.
        says: What was assumed, or why there are none; None where nothing was.
    """

    labels: Labels | None
    says: str | None = None


def decode_answers(data: Sequence[bytes], dtype: str | None) -> Answers:
    """Read bytes as labels; without ``dtype``, as what they look like.

    Args:
        data: One an entry, all as long.
        dtype: One of `DTYPES`. An entry of several labels has the best first.

    Raises:
        InputError: They are not of the declared type.
    """
    check_dtype(dtype)
    sizes = {len(one) for one in data}
    if not data or sizes == {0}:
        return Answers(labels=None, says="the accuracy log holds no data, so answers are left out")
    if len(sizes) > 1 or (dtype is None and not sizes & _SIZES.keys()):
        length = f"{min(sizes)} to {max(sizes)}" if len(sizes) > 1 else f"{min(sizes)}"
        if dtype is not None:
            raise InputError(
                f"the answers have {length} bytes, so they are no {dtype} labels: leave dtype out"
            )
        way_out = "" if len(sizes) > 1 else " (if they are labels, best first, say of which dtype)"
        return Answers(
            labels=None,
            says=f"the answers have {length} bytes and are no single label, so they are left "
            f"out{way_out}",
        )
    (size,) = sizes
    text = b"".join(data)
    chosen = dtype or _recognised(text, size)
    if size % np.dtype(chosen).itemsize:
        raise InputError(f"the answers have {size} bytes each, which is no {chosen}: give another")
    values = np.frombuffer(text, np.dtype(chosen).newbyteorder("<")).reshape(len(data), -1)
    whole = np.isfinite(values) & (values == np.floor(values)) if values.dtype.kind == "f" else True
    fits = np.asarray(whole & (values >= _LEAST) & (values <= _MOST))
    if not fits.all():
        wrong = values[~fits][0]
        if dtype is not None:
            raise InputError(
                f"the answers as {dtype} have {wrong:g} among them, which is no label: give "
                "another dtype"
            )
        return Answers(
            labels=None,
            says=f"the answers as {chosen} have {wrong:g} among them, which is no label, so they "
            "are left out (if they are labels, say of which dtype)",
        )
    assumed = f"the {size} bytes of each answer are taken as a label of type {chosen}, as they look"
    return Answers(labels=values.astype(np.int32), says=None if dtype else assumed)


def check_dtype(dtype: str | None) -> None:
    """Refuse a type that no label has."""
    if dtype is not None and dtype not in DTYPES:
        raise InputError(
            f"there is no dtype {dtype!r}{nearest(dtype, DTYPES)}: {', '.join(DTYPES)}"
        )


def _recognised(text: bytes, size: int) -> str:
    """Floats if all are whole as such: the bits of a small integer are no whole float but zero."""
    first, *others = _SIZES[size]
    if not others:
        return first
    values = np.frombuffer(text, np.dtype(first).newbyteorder("<"))
    with np.errstate(invalid="ignore"):
        plausible = np.isfinite(values) & (np.abs(values) <= _MOST) & (values == np.rint(values))
    return first if plausible.all() and values.any() else others[0]


@dataclass(frozen=True, kw_only=True)
class Known:
    """The right label of each sample of LoadGen's library.

    Args:
        label: By sample index.
        name: By sample index; empty where samples have no names.
    """

    label: dict[int, int]
    name: dict[int, str]


def read_labels(path: Path) -> Known:
    """Read ``name label``, ``sample,label`` or one label a line, in the order of the library.

    The first column of a table with commas is the sample's index where all are numbers, else its
    name.

    Raises:
        InputError: A line is none of these; it is named.
    """
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{str(path)!r} is not UTF-8 text: give a list of labels") from None
    lines = [(k, line.strip()) for k, line in enumerate(text.splitlines(), 1) if line.strip()]
    rows = [(number, _split(line)) for number, line in lines]
    if len(rows) > 1 and "," in lines[0][1] and not _WHOLE.fullmatch(rows[0][1][-1]):
        rows = rows[1:]  # a header
    if not rows:
        raise InputError(f"{str(path)!r} holds no label: give one a line")
    if len(rows) > LARGEST_SAMPLES:
        raise InputError(
            f"{str(path)!r} has {len(rows):,} lines, and at most {LARGEST_SAMPLES:,} are read"
        )
    width = len(rows[0][1])
    for number, parts in rows:
        good = len(parts) == width and _WHOLE.fullmatch(parts[-1])
        if not good or not _LEAST <= int(parts[-1]) <= _MOST:
            raise InputError(
                f"{str(path)!r}, line {number}: there is no label: write a class number, after the "
                "sample's name if it has one"
            )
    labels = [int(parts[-1]) for _, parts in rows]
    samples = [parts[0] for _, parts in rows] if width > 1 else []
    if samples and "," in lines[-1][1] and all(re.fullmatch(r"\d{1,9}", s) for s in samples):
        return Known(label=_by_index(path, [int(s) for s in samples], labels), name={})
    unique = len(set(samples)) == len(samples)
    return Known(label=dict(enumerate(labels)), name=dict(enumerate(samples)) if unique else {})


def _split(line: str) -> list[str]:
    """A line's columns: the label, and before it the sample where there is one."""
    if "," in line:
        return [part.strip().strip('"') for part in line.split(",")]
    return line.rsplit(None, 1)


def _by_index(path: Path, samples: Sequence[int], labels: Sequence[int]) -> dict[int, int]:
    found = dict(zip(samples, labels, strict=True))
    if len(found) < len(samples):
        twice = next(s for s in found if samples.count(s) > 1)
        raise InputError(f"{str(path)!r} has two labels of sample {twice}: give each once")
    return found


def right_labels(known: Known, samples: npt.NDArray[np.int64], file: Path) -> npt.NDArray[np.int64]:
    """The right label of each sample, shape (samples,).

    Raises:
        InputError: One has none.
    """
    lacking = [int(s) for s in samples if int(s) not in known.label]
    if lacking:
        raise InputError(
            f"{str(file)!r} has {len(known.label)} labels and none of sample {lacking[0]}, which "
            "was sent: give those of the whole library"
        )
    return np.array([known.label[int(s)] for s in samples], dtype=np.int64)
