"""Converters that are programs: run to their end, and why they failed in one sentence."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tailmark.errors import ConversionError

_LONGEST_S = 3600.0
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_VERSIONS = """
import importlib.metadata as there, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = there.version(name)
    except there.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
_WORDS = re.compile(r"[A-Za-z]{2}")


def run_program(
    words: Sequence[str],
    what: str,
    *,
    tool: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    timeout_s: float = _LONGEST_S,
) -> str:
    """What a program printed.

    Args:
        words: The program and its arguments.
        what: What is being done, for messages.
        tool: What the program is called.
        folder: Where it runs.
        environment: Variables that it has besides ours.
        timeout_s: How long it may take.

    Raises:
        ConversionError: It cannot be started, failed, or did not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a converter that the user names
            words,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
        )
    except OSError as cause:
        raise ConversionError(
            f"{what} failed: {words[0]!r} cannot be run ({cause.strerror}): "
            "give a program of this machine"
        ) from cause
    except subprocess.TimeoutExpired:
        raise ConversionError(
            f"{what} failed: {tool} did not end within {timeout_s:g} s: give a smaller model"
        ) from None
    if done.returncode != 0:
        raise failed(what, f"{tool} ended ({_ending(done.returncode)})", done.stdout)
    return done.stdout


def failed(what: str, how: str, printed: str) -> ConversionError:
    """An error that tells a program's last meaningful line."""
    lines = [_COLOUR.sub("", line).strip(" \t\r│|*#=-") for line in printed.splitlines()]
    said = next((line[:300] for line in reversed(lines) if _WORDS.search(line)), "")
    return ConversionError(f"{what} failed: {how}" + (f": {said}" if said else ""))


def run_module(
    python: Path,
    module: str,
    arguments: Sequence[str],
    what: str,
    *,
    folder: Path,
    environment: Mapping[str, str] | None = None,
) -> str:
    """What a module printed that another interpreter ran as a program.

    Raises:
        ConversionError: There is no such interpreter, or it has no such module, or that failed.
    """
    if not python.is_file() or not os.access(python, os.X_OK):
        raise ConversionError(
            f"python {str(python)!r} is no interpreter: give the path of one that has "
            f"{module.partition('.')[0]}, such as ../other/bin/python"
        )
    # Without resolving it: a virtual environment's interpreter is a link.
    words = [str(python.absolute()), "-m", module, *arguments]
    package = module.partition(".")[0]
    try:
        return run_program(words, what, tool=package, folder=folder, environment=environment)
    except ConversionError as cause:
        if re.search(rf"No module named '?{package}\b", str(cause)):
            raise ConversionError(
                f"{what} needs the package {package} in {str(python)!r}: "
                f"{python!s} -m pip install {package}"
            ) from cause
        raise


@cache
def versions_in(python: Path, packages: tuple[str, ...]) -> dict[str, str]:
    """The versions of packages in another interpreter; what is not there is left out."""
    words = [str(python.absolute()), "-c", _VERSIONS, *packages]
    try:
        done = subprocess.run(  # noqa: S603 - an interpreter that the user names
            words, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=60
        )
        versions: dict[str, str] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return versions


def folder_of(package: str, kind: str, extra: str) -> Path:
    """Where a package lies, without importing it.

    Raises:
        ConversionError: It is not installed.
    """
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConversionError(
            f"conversion {kind} needs the package {package}: pip install 'tailmark[{extra}]'"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"
