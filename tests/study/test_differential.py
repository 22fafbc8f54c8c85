"""A differential run says what it can, whatever becomes of some environments."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

import tailmark
from tailmark.analysis.differential import Differential
from tailmark.bench import Progress, add_round
from tailmark.differential_file import DifferentialPlan, plan_differential
from tailmark.errors import EveryQueryFailedError, InterruptedRunError, StoreError
from tailmark.records.differential import read_differential
from tailmark.report.differential_page import write_differential_report
from tailmark.report.differential_sentences import attribution_sentences, headline
from tailmark.report.differential_text import markdown


def plan(*environments: tuple[str, str], rounds: int = 2, **more: Any) -> DifferentialPlan:
    """Digits answered by functions."""
    document = {
        "workload": {"kind": "digits"},
        "system": {"kind": "function", "call": "faulty_answers:plain"},
        "rounds": rounds,
        "warmup": 2,
        "quality": {"deadlines": ["50ms"]},
        "environments": [
            {"name": name, "system": {"call": f"faulty_answers:{call}"}}
            for name, call in environments
        ],
    }
    return plan_differential(document | more, Path(__file__).parent)


def measured(out: Path, *environments: tuple[str, str], **more: Any) -> Differential:
    """Run it, without looking for causes."""
    return tailmark.differential(plan(*environments, **more), out=out, attribution=False)


def test_one_that_answers_nothing_is_a_cell(tmp_path: Path) -> None:
    """The others are told, and its own reason is."""
    found = measured(tmp_path / "run", ("a", "plain"), ("b", "soon_broken"), ("c", "shifted"))
    assert [cell.name for cell in found.measured] == ["a", "c"]
    (failed,) = found.failed
    assert failed.name == "b"
    assert "its memory is gone" in str(failed.environment.error)
    assert "its memory is gone" in markdown(found)
    again = tailmark.open_differential(found.path)
    assert again.to_dict() == found.to_dict()
    write_differential_report(again, tmp_path / "page.html")


def test_no_round_is_added_to_rounds_without_an_answer() -> None:
    """Not to those of a run gone on with, either."""
    log = SimpleNamespace(add=lambda *_: None, first_cause="9 of 9 with: Error: no")
    for index, which in ((0, "the first round"), (2, "3 rounds")):
        with pytest.raises(EveryQueryFailedError, match=f"every query of {which} failed, 9 of 9"):
            add_round(cast(Any, log), cast(Any, SimpleNamespace(index=index)), {})
    log.first_cause = ""
    add_round(cast(Any, log), cast(Any, SimpleNamespace(index=0)), {})


def test_a_baseline_that_fails_is_replaced_and_said_so(tmp_path: Path) -> None:
    """By the first that was timed, everywhere."""
    made = plan(("a", "soon_broken"), ("o", "plain"), ("c", "shifted"))
    document = dict(made.document)
    document["environments"][1]["answers_only"] = True
    made = plan_differential(document, made.folder)
    found = tailmark.differential(made, out=tmp_path / "run")
    assert found.baseline == "c"
    assert [pair.b for pair in found.against_baseline] == ["o"]
    assert found.attributions == ()
    assert any("told against 'c'" in one for one in found.warnings)


def test_a_baseline_may_be_one_that_is_only_asked(tmp_path: Path) -> None:
    """It is what headline, tables and causes speak of."""
    made = plan(("o", "plain"), ("b", "shifted"))
    document = dict(made.document)
    document["environments"][0]["answers_only"] = True
    found = tailmark.differential(plan_differential(document, made.folder), out=tmp_path / "run")
    assert found.baseline == "o"
    assert "answer otherwise than o" in headline(found)
    assert [pair.latency_ratio for pair in found.against_baseline] == [None]
    assert all("between o and b" in one for one in attribution_sentences(found))


def test_a_ratio_is_of_what_both_answered(tmp_path: Path) -> None:
    """One that fails on what takes long is no faster for it, and is judged by no mean."""
    found = measured(
        tmp_path / "run", ("a", "slow_if_odd"), ("b", "failing_if_odd"), ("c", "plain"), rounds=3
    )
    slow, pair = found.pair("a", "c"), found.pair("a", "b")
    assert slow is not None
    assert pair is not None
    assert slow.latency_ratio is not None
    assert pair.latency_ratio is not None
    assert slow.latency_ratio.value is not None
    assert pair.latency_ratio.value is not None
    assert slow.latency_ratio.value < 0.1  # c does what a waits for
    assert pair.latency_ratio.value > 0.1  # b does not answer it at all
    assert found.front is not None
    assert {point.name for point in found.front.points} == {"a", "c"}
    broken = next(cell for cell in found.cells if cell.name == "b")
    assert set(broken.spread_ns) <= {0.01, 0.05, 0.25, 0.5}
    json.dumps(found.to_dict(), allow_nan=False)
    write_differential_report(found, tmp_path / "page.html")


def interrupted(*_: Any, **__: Any) -> Any:
    """Ctrl-C while answers are asked for."""
    raise InterruptedRunError("interrupted after 0 of 1 rounds")


def test_ctrl_c_while_causes_are_sought_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No cause is told of what was not tried, and what is gone on with finds it."""
    made = plan(("a", "plain"), ("b", "shifted"))
    document = dict(made.document)
    document["environments"][1]["system"]["timeout"] = "9s"
    made = plan_differential(document, made.folder)
    for what in ("a setting", "an input"):
        with monkeypatch.context() as patch:
            patch.setattr("tailmark.study.attribution.run_experiment", interrupted)
            with pytest.raises(InterruptedRunError):
                tailmark.differential(made, out=tmp_path / what)
        assert read_differential(tmp_path / what).attributions == ()
        found = tailmark.differential(made, out=tmp_path / what, resume=True)
        assert found.complete
        assert len(attribution_sentences(found)) == 1
        made = plan(("a", "plain"), ("b", "failing_if_odd"))


