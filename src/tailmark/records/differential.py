"""One model in many environments, on disk: what each was, how it was made, how it ended.

Format history:
    1: diff.json, runs/NAME (run directories of one design), outputs/NAME (see `raw`) (2026).
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from tailmark.errors import StoreError
from tailmark.records.model import Run
from tailmark.records.raw import RawOutputs, read_raw
from tailmark.records.store import count_rounds, open_run

FORMAT = 1
_FILE = "diff.json"
_UNSAFE = re.compile(r"[^\w.=,+-]+")

Stage = Literal["reading", "conversion", "measuring"]
"""Where an environment failed."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One of the environments.

    Args:
        name: What it is called.
        settings: What it is, by dotted name; paths as they were written.
        changes: What of it the experiment's file says for this environment.
        answers_only: Whether it is only asked, once, and plays no part in what is about time.
        made: How its model was made from the source, step by step; None where it is the source.
        contents: What its model's file is made of, as far as that can be read.
        stage: Where it failed; None where it did not.
        error: Why.
    """

    name: str
    settings: Mapping[str, Any]
    changes: Mapping[str, Any] = field(default_factory=dict)
    answers_only: bool = False
    made: Mapping[str, Any] | None = None
    contents: Mapping[str, Any] | None = None
    stage: Stage | None = None
    error: str | None = None

    @property
    def folder(self) -> str:
        """Its directory's name."""
        return folder_of(self.name)


@dataclass(frozen=True, kw_only=True)
class DifferentialRecord:
    """A differential run: what is on disk but for the runs and outputs themselves.

    Args:
        path: Its directory.
        tailmark: Version that measured it.
        created: UTC, ISO 8601.
        design_id: What its runs share.
        experiment: The file as it was read, resolved.
        baseline: The environment that the others are told against.
        oracle: The one whose numbers are taken for true.
        environments: All of them, the failed ones too.
        attributions: What causes what, as `study.attribution` found it; plain data.
        complete: Whether it came to its end.
    """

    path: Path
    tailmark: str
    created: str
    design_id: str
    experiment: Mapping[str, Any]
    baseline: str
    oracle: str
    environments: tuple[Environment, ...]
    attributions: tuple[Mapping[str, Any], ...] = ()
    complete: bool = False

    def environment(self, name: str) -> Environment:
        """One of them by its name."""
        return next(one for one in self.environments if one.name == name)

    def run(self, name: str) -> Run | None:
        """What was measured in an environment; None where no round was finished.

        Raises:
            StoreError: It is damaged.
        """
        folder = self.path / "runs" / folder_of(name)
        if not (folder / "run.json").exists() or not count_rounds(folder):
            return None
        return open_run(folder)

    def outputs(self, name: str) -> RawOutputs | None:
        """The model's own outputs in an environment; None where they were not kept.

        Raises:
            StoreError: They are damaged.
        """
        return read_raw(self.path / "outputs" / folder_of(name))

    def with_environment(self, changed: Environment) -> "DifferentialRecord":
        """The same with another state of one environment."""
        kept = tuple(changed if one.name == changed.name else one for one in self.environments)
        return replace(self, environments=kept)

    def write(self) -> None:
        """Put it on the disk, whole or not at all.

        Raises:
            StoreError: It cannot be written.
        """
        document = {"format": FORMAT, **asdict(self)}
        del document["path"]
        file = self.path / _FILE
        partial = file.with_suffix(".partial")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(plain(document), indent=1), encoding="utf-8")
            partial.replace(file)
        except OSError as cause:
            raise StoreError(f"{str(file)!r} cannot be written: {cause}") from cause


def is_differential(path: str | Path) -> bool:
    """Whether a directory holds a differential run."""
    return (Path(path) / _FILE).is_file()


def read_differential(path: str | Path) -> DifferentialRecord:
    """Read what is known of a differential run.

    Raises:
        StoreError: Missing, damaged, or of another format.
    """
    path = Path(path)
    file = path / _FILE
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise StoreError(
            f"{str(path)!r} is no differential run: it has no {_FILE} (give the directory that "
            "'tailmark diff --out' named)"
        ) from None
    except (OSError, ValueError) as cause:
        raise StoreError(f"{str(file)!r} is damaged ({cause}): measure it again") from cause
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise StoreError(
            f"{str(path)!r} has differential format {found!r} and this tailmark reads {FORMAT}: "
            "use the tailmark that wrote it, or measure it again"
        )
    try:
        environments = tuple(Environment(**one) for one in document.pop("environments"))
        known = {f.name for f in fields(DifferentialRecord)}
        held = {key: value for key, value in document.items() if key in known}
        held["attributions"] = tuple(held.get("attributions", ()))
        record = DifferentialRecord(path=path, environments=environments, **held)
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise StoreError(f"{str(file)!r} is damaged ({cause}): measure it again") from cause
    if not {record.baseline, record.oracle} <= {one.name for one in environments}:
        raise StoreError(
            f"{str(file)!r} is damaged (its baseline or its oracle is no environment of it): "
            "measure it again"
        )
    return record


def plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """As it is read again: keys are texts, and so is a date, as YAML may have one."""
    found: dict[str, Any] = json.loads(json.dumps(document, default=str))
    return found


def folder_of(name: str) -> str:
    """A name as a directory's."""
    return _UNSAFE.sub("_", name).strip(".") or "_"


def clashing(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that would share a directory, on a disk that may not tell case."""
    seen: dict[str, str] = {}
    for name in names:
        folder = os.path.normcase(folder_of(name)).lower()
        if folder in seen:
            return seen[folder], name
        seen[folder] = name
    return None
