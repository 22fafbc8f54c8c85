"""Where made models are kept, by the content of all that they were made from.

A folder ``<key[:2]>/<key>/`` holds what a conversion wrote and ``made.json``, which says how; it
appears whole or not at all. The key knows nothing of names and places.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from tailmark.conversion.base import Inputs
from tailmark.errors import ConversionError
from tailmark.system.model_file import content_hash

_FORMAT = 1
_RECORD = "made.json"


def default_cache() -> Path:
    """``$TAILMARK_CACHE``, or tailmark's folder among the user's caches; in it, ``variants``."""
    given = os.environ.get("TAILMARK_CACHE")
    return (Path(given).expanduser() if given else _user_cache() / "tailmark") / "variants"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def key_of(source_sha256: str, step: dict[str, Any], tools: dict[str, str], inputs: Inputs) -> str:
    """SHA-256 of all that decides what comes out."""
    facts = {
        "format": _FORMAT,
        "source": source_sha256,
        "step": step,
        "tools": tools,
        "inputs": [_input_hash(one) for one in inputs],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _input_hash(one: Any) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(one.items()) if isinstance(one, Mapping) else [("", one)]:
        array = np.ascontiguousarray(values)
        digest.update(repr((name, array.dtype.str, array.shape)).encode())
        digest.update(repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Kept:
    """A model in the cache.

    Args:
        folder: Where it lies.
        sha256: Of its files.
        seconds: What making it took.
        cached: It was there already.
    """

    folder: Path
    sha256: str
    seconds: float
    cached: bool


def keep(cache: Path, key: str, make: Callable[[Path], float], record: Mapping[str, Any]) -> Kept:
    """What is kept under a key; it is made where it is not there, or not whole.

    Args:
        cache: The folder of all.
        key: From `key_of`.
        make: Fills an empty folder and says how many seconds that took.
        record: What else to write down.

    Raises:
        ConversionError: From ``make``; or the cache cannot be written.
    """
    folder = cache / key[:2] / key
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):  # who comes second waits and finds it made
            return _found(folder) or _made(folder, make, record)
    except OSError as cause:
        raise ConversionError(
            f"the cache {str(cache)!r} cannot be written ({cause.strerror or cause}): "
            "make room there, or name another folder in TAILMARK_CACHE"
        ) from cause


def _found(folder: Path) -> Kept | None:
    try:
        record = json.loads((folder / _RECORD).read_bytes())
        whole = record["format"] == _FORMAT and record["sha256"] == content_hash(_files(folder))
        seconds = float(record["seconds"])
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return Kept(folder, record["sha256"], seconds, cached=True) if whole else None


def _made(folder: Path, make: Callable[[Path], float], record: Mapping[str, Any]) -> Kept:
    for left in folder.parent.glob(f"{folder.name}.*.making"):  # its maker was killed
        shutil.rmtree(left, ignore_errors=True)
    making = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".making", dir=folder.parent))
    try:
        seconds = make(making)
        sha256 = content_hash(_files(making))
        facts = {"format": _FORMAT, **record, "seconds": seconds, "sha256": sha256}
        (making / _RECORD).write_text(json.dumps(facts, indent=2) + "\n")
        shutil.rmtree(folder, ignore_errors=True)  # there, and not whole
        making.rename(folder)
    except BaseException:
        shutil.rmtree(making, ignore_errors=True)
        raise
    return Kept(folder, sha256, seconds, cached=False)


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != _RECORD)
