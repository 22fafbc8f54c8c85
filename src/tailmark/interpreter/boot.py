"""The first thing another interpreter runs, by its path; it knows nothing of tailmark yet.

Its arguments are the module whose ``serve(numbers, pipe)`` it is to run, the numbers of open files
that are handed on, and the pipe's. Any Python 3 must be able to read this file.
"""

import importlib.util
import json
import sys
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

OLDEST = (3, 10)


def main() -> None:
    """Say that this Python cannot do it, or find tailmark by its path and serve."""
    if sys.version_info < OLDEST:
        here, needed = ("{}.{}".format(*version) for version in (sys.version_info, OLDEST))
        _refuse("it is Python " + here + ", and " + needed + " or later is needed")
        return
    folder = Path(__file__).resolve().parent
    sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != folder]
    package = folder.parent
    # By path, and not by a place on sys.path, where all of our packages would come along.
    spec: Any = importlib.util.spec_from_file_location(
        "tailmark", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    sys.modules["tailmark"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    try:
        serve = importlib.import_module(sys.argv[1]).serve
    except ImportError as cause:
        _refuse("it lacks what tailmark needs there (" + str(cause) + "): install numpy into it")
        return
    numbers = [int(number) for number in sys.argv[2:-1]]
    importlib.import_module("tailmark.child").attend(partial(serve, numbers))


def _refuse(sentence: str) -> None:
    message = json.dumps({"refused": sentence})
    Connection(int(sys.argv[-1])).send_bytes(message.encode())


if __name__ == "__main__":
    main()
