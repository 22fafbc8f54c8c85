"""``user.conf`` and its kin: lines ``model.scenario.key = value``, ``*`` for any model or scenario.

Times are in milliseconds, percentiles in percent. LoadGen takes numbers alone, cuts the decimals
off whole-number settings (times among them), and reads further lines over earlier ones.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from tailmark.errors import InputError

Conf = Mapping[str, float]
"""Values by ``model.scenario.key``."""

_LINE = re.compile(r"([^\s=#]+)\s+=\s+(\S+)\s*(?:#.*)?")
_KEY = re.compile(r"[\w*-]+(?:\.\d[\w-]*)*\.[\w*]+\.\w+")


def read_conf(path: str | Path) -> dict[str, float]:
    """Read a conf file, as strictly as LoadGen does.

    Raises:
        InputError: It is missing, or a line is none; the line is named.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        reason = getattr(cause, "strerror", None) or cause
        raise InputError(f"{str(path)!r} cannot be read: {reason}; give a user.conf") from cause
    found: dict[str, float] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        value = _number(match[2]) if match else None
        if match is None or value is None or not _KEY.fullmatch(match[1]):
            raise InputError(
                f"{str(path)!r} line {number} is {stripped!r}: write model.scenario.key = number, "
                "with a space on both sides of the equals sign, as *.Server.target_qps = 100"
            )
        found[match[1]] = value
    return found


def write_conf(conf: Conf) -> str:
    """The text of a conf file."""
    return "".join(f"{key} = {_written(value)}\n" for key, value in conf.items())


def lookup(conf: Conf, model: str, scenario: str, key: str) -> float | None:
    """What LoadGen would find: the exact line before wildcards, the model's wildcard first."""
    for place in (f"{model}.{scenario}", f"*.{scenario}", f"{model}.*", "*.*"):
        if f"{place}.{key}" in conf:
            return conf[f"{place}.{key}"]
    return None


def _number(text: str) -> float | None:
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return None


def _written(value: float) -> str:
    """Seeds have more digits than a float holds, so whole numbers stay whole."""
    if isinstance(value, int) or value.is_integer():
        return str(int(value))
    return repr(value)
