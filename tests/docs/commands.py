"""A process that has imported everything once, and forks a process for every command."""

import atexit
import gc
import importlib
import json
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

# Not ONNX Runtime: it starts threads as it is imported, which a fork would leave behind.
_HEAVY = (
    "altair",
    "PIL.Image",
    "scipy.stats",
    "tailmark.analysis.summary",
    "tailmark.experiment_file",
    "tailmark.measurement",
    "tailmark.report",
    "vl_convert",
)


def environment() -> dict[str, str]:
    """Ours, as if no make had started us."""
    return {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}


class Commands:
    """Runs ``tailmark`` as the installed script does, without importing all of it each time.

    Args:
        cache: Where models are kept that are made.
    """

    def __init__(self, cache: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment() | {"TAILMARK_CACHE": str(cache)},
        )

    def run(self, words: list[str], folder: Path) -> None:
        """Run ``tailmark`` with these words in this folder; it is to end well."""
        said = folder / ".said"
        assert self._process.stdin
        assert self._process.stdout
        said.touch()
        self._process.stdin.write(json.dumps([words, str(folder), str(said)]) + "\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline().strip()
        assert code == "0", f"tailmark {words} ended with {code}:\n{said.read_text('utf-8')}"

    def stop(self) -> None:
        """End the process."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def main() -> None:
    """Serve what is asked for, one command after the other."""
    for module in _HEAVY:
        importlib.import_module(module)
    from tailmark.cli.main import main as run

    gc.freeze()  # what all share is neither looked through nor copied
    for line in sys.stdin:
        words, folder, said = json.loads(line)
        child = os.fork()
        if child == 0:
            _become(words, Path(folder), said)
            _end(run)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _become(words: list[str], folder: Path, said: str) -> None:
    os.chdir(folder)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)
    sys.argv = ["tailmark", *words]


def _end(run: Callable[[], object]) -> NoReturn:
    """Run it and end as the interpreter does, without taking all modules apart."""
    code: object = 1
    try:
        run()
        code = 0
    except SystemExit as stop:
        code = stop.code
    except BaseException:  # noqa: BLE001 - printed, as the interpreter does
        traceback.print_exc()
    finally:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else int(code is not None))


if __name__ == "__main__":
    main()
