"""Where things are in a submission, and what a result's checks need to know of its surroundings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.mlperf import rules
from tailmark.mlperf.check.findings import Notes
from tailmark.mlperf.check.reading import UnreadableError, read_object


def named(root: Path, path: Path) -> str:
    """A path relative to the directory that is checked, as it can be printed anywhere."""
    text = path.relative_to(root).as_posix()
    return text.encode("utf-8", errors="replace").decode("utf-8")


def folders(path: Path) -> list[Path]:
    """The folders in a folder, by name; none where it cannot be listed."""
    try:
        return sorted(p for p in path.iterdir() if p.is_dir())
    except OSError:
        return []


def files(path: Path) -> list[Path]:
    """The files in a folder, by name; none where it cannot be listed."""
    try:
        return sorted(p for p in path.iterdir() if p.is_file())
    except OSError:
        return []


@dataclass(frozen=True, kw_only=True)
class Submitter:
    """All that one submitter hands in, in one division.

    Args:
        root: The directory that is checked.
        path: ``{division}/{submitter}``.
        division: The division's folder.
        mapping: What the submitter's names of benchmarks stand for; open division only.
    """

    root: Path
    path: Path
    division: str
    mapping: Mapping[str, str]

    @property
    def name(self) -> str:
        """The submitter's folder."""
        return self.path.name

    @property
    def results(self) -> Path:
        """Where the results are."""
        return self.path / "results"

    def file(self, *parts: str) -> str:
        """A file of theirs, as findings name it."""
        return named(self.root, self.path.joinpath(*parts))

    def describe(self, system: str) -> dict[str, Any]:
        """The description of a system.

        Raises:
            UnreadableError: It cannot be read.
        """
        return read_object(self.path / "systems" / f"{system}.json")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One benchmark in one scenario on one system.

    Args:
        root: The directory that is checked.
        path: ``results/{system}/{benchmark}/{scenario}``.
        division: The division's folder.
        name: The benchmark's folder; empty where there is none.
        official: The benchmark that name stands for, if any.
        scenario: The scenario's folder; empty where there is none.
        system: The system's description; empty where it cannot be read.
    """

    root: Path
    path: Path
    division: str
    name: str
    official: str | None
    scenario: str
    system: Mapping[str, Any]

    @property
    def asks(self) -> rules.Benchmark | None:
        """What the rules ask of this benchmark, if they know it."""
        return rules.BENCHMARKS.get(self.official or "")

    @property
    def is_open(self) -> bool:
        """Whether it is in the open division."""
        return self.division == "open"

    @property
    def is_network(self) -> bool:
        """Whether the system is reached over a network."""
        return str(self.system.get("is_network")).lower() == "true"

    @property
    def suite(self) -> str:
        """The suite, as the rules write it; empty where it is none of them."""
        return suite_of(self.system)

    def file(self, *parts: str) -> str:
        """A file of its folder, as findings name it."""
        return named(self.root, self.path.joinpath(*parts))


def suite_of(system: Mapping[str, Any]) -> str:
    """The suite that a system is handed in for; empty where it is none."""
    said = system.get("system_type")
    if not isinstance(said, str):
        return ""
    ordered = ",".join(sorted(said.split(",")))
    return ordered if ordered in rules.SUITES else ""


def submitters(root: Path, notes: Notes) -> Iterator[Submitter]:
    """Every submitter of every division."""
    for division in rules.DIVISIONS:
        for path in folders(root / division):
            mapping: dict[str, str] = {}
            given = path / "model_mapping.json"
            if division == "open" and given.exists():
                try:
                    said = read_object(given)
                    mapping = {k: v for k, v in said.items() if isinstance(v, str)}
                except UnreadableError as cause:
                    notes.error(
                        "file-unreadable",
                        named(root, given),
                        f"the file {cause}",
                        "it maps names of benchmarks to official ones",
                        'write one JSON object, such as {"my-net": "resnet"}',
                    )
            yield Submitter(root=root, path=path, division=division, mapping=mapping)


def expect_file(path: Path, file: str, notes: Notes, why: str) -> bool:
    """Whether a file is there and holds something; a finding where not."""
    try:
        there, empty = path.is_file(), path.is_file() and path.stat().st_size == 0
    except OSError:
        there, empty = False, False
    if not there:
        notes.error("file-missing", file, "the file is missing", "it is required", why)
    elif empty:
        notes.error("file-empty", file, "the file is empty", "it has to hold something", why)
    return there and not empty
