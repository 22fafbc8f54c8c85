"""The compliance tests of a result: ``TESTxx/`` beside its logs. The open division has none."""

from pathlib import Path

from tailmark.mlperf import rules
from tailmark.mlperf.check.accuracy import metrics
from tailmark.mlperf.check.findings import Notes
from tailmark.mlperf.check.performance import check_log, open_logs
from tailmark.mlperf.check.reading import UnreadableError, read_text
from tailmark.mlperf.check.tree import Result, expect_file, files

_ALLOWED = {*rules.LOGS, "mlperf_log_accuracy.json", "mlperf_log_trace.json", "results.json"}
_PASSED = "TEST PASS"


def check_compliance(result: Result, notes: Notes) -> None:
    """Hold the compliance tests that a benchmark asks for against the rules."""
    if result.is_open or result.asks is None:
        return
    for test in result.asks.tests:
        if not (result.path / test).is_dir():
            notes.error(
                "compliance-missing",
                result.file(test),
                f"there is no {test}",
                f"{result.official} needs {', '.join(result.asks.tests)} "
                f"in the {result.division} division",
                "run the test, and add its folder",
            )
            continue
        if test in rules.TESTED_PERFORMANCE:
            _performance(result, test, notes)
        if test in rules.TESTED_ACCURACY:
            _accuracy(result, test, notes)
        if test in rules.TESTED_LENGTH:
            _verdict(result, test, "verify_output_len.txt", notes)


def _performance(result: Result, test: str, notes: Notes) -> None:
    _verdict(result, test, "verify_performance.txt", notes)
    folder = (test, "performance", "run_1")
    log = open_logs(result, folder, notes)
    if log is not None:
        check_log(result, log, notes, test)
    for path in files(result.path.joinpath(*folder)):
        if path.name not in _ALLOWED and not path.name.startswith("."):
            notes.error(
                "compliance-files",
                result.file(*folder, path.name),
                "the file does not belong there",
                f"the folder holds {' and '.join(rules.LOGS)}",
                "remove it",
            )


def _accuracy(result: Result, test: str, notes: Notes) -> None:
    name = "verify_accuracy.txt"
    if test == "TEST06":
        text = _read(result, test, name, notes)
        lines = {line.strip() for line in (text or "").splitlines()}
        for alternatives in rules.TEST06_LINES if text is not None else ():
            if lines.isdisjoint(alternatives):
                notes.error(
                    "compliance-failed",
                    result.file(test, name),
                    f"it does not say {alternatives[0]!r}",
                    f"{test} has to pass",
                    "find out why, and run it again",
                )
    elif test != "TEST01":
        _verdict(result, test, name, notes)
    else:
        text = _read(result, test, name, notes)
        if text is not None and _PASSED not in text.splitlines():
            _nearly_equal(result, test, notes)


def _verdict(result: Result, test: str, name: str, notes: Notes) -> None:
    text = _read(result, test, name, notes)
    if text is not None and _PASSED not in text:
        notes.error(
            "compliance-failed",
            result.file(test, name),
            f"it does not say {_PASSED!r}",
            f"{test} has to pass",
            "find out why, and run it again",
        )


def _read(result: Result, test: str, name: str, notes: Notes) -> str | None:
    path, file = result.path / test / name, result.file(test, name)
    if not expect_file(path, file, notes, f"add what {test}'s verification printed"):
        return None
    try:
        return read_text(path)
    except UnreadableError as cause:
        notes.error(
            "file-unreadable", file, f"the file {cause}", "it can be read", "give leave to read it"
        )
        return None


def _nearly_equal(result: Result, test: str, notes: Notes) -> None:
    """Outputs that differ in bits have to be as accurate as those of the accuracy run."""
    folder = result.path / test / "accuracy"
    for name in rules.TEST01_ACCURACY_FILES:
        why = "outputs were not the same, so both accuracies have to be shown"
        expect_file(folder / name, result.file(test, "accuracy", name), notes, why)
    names = ("baseline_accuracy.txt", "compliance_accuracy.txt")
    baseline, tested = (_metrics(folder / name) for name in names)
    for target in result.asks.targets if result.asks else ():
        one, other = baseline.get(target.metric), tested.get(target.metric)
        most = rules.allowed_difference(result.official or "", target.metric)
        if one and other and abs(1 - one / other) <= most:
            continue
        notes.error(
            "compliance-failed",
            result.file(test, "verify_accuracy.txt"),
            f"{test} did not pass, and {target.metric} is {_said(one)} beside {_said(other)}",
            f"they differ by {most:.1%} or less where outputs are not the same",
            "find out why outputs differ, and run it again",
        )


def _metrics(path: Path) -> dict[str, float]:
    try:
        return metrics(read_text(path))
    except UnreadableError:
        return {}


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:g}"
