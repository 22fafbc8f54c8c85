"""Each damage to a good submission is found, by the rule it breaks and in the file it is in."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlperf.genuine import ACCURACY, DETAIL, SUMMARY, edit
from tailmark.errors import InputError
from tailmark.mlperf.check.submission import check_submission

HOME = Path("closed/Acme")
SINGLE = HOME / "results/box/resnet50/SingleStream"
OFFLINE = HOME / "results/box/resnet50/Offline"
SYSTEM = HOME / "systems/box.json"
LOG = Path("performance/run_1") / DETAIL

Damage = Callable[[Path], object]


def entry(key: str, old: str, new: str) -> Damage:
    """Another value in a detail log."""
    return lambda path: edit(path, f'"{key}", "value": {old}', f'"{key}", "value": {new}')


def field(name: str, value: object) -> Damage:
    """Another value in a JSON file; None takes the field out."""

    def change(path: Path) -> None:
        held = json.loads(path.read_text(encoding="utf-8"))
        held.pop(name) if value is None else held.update({name: value})
        path.write_text(json.dumps(held), encoding="utf-8")

    return change


def text(content: str) -> Damage:
    """Another content."""
    return lambda path: path.write_text(content, encoding="utf-8")


DAMAGES: list[tuple[str, Path, Damage]] = [
    ("system-unreadable", SYSTEM, Path.unlink),
    ("system-unreadable", SYSTEM, text("[" * 100_000)),
    ("system-field", SYSTEM, field("cooling", None)),
    ("system-field", SYSTEM, field("cooling", "")),
    ("system-field", SYSTEM, field("accelerators_per_node", 0)),
    ("system-field", SYSTEM, field("number_of_nodes", "N/A")),
    ("system-status", SYSTEM, field("status", "soon")),
    ("system-type", SYSTEM, field("system_type", ["edge"])),
    ("system-submitter", SYSTEM, field("submitter", "Other")),
    ("system-division", SYSTEM, field("division", 7)),
    ("network-mode", SYSTEM, field("is_network", "true")),
    ("file-missing", SINGLE / "user.conf", Path.unlink),
    ("file-empty", SINGLE / "README.md", text("")),
    ("file-missing", SINGLE / "measurements.json", Path.unlink),
    ("file-unreadable", SINGLE / "measurements.json", text("[1]")),
    ("measurement-field", SINGLE / "measurements.json", field("retraining", "")),
    ("file-missing", SINGLE / LOG, Path.unlink),
    ("file-missing", SINGLE / LOG.with_name(SUMMARY), Path.unlink),
    ("log-unreadable", SINGLE / LOG, text(":::MLLOG\n")),
    ("log-broken", SINGLE / LOG, lambda p: p.write_bytes(p.read_bytes() + b":::MLLOG {\n")),
    ("log-broken", SINGLE / LOG, entry("sut_name", '"', '"A "quoted" ')),
    ("log-old", SINGLE / LOG, text('"pid": 1, "tid": 1, "ts": 7ns : version : .5a1 @ 6122\n')),
    ("summary-unlike", SINGLE / LOG.with_name(SUMMARY), lambda p: edit(p, ": VALID", ": NO")),
    ("loadgen-error", SINGLE / LOG, lambda p: edit(p, '"is_error": false', '"is_error": true')),
    ("loadgen-altered", SINGLE / LOG, entry("loadgen_git_status_message", '""', '"M a.cc"')),
    ("mode", SINGLE / LOG, entry("effective_test_mode", '"Perf', '"Find')),
    ("scenario", SINGLE / LOG, entry("effective_scenario", '"SingleStream"', '"Server"')),
    ("scenario", SINGLE / LOG, entry("effective_scenario", '"SingleStream"', "[]")),
    (
        "performance-samples",
        SINGLE / LOG,
        entry("effective_performance_sample_count", "1024", "1023"),
    ),
    ("seed", SINGLE / LOG, entry("effective_qsl_rng_seed", "2", "3")),
    ("seed", SINGLE / LOG, entry("effective_sample_index_rng_seed", "2", "3")),
    ("seed", SINGLE / LOG, entry("effective_schedule_rng_seed", "1", "3")),
    ("early-stopping", SINGLE / LOG, entry("early_stopping_met", "true", "false")),
    ("validity", SINGLE / LOG, entry("result_validity", '"VALID"', '"INVALID"')),
    ("min-duration", SINGLE / LOG, entry("effective_min_duration_ms", "600000", "599999")),
    ("log-entry", SINGLE / LOG, entry("effective_min_duration_ms", "600000", '"long"')),
    ("log-entry", SINGLE / LOG, entry("effective_min_duration_ms", "600000", "NaN")),
    ("log-entry", SINGLE / LOG, entry("effective_min_duration_ms", "600000", "true")),
    ("score", SINGLE / LOG, entry("early_stopping_latency_ss", "", "-")),
    ("same-sample", SINGLE / LOG, entry("effective_performance_issue_same", "false", "true")),
    ("offline-samples", OFFLINE / LOG, entry("effective_samples_per_query", "2", "1")),
    (
        "samples-per-query",
        SINGLE.with_name("MultiStream") / LOG,
        entry("effective_samples_per_query", "8", "4"),
    ),
    ("file-missing", SINGLE / "accuracy" / "accuracy.txt", Path.unlink),
    ("accuracy-missing", SINGLE / "accuracy" / "accuracy.txt", text(f"hash={64 * 'a'}")),
    ("accuracy-hash", SINGLE / "accuracy" / "accuracy.txt", text("accuracy=76.4%\nhash=1")),
    (
        "accuracy-target",
        SINGLE / "accuracy" / "accuracy.txt",
        lambda path: edit(path, "accuracy=76.400", "accuracy=75.695"),
    ),
    ("accuracy-truncated", SINGLE / "accuracy" / ACCURACY, text(10_241 * "x")),
    ("accuracy-hash", SINGLE / "accuracy" / ACCURACY, text("[]")),
    (
        "accuracy-samples",
        SINGLE / "accuracy" / DETAIL,
        entry("effective_accuracy_sample_count", "5", "4"),
    ),
    ("mode", SINGLE / "accuracy" / DETAIL, entry("effective_test_mode", '"Accuracy', '"Perform')),
    ("compliance-failed", SINGLE / "TEST01/verify_performance.txt", text("TEST FAIL")),
    ("compliance-failed", SINGLE / "TEST01/verify_accuracy.txt", text("TEST FAIL")),
    ("compliance-failed", SINGLE / "TEST04/verify_performance.txt", text("no")),
    ("file-missing", SINGLE / "TEST04/verify_performance.txt", Path.unlink),
    ("seed", SINGLE / "TEST01" / LOG, entry("effective_qsl_rng_seed", "2", "3")),
    (
        "same-sample",
        SINGLE / "TEST04" / LOG,
        entry("effective_performance_issue_same", "true", "false"),
    ),
    ("compliance-files", SINGLE / "TEST01/performance/run_1/notes.txt", text("x")),
]


def test_a_good_submission_breaks_no_rule(good: Path) -> None:
    """Logs of the genuine LoadGen, laid out as the rules ask: nothing is found."""
    assert check_submission(good) == []


@pytest.mark.parametrize(
    ("rule", "file", "damage"),
    DAMAGES,
    ids=[f"{r}-{f.name}-{k}" for k, (r, f, _) in enumerate(DAMAGES)],
)
def test_one_damage_is_found(copy: Path, rule: str, file: Path, damage: Damage) -> None:
    """In its file, by its rule, in a sentence: what, what is allowed, and what to do."""
    damage(copy / file)
    found = [one for one in check_submission(copy) if one.rule == rule]
    assert file.as_posix() in [one.file for one in found]
    for one in found:
        assert one.found
        assert one.allowed
        assert one.remedy
        assert "\n" not in one.sentence
        assert str(copy) not in one.sentence


def test_what_is_left_out_is_missed(copy: Path) -> None:
    """A scenario, a compliance test, the code, the results."""

    def gone(folder: Path) -> set[str]:
        away = copy.parent / "away"
        (copy / folder).rename(away)
        rules = {one.rule for one in check_submission(copy)}
        away.rename(copy / folder)
        return rules

    assert gone(OFFLINE) == {"scenario-missing"}
    assert gone(SINGLE / "TEST01") == {"compliance-missing"}
    assert gone(HOME / "src") == {"layout"}
    assert gone(HOME / "results/box/resnet50") == {"layout"}
    assert gone(HOME / "results/box") == {"layout", "system-without-results"}
    assert check_submission(copy) == []


def test_a_scenario_may_be_inferred_at_the_edge(copy: Path) -> None:
    """Offline from a single stream there; a single stream from nothing."""
    for name in ("performance/run_1", "TEST01/performance/run_1", "TEST04/performance/run_1"):
        for log in (SUMMARY, DETAIL):
            (copy / OFFLINE / name / log).write_bytes((copy / SINGLE / name / log).read_bytes())
    assert check_submission(copy) == []
    field("system_type", "datacenter,edge")(copy / SYSTEM)
    assert {one.rule for one in check_submission(copy)} == {"scenario-missing"}


def test_the_closed_division_knows_its_benchmarks(copy: Path) -> None:
    """A name of none is an error there; in the open division it is a warning, or mapped."""
    strange = copy / HOME / "results/box/my-net"
    (copy / HOME / "results/box/resnet50").rename(strange)
    assert {(one.severity, one.rule) for one in check_submission(copy)} == {
        ("error", "benchmark-unknown")
    }
    (copy / "closed").rename(copy / "open")
    field("division", "open")(copy / "open/Acme/systems/box.json")
    assert {(one.severity, one.rule) for one in check_submission(copy)} == {
        ("warning", "benchmark-unknown")
    }
    text('{"my-net": "resnet"}')(copy / "open/Acme/model_mapping.json")
    assert check_submission(copy) == []


def test_the_open_division_has_neither_targets_nor_compliance_tests(copy: Path) -> None:
    """But what a data set holds is the same everywhere."""
    (copy / "closed").rename(copy / "open")
    home = copy / "open/Acme"
    field("division", "open")(home / "systems/box.json")
    folder = home / "results/box/resnet50/Offline"
    text("TEST FAIL")(folder / "TEST01/verify_accuracy.txt")
    edit(folder / "accuracy/accuracy.txt", "accuracy=76.4", "accuracy=6.4")
    entry("effective_samples_per_query", "2", "1")(folder / LOG)
    assert check_submission(copy) == []
    entry("effective_accuracy_sample_count", "5", "4")(folder / "accuracy" / DETAIL)
    assert {one.rule for one in check_submission(copy)} == {"accuracy-samples"}


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    """In one sentence; and one without a division is told what a submission looks like."""
    with pytest.raises(InputError, match="no directory"):
        check_submission(tmp_path / "nowhere")
    (found,) = check_submission(tmp_path)
    assert found.rule == "layout"
    assert "{submitter}" in found.allowed
