"""A measurement to be killed, starved or left hanging: ``measuring.py OUT CALL {settings}``."""

import json
import resource
import sys
from pathlib import Path

import numpy as np

import tailmark
import tailmark.bench
from tailmark.errors import TailmarkError

WORKLOAD = tailmark.Arrays(inputs=np.arange(12), references=np.arange(12) % 3, classes=3)


def main(out: str, call: str, settings: str) -> None:
    """Measure; after ``full_after`` rounds no file may grow beyond a few bytes."""
    options = json.loads(settings)
    full_after = options.pop("full_after", None)

    def progress(now: tailmark.bench.Progress) -> None:
        if now.done == full_after:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))

    system = tailmark.Function(call=call, folder=Path(__file__).parent)
    try:
        tailmark.measure(WORKLOAD, system, out=out, progress=progress, **options)
    except TailmarkError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(*sys.argv[1:])
