"""The model files a system reads: there or not, and what is in them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tailmark.errors import SystemSetupError


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


def fingerprint(files: Iterable[Path]) -> str | None:
    """SHA-256 of a file; of several, of their hashes in order; None where one is missing."""
    hashes = []
    for path in files:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    if len(hashes) == 1:
        return hashes[0]
    return hashlib.sha256("".join(hashes).encode()).hexdigest() if hashes else None