def test_answers_of_an_interrupted_attempt_are_asked_for_again(tmp_path: Path) -> None:
    """A run directory that never came to its end tells no cause."""
    made = plan(("a", "plain"), ("b", "failing_if_odd"))
    found = tailmark.differential(made, out=tmp_path / "run")
    (tried, *_) = sorted((tmp_path / "run" / "attribution").iterdir())
    manifest = json.loads((tried / "run.json").read_text(encoding="utf-8"))
    (tried / "run.json").write_text(json.dumps(manifest | {"status": "partial"}), encoding="utf-8")
    again = tailmark.differential(made, out=tmp_path / "run", resume=True)
    assert again.attributions == found.attributions
    assert json.loads((tried / "run.json").read_text(encoding="utf-8"))["status"] == "complete"


def test_ctrl_c_while_measuring_tells_how_far_it_was(tmp_path: Path) -> None:
    """Of those that did not fail; why the others did is kept."""
    made = plan(("a", "plain"), ("b", "nothing_of_the_kind"), rounds=5)
    pressed: list[int] = []

    def tell(now: Progress) -> None:
        if now.done == 3 and not pressed:
            pressed.append(now.done)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match="after 3 of 5 rounds"):
        tailmark.differential(made, out=tmp_path / "run", progress=tell)
    found = tailmark.open_differential(tmp_path / "run")
    assert not found.complete
    assert [cell.name for cell in found.failed] == ["b"]


def test_what_is_damaged_is_said_so(tmp_path: Path) -> None:
    """Outputs that are gone or cut, a baseline that is none."""
    found = measured(tmp_path / "run", ("a", "plain"), ("b", "shifted"))
    outputs = found.path / "outputs" / "a"
    whole = (outputs / "0.npy").read_bytes()
    for damage in (whole[:200], b""):
        (outputs / "0.npy").write_bytes(damage)
        with pytest.raises(StoreError, match=r"0\.npy' is damaged"):
            tailmark.open_differential(found.path)
    (outputs / "0.npy").write_bytes(whole)
    (outputs / "outputs.json").write_text("{}", encoding="utf-8")
    with pytest.raises(StoreError, match=r"outputs\.json' is damaged"):
        tailmark.open_differential(found.path)
    file = found.path / "diff.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(document | {"baseline": "z"}), encoding="utf-8")
    with pytest.raises(StoreError, match="no environment of it"):
        tailmark.open_differential(found.path)


def test_a_metric_that_is_code_is_asked_for(tmp_path: Path) -> None:
    """Another metric than the file's may be told, too."""
    found = measured(tmp_path / "run", ("a", "plain"), ("b", "shifted"))
    other = tailmark.open_differential(found.path, metric="top5")
    assert (found.metric, other.metric) == ("top1", "top5")
    assert np.array_equal(found.flips, other.flips)
