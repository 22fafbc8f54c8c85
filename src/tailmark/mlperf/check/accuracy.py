"""The accuracy run: every sample once, what it reached, and the log behind it."""

import hashlib
import re
from collections.abc import Mapping

from tailmark.mlperf import rules
from tailmark.mlperf.check.findings import Notes, shown
from tailmark.mlperf.check.performance import check_loadgen, open_logs
from tailmark.mlperf.check.reading import Log, UnreadableError, read_text
from tailmark.mlperf.check.tree import Result, expect_file

_FOLDER = "accuracy"
_HASH = re.compile(r"^hash=(\w+)\s*$", re.MULTILINE)
_NUMBER = re.compile(r"[:=]\s*['\"]?[0-9]")
_SHA256 = re.compile(r"[0-9a-f]{64}")
CUT = "\n\n...\n\n"
"""What the official tool writes between the two ends it leaves of an accuracy log."""


def check_accuracy(result: Result, notes: Notes) -> None:
    """Hold the accuracy run of a result against the rules."""
    log = open_logs(result, (_FOLDER,), notes)
    if log is not None:
        check_loadgen(log, notes)
        _mode(log, notes)
        _samples(result, log, notes)
    hashed = _reached(result, notes)
    _truncated(result, hashed, notes)
    _extra(result, notes)


def metrics(text: str) -> dict[str, float]:
    """The metrics that an ``accuracy.txt`` reports, by the names of `rules.METRICS`."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        for name, pattern in rules.METRICS.items():
            match = re.search(pattern, line)
            if match:
                found.setdefault(name, float(match[1]))
    return found


def _mode(log: Log, notes: Notes) -> None:
    mode = log.text("effective_test_mode")
    if mode not in ("AccuracyOnly", "SubmissionRun") and not log.old:
        notes.error(
            "mode",
            log.file,
            f"the test's mode is {shown(mode)}",
            "an accuracy run's is AccuracyOnly",
            "put in the log of an accuracy run",
        )


def _samples(result: Result, log: Log, notes: Notes) -> None:
    if not result.asks:
        return
    counted = log.number("effective_accuracy_sample_count")
    found = log.number("qsl_reported_total_count") if counted is None else counted
    of_scenario = {k.lower(): v for k, v in result.asks.accuracy_samples_of.items()}
    due = of_scenario.get(result.scenario.lower(), result.asks.accuracy_samples)
    if found != due:
        notes.error(
            "accuracy-samples",
            log.file,
            f"{'an unknown number of' if found is None else f'{found:,}'} samples were graded",
            f"the data set of {result.official} has {due:,}, in every division",
            "run it over the whole data set",
        )


def _reached(result: Result, notes: Notes) -> str | None:
    """Hold ``accuracy.txt`` against the rules; the hash it holds, if any."""
    name = "accuracy.txt"
    path, file = result.path / _FOLDER / name, result.file(_FOLDER, name)
    if not expect_file(path, file, notes, "report what the accuracy run reached, and its hash"):
        return None
    try:
        text = read_text(path)
    except UnreadableError as cause:
        notes.error(
            "file-unreadable", file, f"the file {cause}", "it can be read", "give leave to read it"
        )
        return None
    _targets(result, text, file, notes)
    hashed = _HASH.search(text)
    if hashed is None or not _SHA256.fullmatch(hashed[1]):
        notes.error(
            "accuracy-hash",
            file,
            f"the hash is {shown(hashed[1])}" if hashed else "there is no hash",
            "a line hash=… holds the SHA-256 of the whole accuracy log",
            "write it before the log is truncated",
        )
        return None
    return hashed[1]


def _targets(result: Result, text: str, file: str, notes: Notes) -> None:
    found = metrics(text)
    if result.asks is None or result.is_open:
        lines = [line for line in text.splitlines() if not line.startswith("hash=")]
        if not any(_NUMBER.search(line) for line in lines):
            notes.error(
                "accuracy-missing",
                file,
                "no number stands there",
                "the accuracy that was reached has to be reported",
                "write a line such as accuracy=70.950%",
            )
        return
    of_scenario = {k.lower(): v for k, v in result.asks.targets_of.items()}
    targets = of_scenario.get(result.scenario.lower(), result.asks.targets)
    for target in targets:
        value = found.get(target.metric)
        if value is None and target.least is not None:
            notes.error(
                "accuracy-missing",
                file,
                f"no line reports {target.metric}",
                f"{result.official} is judged by it",
                "put in what the benchmark's own accuracy script prints",
            )
        elif value is not None and not _within(value, target):
            notes.error(
                "accuracy-target",
                file,
                f"{target.metric} is {value:g}",
                f"{result.official} needs {_range(target)} in the {result.division} division",
                "improve the model, or hand it in to the open division",
            )


def _within(value: float, target: rules.Target) -> bool:
    low = target.least is None or value >= target.least
    return low and (target.most is None or value <= target.most)


def _range(target: rules.Target) -> str:
    ends = []
    if target.least is not None:
        ends.append(f"{target.least:.7g} or more")
    if target.most is not None:
        ends.append(f"{target.most:.7g} or less")
    return " and ".join(ends)


def _truncated(result: Result, hashed: str | None, notes: Notes) -> None:
    name = "mlperf_log_accuracy.json"
    path, file = result.path / _FOLDER / name, result.file(_FOLDER, name)
    if not expect_file(path, file, notes, "add what LoadGen wrote, truncated"):
        return
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= rules.ACCURACY_LOG_BYTES else None
    except OSError as cause:
        notes.error(
            "file-unreadable",
            file,
            f"the file cannot be read ({cause.strerror})",
            "it can be read",
            "give leave to read it",
        )
        return
    if content is None:
        notes.error(
            "accuracy-truncated",
            file,
            f"the log is {size:,} bytes long",
            f"it is truncated to {rules.ACCURACY_LOG_BYTES:,} or less",
            "hash it, then keep its two ends; tailmark mlperf package does",
        )
        return
    whole = CUT.encode() not in content
    if hashed and whole and hashlib.sha256(content).hexdigest() != hashed:
        notes.warning(
            "accuracy-hash",
            file,
            "the log seems whole",
            "its hash is not the one in accuracy.txt",
            "hash this very log, or say why it differs",
        )


def _extra(result: Result, notes: Notes) -> None:
    asked: Mapping[str, tuple[str, ...]] = result.asks.extra_files if result.asks else {}
    for folder, stems in asked.items():
        path = result.path / _FOLDER / folder
        try:
            there = {p.stem for p in path.iterdir()}
        except OSError:
            there = set()
        missing = [stem for stem in stems if stem not in there]
        if missing:
            notes.error(
                "accuracy-extra",
                result.file(_FOLDER, folder),
                f"missing: {', '.join(missing)}",
                f"{result.official} shows {', '.join(stems)}",
                "add what the accuracy run made of them",
            )
