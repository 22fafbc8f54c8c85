"""Rules that only some benchmarks have: token latencies, other compliance tests, files to show."""

from pathlib import Path

import pytest

from mlperf.genuine import ACCURACY
from mlperf.test_damage_is_found import SINGLE, text
from tailmark.mlperf import rules
from tailmark.mlperf.check.accuracy import check_accuracy
from tailmark.mlperf.check.compliance import check_compliance
from tailmark.mlperf.check.findings import Finding, Notes
from tailmark.mlperf.check.performance import check_log
from tailmark.mlperf.check.reading import Log
from tailmark.mlperf.check.submission import check_submission
from tailmark.mlperf.check.tree import Result

FIRST = "result_first_token_99.00_percentile_latency_ns"
EACH = "result_time_per_output_token_99.00_percentile_ns"


def result(path: Path, benchmark: str, scenario: str, division: str = "closed") -> Result:
    """A result of this benchmark in this folder."""
    return Result(
        root=path,
        path=path,
        division=division,
        name=benchmark,
        official=rules.official_name(benchmark),
        scenario=scenario,
        system={"system_type": "datacenter"},
    )


def logged(one: Result, **values: object) -> list[Finding]:
    """What is found in a log of these values about tokens and latency bounds."""
    notes = Notes()
    held = {"effective_scenario": "Server", **values}
    check_log(one, Log(file="log", values=held, errors=(), unread=0, old=False), notes)
    about = ("token-latencies", "token-bound", "latency-bound", "scenario")
    return [finding for finding in notes.found if finding.rule in about]


@pytest.mark.parametrize(
    ("scenario", "first_ms", "each_ms", "broken"),
    [
        ("Server", 1999, 199, []),
        ("Server", 2000, 199, ["the first token"]),
        ("Server", 1999, 200, ["a further token"]),
        ("Interactive", 449, 39, []),
        ("Interactive", 1999, 199, ["the first token", "a further token"]),
    ],
)
def test_tokens_have_bounds(
    tmp_path: Path, scenario: str, first_ms: int, each_ms: int, broken: list[str]
) -> None:
    """Llama 2's, less than which its 99th percentiles have to be; Interactive is a Server's log."""
    values = {
        "requested_use_token_latencies": True,
        "effective_target_latency_ns": 20 * 10**9,
        FIRST: first_ms * 10**6,
        EACH: each_ms * 10**6,
    }
    one = result(tmp_path, "llama2-70b-99.9", scenario)
    found = logged(one, **values)
    assert [f.found.partition(" took")[0] for f in found] == broken
    assert all(f.severity == "error" for f in found)
    opened = logged(result(tmp_path, "llama2-70b-99.9", scenario, "open"), **values)
    assert [f.severity for f in opened] == ["warning"] * len(broken)


def test_tokens_have_to_be_logged(tmp_path: Path) -> None:
    """A language model's run without them breaks a rule; an image model's does not."""
    said = {"effective_target_latency_ns": 10**7}
    (found,) = logged(result(tmp_path, "llama2-70b-99.9", "Server"), **said)
    assert found.rule == "token-latencies"
    assert logged(result(tmp_path, "resnet50", "Server"), **said) == []


def test_a_server_has_its_benchmark_s_bound(tmp_path: Path) -> None:
    """15 ms of ResNet-50; a longer one is an error, in the open division a warning."""
    late = {"effective_target_latency_ns": 15 * 10**6 + 1}
    (found,) = logged(result(tmp_path, "resnet50", "Server"), **late)
    assert (found.severity, found.rule) == ("error", "latency-bound")
    (found,) = logged(result(tmp_path, "resnet50", "Server", "open"), **late)
    assert (found.severity, found.rule) == ("warning", "latency-bound")
    assert logged(result(tmp_path, "my-net", "Server", "open"), **late) == []


def compliance(one: Result) -> list[str]:
    """The rules its compliance tests break."""
    notes = Notes()
    check_compliance(one, notes)
    return [finding.rule for finding in notes.found]


def test_what_other_compliance_tests_have_to_say(tmp_path: Path) -> None:
    """TEST06 three lines, TEST09 that it passed; in the open division nobody asks."""
    llama = result(tmp_path, "llama2-70b-99.9", "Offline")
    assert compliance(llama) == ["compliance-missing"]
    (tmp_path / "TEST06").mkdir()
    assert compliance(llama) == ["file-missing"]
    said = tmp_path / "TEST06" / "verify_accuracy.txt"
    said.write_text("First token check pass: Skipped\nEOS check pass: True\n")
    assert compliance(llama) == ["compliance-failed"]
    said.write_text(said.read_text() + "Sample length check pass: True\n")
    assert compliance(llama) == []
    rag = result(tmp_path, "e2e-rag-qna", "Offline")
    (tmp_path / "TEST09").mkdir()
    (tmp_path / "TEST09" / "verify_output_len.txt").write_text("TEST FAIL")
    assert compliance(rag) == ["compliance-failed"]
    (tmp_path / "TEST09" / "verify_output_len.txt").write_text("TEST PASS")
    assert compliance(rag) == []
    assert compliance(result(tmp_path / "none", "llama2-70b-99.9", "Offline", "open")) == []


def test_outputs_that_differ_have_to_be_as_accurate(copy: Path) -> None:
    """TEST01 may fail bit by bit, if its accuracy lies within a hundredth of the baseline's."""
    folder = copy / SINGLE / "TEST01" / "accuracy"
    folder.mkdir()
    text("TEST FAIL")(folder.parent / "verify_accuracy.txt")
    for name in (ACCURACY, "accuracy.txt"):
        text("[]")(folder / name)
    text("accuracy=76.400%")(folder / "baseline_accuracy.txt")
    text("accuracy=76.000%")(folder / "compliance_accuracy.txt")
    assert check_submission(copy) == []
    text("accuracy=75.000%")(folder / "compliance_accuracy.txt")
    (found,) = check_submission(copy)
    assert found.rule == "compliance-failed"
    assert "76.4 beside 75" in found.found


def test_videos_have_to_be_shown(tmp_path: Path) -> None:
    """Those the rules name, whatever their suffix."""
    folder = tmp_path / "accuracy" / "videos"
    folder.mkdir(parents=True)
    stems = rules.BENCHMARKS["wan-2.2-t2v-a14b"].extra_files["videos"]
    for stem in stems[1:]:
        (folder / f"{stem}.mp4").write_bytes(b"x")
    notes = Notes()
    check_accuracy(result(tmp_path, "wan-2.2-t2v-a14b", "Offline"), notes)
    (found,) = [one for one in notes.found if one.rule == "accuracy-extra"]
    assert found.found == f"missing: {stems[0]}"
