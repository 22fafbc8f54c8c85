"""Everything around the system that made the numbers: processor, memory, kernel, packages, code.

Host names, user names and home paths are left out: a run is meant to be shown to others.
"""

import os
import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("tailmark", "numpy", "scipy", "pyarrow", "pillow", "onnxruntime", "torch", "openvino")
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "OMP_WAIT_POLICY",
)


def capture(experiment_folder: Path | None = None) -> dict[str, Any]:
    """Describe the machine and the software, as far as it can be read; absent facts are null.

    Args:
        experiment_folder: Where the experiment file is, to name its git commit if it has one.
    """
    return {
        "processor": _processor(),
        "memory_bytes": _memory_bytes(),
        "os": {
            "system": platform.system(),
            "release": platform.release(),
            "version": platform.version(),
            "machine": platform.machine(),
        },
        "python": {
            "version": platform.python_version(),
            "implementation": platform.python_implementation(),
            "free_threaded": not getattr(sys, "_is_gil_enabled", lambda: True)(),
        },
        "packages": _packages(),
        "variables": {name: os.environ[name] for name in _THREAD_VARIABLES if name in os.environ},
        "git": git_commit(experiment_folder) if experiment_folder else None,
    }


def governor() -> str | None:
    """The frequency governor of the first core, where the kernel shows one."""
    return _read(Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))


def load_average() -> float | None:
    """Runnable processes over the last minute, where the system counts them."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def usable_cores() -> int:
    """Cores this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def _processor() -> dict[str, Any]:
    details = _proc_cpuinfo()
    return {
        "model": details.get("model name") or platform.processor() or None,
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "governor": governor(),
        "mhz": _number(details.get("cpu MHz")),
        "flags": sorted((details.get("flags") or details.get("Features") or "").split()),
    }


def _proc_cpuinfo() -> dict[str, str]:
    text = _read(Path("/proc/cpuinfo")) or ""
    first = text.split("\n\n", 1)[0]
    pairs = (line.split(":", 1) for line in first.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit(folder: Path) -> dict[str, Any] | None:
    """The commit a folder stands at and whether its files differ from it; None outside git."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(folder, "status", "--porcelain", "--", "."))}


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed words, and the folder is the user's own
            ["git", "-C", str(folder), *words],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
