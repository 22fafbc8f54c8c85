"""A whole submission held against MLPerf's rules. Measures nothing, and changes nothing."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tailmark.errors import InputError
from tailmark.mlperf import rules
from tailmark.mlperf.check.accuracy import check_accuracy
from tailmark.mlperf.check.compliance import check_compliance
from tailmark.mlperf.check.findings import Finding, Notes
from tailmark.mlperf.check.measurements import check_measurements
from tailmark.mlperf.check.performance import check_performance
from tailmark.mlperf.check.reading import UnreadableError
from tailmark.mlperf.check.system import check_system
from tailmark.mlperf.check.tree import (
    Result,
    Submitter,
    files,
    folders,
    named,
    submitters,
    suite_of,
)

_LARGEST_BYTES = 50 * 2**20
_LAYOUT = "{division}/{submitter}/results/{system}/{benchmark}/{scenario}"


def check_submission(directory: Path | str) -> list[Finding]:
    """Hold a submission's directory against the rules of MLPerf Inference v6.1.

    It reads whatever is there, however damaged. Power measurements are not checked, nor results of
    the endpoints harness. A folder that holds ``performance`` or ``accuracy`` is taken for one
    result, and its logs are checked.

    Args:
        directory: Where ``closed``, ``network`` or ``open`` are.

    Returns:
        What breaks a rule, by file; empty if nothing does.

    Raises:
        InputError: There is no such directory.
    """
    root = Path(directory)
    if not root.is_dir():
        raise InputError(f"{str(directory)!r} is no directory: give the one that holds open/")
    notes = Notes()
    found = list(submitters(root, notes))
    if found:
        for one in found:
            _submitter(one, notes)
        _sizes(root, notes)
    elif any((root / name).is_dir() for name in ("performance", "accuracy")):
        _lone(root, notes)
    else:
        notes.error(
            "layout",
            ".",
            "there is no division with a submitter",
            f"results lie in {_LAYOUT}",
            "give the directory that holds closed/, network/ or open/",
        )
    return sorted(notes.found, key=lambda one: (one.file, one.severity))


def _submitter(submitter: Submitter, notes: Notes) -> None:
    systems = folders(submitter.results)
    if not systems:
        notes.error(
            "layout",
            submitter.file("results"),
            "there are no results",
            f"results lie in {_LAYOUT}",
            "add them",
        )
    if not (submitter.path / "src").is_dir():
        notes.error(
            "layout",
            submitter.file("src"),
            "there is no folder src",
            "it holds the code that was measured, or says where it is",
            "add it",
        )
    named_systems = {path.name for path in systems}
    for path in files(submitter.path / "systems"):
        if path.suffix == ".json" and path.stem not in named_systems:
            notes.warning(
                "system-without-results",
                named(submitter.root, path),
                "the system has no results",
                "each that is described has some",
                "add them, or remove the description",
            )
    for path in systems:
        _system(submitter, path, notes)


def _system(submitter: Submitter, path: Path, notes: Notes) -> None:
    file = submitter.file("systems", f"{path.name}.json")
    try:
        system = submitter.describe(path.name)
    except UnreadableError as cause:
        system = {}
        notes.error(
            "system-unreadable",
            file,
            f"the description {cause}",
            "every system with results has one",
            "describe it in one JSON object",
        )
    else:
        check_system(submitter, system, file, notes)
    benchmarks = folders(path)
    if not benchmarks:
        notes.error(
            "layout",
            named(submitter.root, path),
            "there are no benchmarks",
            f"results lie in {_LAYOUT}",
            "add them",
        )
    for benchmark in benchmarks:
        _benchmark(submitter, system, benchmark, notes)


def _benchmark(submitter: Submitter, system: Mapping[str, Any], path: Path, notes: Notes) -> None:
    official = rules.official_name(path.name, submitter.mapping)
    file = named(submitter.root, path)
    if official is None:
        say = notes.warning if submitter.division == "open" else notes.error
        say(
            "benchmark-unknown",
            file,
            f"{rules.VERSION} has no benchmark {path.name!r}",
            "the official checker refuses a name that stands for none",
            "say in model_mapping.json which benchmark's task it performs, by that one's own name"
            if submitter.division == "open"
            else "name the folder as the benchmark is, or move it to the open division",
        )
    scenarios = folders(path)
    if not scenarios:
        notes.error(
            "layout",
            file,
            "there are no scenarios",
            f"results lie in {_LAYOUT}",
            "add them",
        )
    elif official and submitter.division != "open":
        _scenarios(official, suite_of(system), scenarios, file, notes)
    for scenario in scenarios:
        _result(
            Result(
                root=submitter.root,
                path=scenario,
                division=submitter.division,
                name=path.name,
                official=official,
                scenario=scenario.name,
                system=system,
            ),
            notes,
        )


def _scenarios(official: str, suite: str, scenarios: list[Path], file: str, notes: Notes) -> None:
    """A benchmark comes with all the scenarios of its suite, and with no others."""
    benchmark = rules.BENCHMARKS[official]
    if not suite:
        return
    if suite not in benchmark.suites:
        notes.error(
            "suite",
            file,
            f"the system is of the suite {suite!r}",
            f"{official} belongs to {' and '.join(repr(s) for s in benchmark.suites)}",
            "hand it in for that suite, or in the open division",
        )
        return
    asked, online = benchmark.suites[suite], suite in benchmark.online
    there = {path.name.lower() for path in scenarios}
    known = {s.lower() for s in (*asked, *(("Server", "Interactive") if online else ()))}
    missing = [s for s in asked if s.lower() not in there]
    if online and there.isdisjoint({"server", "interactive"}):
        missing.append("Server or Interactive")
    unknown = [path.name for path in scenarios if path.name.lower() not in known]
    if missing:
        notes.error(
            "scenario-missing",
            file,
            f"there is no {', '.join(missing)}",
            f"{official} in the suite {suite!r} needs it",
            "measure it, or hand the others in to the open division",
        )
    if unknown:
        notes.error(
            "scenario-unknown",
            file,
            f"there is {', '.join(repr(s) for s in unknown)}",
            f"{official} in the suite {suite!r} has no such scenario",
            "remove it, or hand it in to the open division",
        )


def _result(result: Result, notes: Notes) -> None:
    check_measurements(result, notes)
    if (result.path / "config.yaml").is_file() and not (result.path / "performance/run_1").is_dir():
        notes.warning(
            "endpoints-unchecked",
            result.file("config.yaml"),
            "this is a result of the endpoints harness",
            "tailmark checks those of LoadGen",
            "run the official checker on it",
        )
        return
    check_performance(result, notes)
    check_accuracy(result, notes)
    check_compliance(result, notes)
    if (result.path / "performance" / "power").is_dir():
        notes.warning(
            "power-unchecked",
            result.file("performance", "power"),
            "power was measured",
            "tailmark does not check that",
            "run the official checker on it",
        )


def _lone(root: Path, notes: Notes) -> None:
    notes.error(
        "layout",
        ".",
        "this is one result, whose benchmark and division nobody says",
        f"results lie in {_LAYOUT}",
        "put it there; here only its logs were checked",
    )
    result = Result(
        root=root, path=root, division="open", name="", official=None, scenario="", system={}
    )
    if (root / "performance").is_dir():
        check_performance(result, notes)
    if (root / "accuracy").is_dir():
        check_accuracy(result, notes)


def _sizes(root: Path, notes: Notes) -> None:
    for division in rules.DIVISIONS:
        for folder, _, names in os.walk(root / division):
            for name in names:
                path = Path(folder, name)
                try:
                    size = path.lstat().st_size
                except OSError:
                    continue
                if size > _LARGEST_BYTES:
                    notes.warning(
                        "file-large",
                        named(root, path),
                        f"the file is {size / 2**20:.0f} MiB long",
                        f"the repository of results takes {_LARGEST_BYTES // 2**20} MiB",
                        "leave it out, or shorten it",
                    )
