"""Which tests a directory of LoadGen's logs holds, and what each says of itself."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from tailmark.errors import InputError
from tailmark.loadgen.logs import (
    ACCURACY,
    DETAIL,
    SUMMARY,
    TRACE,
    Accuracy,
    Detail,
    Summary,
    read_accuracy,
    read_detail,
    read_summary,
    scenario_named,
)

Mode = Literal["performance", "accuracy", "both", "peak"]

_FILES = (SUMMARY, DETAIL, ACCURACY, TRACE)
_DEEPEST = 5
_COMPLIANCE = re.compile(r"TEST\d\d.*", re.IGNORECASE)
_SHOWN = 6


@dataclass(frozen=True)
class LoadGenTest:
    """One test: up to four files in one directory, each read when it is first asked for.

    Args:
        folder: The directory.
        name: It, as seen from the directory that is imported; ``.`` if it is that itself.
    """

    folder: Path
    name: str

    def file(self, name: str) -> Path | None:
        """One of its files, if it is there and holds anything."""
        path = self.folder / name
        return path if path.is_file() and path.stat().st_size else None

    @property
    def files(self) -> tuple[Path, ...]:
        """Those that are there."""
        return tuple(path for path in map(self.file, _FILES) if path)

    @cached_property
    def summary(self) -> Summary:
        """Its summary; an empty one where there is none."""
        path = self.file(SUMMARY)
        return read_summary(path) if path else Summary()

    @cached_property
    def detail(self) -> Detail:
        """Its details; none where there is no such file."""
        path = self.file(DETAIL)
        return read_detail(path) if path else Detail(entries=(), unread=0)

    @cached_property
    def accuracy(self) -> Accuracy | None:
        """Its accuracy log, if there is any answer in it."""
        path = self.file(ACCURACY)
        read = read_accuracy(path) if path else None
        return read if read and (len(read) or read.unread) else None

    @cached_property
    def mode(self) -> Mode:
        """What was tested, as the logs say; where they do not, by what was logged."""
        said = str(self.detail.get("effective_test_mode") or self.summary.mode or "").lower()
        for word, mode in _MODES.items():
            if word in said:
                return mode
        return "accuracy" if self.accuracy and not self.summary.statistics else "performance"

    @cached_property
    def scenario(self) -> str | None:
        """How queries were sent."""
        return self.summary.scenario or scenario_named(self.detail.get("effective_scenario"))

    @property
    def empty(self) -> bool:
        """Whether its files tell nothing."""
        told = self.summary.to_dict().values()
        return not (self.file(TRACE) or any(told) or self.detail.entries or self.accuracy)


_MODES: dict[str, Mode] = {
    "submission": "both",
    "findpeak": "peak",
    "find peak": "peak",
    "accuracy": "accuracy",
    "performance": "performance",
}


def find_tests(directory: Path) -> list[LoadGenTest]:
    """The tests of a directory, or of the tree below it, in the order of their names.

    Compliance tests beside the results (``TEST01``, …) are no part of them.

    Raises:
        InputError: There is none, or there are those of several results.
    """
    if not directory.is_dir():
        raise InputError(
            f"{str(directory)!r} is no directory: give the one that holds {SUMMARY}, or one of runs"
        )
    found = [
        LoadGenTest(folder, folder.relative_to(directory).as_posix())
        for folder in _folders(directory, _DEEPEST)
        if any((folder / name).is_file() for name in _FILES)
    ]
    tests = [test for test in found if not test.empty]
    if not tests:
        raise InputError(
            f"{str(directory)!r} holds no LoadGen log that says anything: give the directory of "
            f"{SUMMARY}, {DETAIL}, {ACCURACY} or {TRACE}"
        )
    _one_result(directory, tests)
    return tests


def _folders(directory: Path, deeper: int) -> Iterator[Path]:
    """Directories from the top down; below one that is a test there is none."""
    yield directory
    if not deeper or any((directory / name).is_file() for name in _FILES):
        return
    try:
        below = sorted((f for f in directory.iterdir() if f.is_dir()), key=_numbered)
    except OSError as cause:
        raise InputError(f"{str(directory)!r} cannot be read: {cause.strerror}") from cause
    for folder in below:
        if not folder.is_symlink() and not _COMPLIANCE.fullmatch(folder.name):
            yield from _folders(folder, deeper - 1)


def _numbered(folder: Path) -> list[tuple[int, str]]:
    """Sorts ``run_2`` before ``run_10``."""
    parts = re.split(r"(\d{1,18})", folder.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _one_result(directory: Path, tests: Sequence[LoadGenTest]) -> None:
    """Refuse tests of several systems, models or scenarios: rounds of one run are alike.

    Raises:
        InputError: They are named.
    """
    results: dict[str, None] = {}
    for test in tests:
        parts = [] if test.name == "." else test.name.split("/")
        while parts and re.fullmatch(r"performance|accuracy|run_?\d+", parts[-1].lower()):
            parts.pop()
        results["/".join(parts) or "."] = None
    scenarios = sorted({test.scenario for test in tests if test.scenario})
    if len(results) > 1:
        names = list(results)
        shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
        raise InputError(
            f"{str(directory)!r} holds {len(names)} results ({shown}): import them one by one"
        )
    if len(scenarios) > 1:
        raise InputError(
            f"{str(directory)!r} holds tests of {' and '.join(scenarios)}: import them one by one"
        )
