"""A submission's directory from runs that LoadGen drove, checked as soon as it is written."""

import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tailmark.errors import InputError, nearest
from tailmark.loadgen.logs import ACCURACY, DETAIL, SUMMARY
from tailmark.mlperf import pages, rules
from tailmark.mlperf.check.findings import Finding
from tailmark.mlperf.check.reading import UnreadableError, read_object
from tailmark.mlperf.check.submission import check_submission
from tailmark.mlperf.describing import (
    UNKNOWN,
    Described,
    default_name,
    describe_model,
    describe_system,
)
from tailmark.mlperf.measured import Measured, accuracy_line, measured
from tailmark.mlperf.truncation import hash_line, truncated
from tailmark.records.model import Run
from tailmark.records.store import as_run

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_SHORT = 3
_ANY = "localhost"

AnyRun = Run | Path | str


@dataclass(frozen=True, kw_only=True)
class Package:
    """A submission that was written.

    Args:
        path: Its directory.
        division: The division's folder.
        submitter: The submitter's.
        system: The system's name.
        benchmark: The benchmark's.
        scenarios: What was added, as LoadGen calls them.
        to_complete: Fields nobody recorded, by file: somebody who knows fills them in.
        findings: What `check_submission` says of it, and what might tell of the machine.
    """

    path: Path
    division: str
    submitter: str
    system: str
    benchmark: str
    scenarios: tuple[str, ...]
    to_complete: Mapping[str, tuple[str, ...]]
    findings: tuple[Finding, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "format": 1,
            "path": str(self.path),
            "division": self.division,
            "submitter": self.submitter,
            "system": self.system,
            "benchmark": self.benchmark,
            "scenarios": list(self.scenarios),
            "to_complete": {file: list(names) for file, names in self.to_complete.items()},
            "findings": [one.to_dict() for one in self.findings],
        }


