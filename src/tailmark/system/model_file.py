"""What a model is made of on disk: its file and the files that belong to it, there or not."""

import hashlib
import os
import re
from collections.abc import Iterable
from mmap import ACCESS_READ, mmap
from pathlib import Path

from tailmark.errors import SystemSetupError

_BESIDE = {".xml": (".bin",), ".param": (".bin",), ".mnn": (".mnn.weight",)}
"""What lies beside a file, under its name and another suffix."""

_LOCATION = re.compile(rb"\n\x08location\x12([\x00-\x7f]|[\x80-\xff][\x00-\x7f])")


def check_model_file(model: Path, kind: str) -> None:
    """Refuse a file that is not there.

    Args:
        model: The file.
        kind: What to give instead, such as ``"an .onnx file"``.

    Raises:
        SystemSetupError: It does not exist.
    """
    if not model.is_file():
        raise SystemSetupError(f"model {str(model)!r} does not exist: give {kind}")


def check_threads(**counts: int | None) -> None:
    """Refuse settings of threads and the like that are below 1; None leaves it to the runtime.

    Raises:
        SystemSetupError: Naming the setting.
    """
    for name, count in counts.items():
        if count is not None and count < 1:
            raise SystemSetupError(f"system.{name} is {count}: give 1 or more")


def files_of(model: Path) -> list[Path]:
    """A model's file and, sorted, its companions; of a folder, all its files; none if absent."""
    if model.is_dir():
        return sorted(path for path in model.rglob("*") if path.is_file())
    if not model.is_file():
        return []
    suffixes = _BESIDE.get(model.suffix, ())
    beside = {path for path in map(model.with_suffix, suffixes) if path.is_file()}
    return [model, *sorted(beside | (_outside(model) if model.suffix == ".onnx" else set()))]


def content_hash(files: Iterable[Path]) -> str:
    """SHA-256 of a file; of several, of their hashes in order."""
    hashes = []
    for path in files:
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()


def fingerprint(model: Path) -> str | None:
    """The `content_hash` of a model's files; None where there is none."""
    files = files_of(model)
    return content_hash(files) if files else None


def _outside(model: Path) -> set[Path]:
    """The files in an ONNX model's folder that hold tensors of it; links lead where they may.

    A tensor kept outside names its file in an entry ``location`` (onnx.proto, TensorProto
    field 13); in the file that is a key of 8 bytes and a value after its length.
    """
    if model.stat().st_size == 0:
        return set()
    found = set()
    with model.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
        for entry in _LOCATION.finditer(content):
            low, *high = entry[1]  # seven bits a byte, the lowest first
            length = low & 0x7F | (high[0] << 7 if high else 0)
            name = content[entry.end() : entry.end() + length].decode(errors="replace")
            inside = Path(os.path.normpath(name.replace("\0", "")))
            path = model.parent / inside
            if ".." not in inside.parts and not inside.is_absolute() and path.is_file():
                found.add(path)
    return found