def package_submission(
    runs: AnyRun | Iterable[AnyRun],
    *,
    submitter: str,
    benchmark: str,
    out: Path | str,
    division: str = "open",
    suite: str = "edge",
    category: str = "available",
    system_name: str | None = None,
    stands_for: str | None = None,
    system: Mapping[str, Any] | Path | str | None = None,
    measurements: Mapping[str, Any] | Path | str | None = None,
    accuracy: str | None = None,
    round_index: int = 0,
) -> Package:
    """Write runs as MLPerf wants them handed in: one benchmark on one system, a scenario a run.

    A directory that is there already gets them added.

    Args:
        runs: Measured with ``engine: loadgen``.
        submitter: Who hands them in; a folder's name.
        benchmark: Which benchmark it is; a folder's name.
        out: The submission's directory.
        division: ``open``, ``closed`` or ``network``.
        suite: ``edge``, ``datacenter`` or ``datacenter,edge``.
        category: ``available``, ``preview`` or ``rdi``.
        system_name: A folder's name; by default made of the processor and its cores.
        stands_for: The official benchmark whose task it performs, where its name does not say so.
        system: Fields of the system's description, or the JSON file that holds them.
        measurements: Likewise of ``measurements.json``.
        accuracy: What the accuracy test reached, such as ``mAP=33.1``; by default counted from it.
        round_index: Which round's performance test is handed in.

    Raises:
        InputError: Runs that LoadGen did not measure, that are not of one system, or are there
            already; a name that cannot be one.
    """
    plan = _Plan(
        out=Path(out), division=division, submitter=submitter, benchmark=benchmark, suite=suite
    )
    _check_words(plan, category, stands_for)
    found = [
        measured(as_run(run), round_index)
        for run in ([runs] if isinstance(runs, Run | Path | str) else runs)
    ]
    _check_alike(found)
    name = system_name or _folder_name(default_name(found[0].run))
    _check_name("system-name", name)
    for one in found:
        if (plan.result(name, one.scenario)).exists():
            raise InputError(
                f"{str(plan.result(name, one.scenario))!r} is there already: remove it, or give "
                "another --system-name or --out"
            )
    given = {
        "division": division,
        "submitter": submitter,
        "status": category,
        "system_type": suite,
    }
    before = _before(found[0], plan.home / "systems" / f"{name}.json")
    own = {**before, **_object("system", system)}
    described = describe_system(found[0].run, given, own, found[0].loadgen)
    models = [describe_model(one.run, _object("measurements", measurements)) for one in found]
    files = _shared_files(plan, name, described, stands_for)
    for one, model in zip(found, models, strict=True):
        files |= _result_files(plan, name, one, model, accuracy or accuracy_line(one))
    _write(files)
    unknown = {f"systems/{name}.json": described.unknown} | {
        f"{one.scenario}/measurements.json": model.unknown
        for one, model in zip(found, models, strict=True)
    }
    findings = [*_private(plan.out, files), *check_submission(plan.out)]
    return Package(
        path=plan.out,
        division=division,
        submitter=submitter,
        system=name,
        benchmark=benchmark,
        scenarios=tuple(one.scenario for one in found),
        to_complete={file: names for file, names in unknown.items() if names},
        findings=tuple(sorted(findings, key=lambda one: (one.file, one.severity))),
    )


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Where things go."""

    out: Path
    division: str
    submitter: str
    benchmark: str
    suite: str

    @property
    def home(self) -> Path:
        return self.out / self.division / self.submitter

    def result(self, system: str, scenario: str) -> Path:
        return self.home / "results" / system / self.benchmark / scenario


def _check_words(plan: _Plan, category: str, stands_for: str | None) -> None:
    _check_name("submitter", plan.submitter)
    _check_name("benchmark", plan.benchmark)
    for what, chosen, known in (
        ("division", plan.division, rules.DIVISIONS),
        ("suite", plan.suite, rules.SUITES),
        ("category", category, rules.CATEGORIES),
    ):
        if chosen not in known:
            raise InputError(f"{what} is {chosen!r}: give {', '.join(known[:-1])} or {known[-1]}")
    if stands_for is not None and rules.official_name(stands_for) is None:
        raise InputError(
            f"stands-for is {stands_for!r}{nearest(stands_for, rules.BENCHMARKS)}: "
            f"give one of {', '.join(rules.BENCHMARKS)}"
        )


def _shared_files(
    plan: _Plan, system: str, described: Described, stands_for: str | None
) -> dict[Path, bytes]:
    """What the results of a submitter have in common; pages that are there already are kept."""
    home = plan.home
    files = {home / "systems" / f"{system}.json": _json(described.fields)}
    for path, text in (
        (home / "documentation" / "README.md", pages.documentation_page(system)),
        (home / "src" / "README.md", pages.source_page()),
    ):
        if not path.exists():
            files[path] = text.encode()
    if stands_for is not None:
        mapping = home / "model_mapping.json"
        said = _object("the mapping", mapping if mapping.exists() else None)
        files[mapping] = _json({**said, plan.benchmark: rules.official_name(stands_for)})
    return files


def _result_files(
    plan: _Plan, system: str, one: Measured, model: Described, accuracy: str
) -> dict[Path, bytes]:
    """Logs as LoadGen wrote them, but for the accuracy log, and what is said about them."""
    folder = plan.result(system, one.scenario)
    whole = (one.accuracy / ACCURACY).read_bytes()
    copied = {
        folder / to / log: (of / log).read_bytes()
        for to, of in (("performance/run_1", one.performance), ("accuracy", one.accuracy))
        for log in (SUMMARY, DETAIL)
    }
    settings = plan.home / "src" / plan.benchmark / f"{one.scenario}.json"
    return copied | {
        folder / "accuracy" / ACCURACY: truncated(whole),
        folder / "accuracy" / "accuracy.txt": f"{accuracy}\n{hash_line(whole)}\n".encode(),
        folder / "user.conf": (one.performance / "user.conf").read_bytes(),
        folder / "measurements.json": _json(model.fields),
        folder / "README.md": pages.scenario_page(one, plan.benchmark, accuracy).encode(),
        settings: pages.settings_page(one).encode(),
    }


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{what} is {name!r}: it names a folder, so give letters, digits, '.', '_', '+' and '-'"
        )


def _folder_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+") or "system"


def _check_alike(found: list[Measured]) -> None:
    """One system, and every scenario once."""
    if not found:
        raise InputError("no run is given: give one or more that LoadGen measured")
    first = found[0]
    seen: dict[str, Measured] = {}
    for one in found:
        other = seen.setdefault(one.scenario, one)
        if other is not one:
            raise InputError(
                f"{other.run.name!r} and {one.run.name!r} are both {one.scenario}: give one of them"
            )
        for what in ("processor", "memory_bytes", "os", "packages"):
            here, there = (_stable(m.run.manifest.environment.get(what)) for m in (one, first))
            if here != there:
                raise InputError(
                    f"{first.run.name!r} and {one.run.name!r} were measured on different systems "
                    f"({what}): package them apart, each with its --system-name"
                )


def _stable(value: Any) -> Any:
    """Without what a clock changes from one moment to the next."""
    if isinstance(value, Mapping):
        return {k: v for k, v in value.items() if k not in ("mhz", "governor", "usable_cores")}
    return value


def _object(what: str, given: Mapping[str, Any] | Path | str | None) -> Mapping[str, Any]:
    if given is None or isinstance(given, Mapping):
        return given or {}
    try:
        return read_object(Path(given))
    except UnreadableError as cause:
        raise InputError(
            f"{what} {str(given)!r} {cause}: give a file with a JSON object"
        ) from cause


def _before(one: Measured, path: Path) -> dict[str, Any]:
    """What a description that is there already says, if it is of this system; it is kept."""
    if not path.exists():
        return {}
    before = _object("the description", path)
    now = describe_system(one.run, {}, {}, one.loadgen).fields
    for name in ("host_processor_model_name", "host_memory_capacity", "operating_system"):
        if before.get(name, now[name]) != now[name]:
            raise InputError(
                f"{str(path)!r} describes another system ({name} is {before[name]!r}): "
                "give another --system-name"
            )
    return {name: value for name, value in before.items() if value != UNKNOWN}


def _json(fields: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(fields, indent=2, ensure_ascii=False)}\n".encode()


def _write(files: Mapping[Path, bytes]) -> None:
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as cause:
        raise InputError(
            f"{str(path)!r} cannot be written ({cause.strerror}): give another --out"
        ) from cause


def _private(root: Path, files: Mapping[Path, bytes]) -> list[Finding]:
    """Files that tell of this machine what others need not know."""
    names = {"a home folder": str(Path.home()), "this host": platform.node()}
    told = {what: name for what, name in names.items() if len(name) > _SHORT and name != _ANY}
    found = []
    for path, content in files.items():
        for what, name in told.items():
            if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])".encode(), content):
                found.append(
                    Finding(
                        severity="warning",
                        rule="private",
                        file=path.relative_to(root).as_posix(),
                        found=f"the file names {what}",
                        allowed="a submission is published",
                        remedy="take it out, if nobody needs to know",
                    )
                )
    return found
