"""A run that was ended goes on at its next round, as if it never had been."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark.errors import EveryQueryFailedError, InterruptedRunError, StoreError

HERE = Path(__file__).parent
WORKLOAD = tailmark.Arrays(inputs=np.arange(12), references=np.arange(12) % 3, classes=3)
SLOW = tailmark.Function(call="misbehaving:slow", folder=HERE)


def right(batch: Any) -> Any:
    """Scores that single out the sample's own class."""
    return np.eye(3)[[int(batch[0]) % 3]]


def measure(out: Path, system: Any = right, **changes: Any) -> tailmark.Run:
    """Four small rounds."""
    settings = {"rounds": 4, "warmup": 2, **changes}
    return tailmark.measure(settings.pop("workload", WORKLOAD), system, out=out, **settings)


def orders(run: tailmark.Run) -> list[list[int]]:
    """What was sent, by round."""
    return [one.sample.tolist() for one in run.rounds()]


class Interrupting:
    """Answers rightly, until the user presses Ctrl-C at the n-th call."""

    def __init__(self, at: int | None) -> None:
        self.left = at

    def __call__(self, batch: Any) -> Any:
        """Count down, and answer."""
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt
        return right(batch)


def interrupted(out: Path, at: int, **changes: Any) -> str:
    """Measure until the n-th call; what was said."""
    with pytest.raises(InterruptedRunError) as caught:
        measure(out, Interrupting(at), **changes)
    return str(caught.value)


def test_an_interrupted_run_keeps_its_rounds_and_goes_on_to_the_same_schedule(
    tmp_path: Path,
) -> None:
    """The rounds before and after make the run that would have been."""
    said = interrupted(tmp_path / "run", 1 + 2 + 2 * 12 + 5)
    assert said.startswith("interrupted after 2 of 4 rounds; ")
    assert said.endswith(f"{str(tmp_path / 'run')!r} keeps them, go on with --resume")
    part = tailmark.open_run(tmp_path / "run")
    assert not part.complete
    assert len(part) == 2
    assert part.manifest.counts["ok"] == 24

    whole = measure(tmp_path / "run", Interrupting(None), resume=True)
    assert whole.complete
    assert orders(whole) == orders(measure(tmp_path / "other", Interrupting(None)))
    assert whole.manifest.counts["ok"] == 48
    assert whole.manifest.created == part.manifest.created
    for one in whole.rounds():
        assert np.array_equal(whole.outputs["labels"][one.output_id, 0], one.sample % 3)


def test_a_run_that_is_whole_again_no_longer_warns_of_its_interruption(tmp_path: Path) -> None:
    """What was true only of the part is gone; what went wrong is counted once, over all."""

    class Failing(Interrupting):
        def __call__(self, batch: Any) -> Any:
            answer = super().__call__(batch)
            return np.zeros((1, 7)) if int(batch[0]) == 5 else answer

    why = "BadOutputError: output has 7 scores, the first had 3"
    with pytest.raises(InterruptedRunError):
        measure(tmp_path / "run", Failing(1 + 2 + 2 * 12 + 5))
    part = tailmark.open_run(tmp_path / "run")
    assert part.manifest.ending == (
        "interrupted by the user",
        f"2 of 24 queries have no answer; most often (2): {why}",
    )
    whole = measure(tmp_path / "run", Failing(None), resume=True)
    assert whole.complete
    assert whole.manifest.ending == (f"4 of 48 queries have no answer; most often (4): {why}",)
    assert whole.manifest.warnings == part.manifest.warnings


def test_an_interruption_before_the_first_round_can_be_gone_on_with(tmp_path: Path) -> None:
    """There is a beginning without rounds."""
    said = interrupted(tmp_path / "run", 1 + 2 + 5)
    assert said == "interrupted after 0 of 4 rounds"
    assert len(measure(tmp_path / "run", Interrupting(None), resume=True)) == 4


def test_what_went_unanswered_before_a_kill_is_said_though_nobody_knows_why(
    tmp_path: Path,
) -> None:
    """A killed writer had no time to write the causes down; the rows are there."""
    failed = {1 + 2 + 3, 1 + 2 + 12 + 4}
    calls = iter(range(1000))

    def system(batch: Any) -> Any:
        if next(calls) in failed:
            raise OSError("a passing cause")
        return right(batch)

    measure(tmp_path / "run", system, rounds=2)
    file = tmp_path / "run" / "run.json"
    killed = {"status": "partial", "counts": {}, "anomalies": [], "ending": []}
    file.write_text(json.dumps({**json.loads(file.read_text()), **killed}))
    run = measure(tmp_path / "run", system, rounds=3, resume=True)
    assert run.manifest.counts["failed"] == 2
    assert run.manifest.ending == ("2 of 36 queries have no answer",)


def test_a_run_without_one_answer_can_be_gone_on_with(tmp_path: Path) -> None:
    """The system was mended; what it answers from now on is kept."""
    mended = False
    calls = iter(range(1000))

    def system(batch: Any) -> Any:
        if next(calls) and not mended:
            raise OSError("no licence")
        return right(batch)

    with pytest.raises(EveryQueryFailedError):
        measure(tmp_path / "run", system, rounds=2)
    mended = True
    run = measure(tmp_path / "run", system, rounds=2, resume=True)
    assert run.manifest.counts["ok"] == run.manifest.counts["failed"] == 12
    assert len(run.outputs["labels"]) == 3


def test_resuming_where_nothing_was_begun_begins(tmp_path: Path) -> None:
    """The same command serves the first time too."""
    assert len(measure(tmp_path / "run", resume=True)) == 4


def test_more_rounds_may_be_asked_for(tmp_path: Path) -> None:
    """A run is made longer without measuring anew what is there."""
    first = measure(tmp_path / "run")
    kept = [one.latency_ns().tolist() for one in first.rounds()]
    longer = measure(tmp_path / "run", rounds=6, resume=True)
    assert len(longer) == 6
    assert longer.complete
    assert longer.manifest.experiment["rounds"] == 6
    assert [one.latency_ns().tolist() for one in longer.rounds()][:4] == kept


def test_a_whole_run_is_not_measured_again(tmp_path: Path) -> None:
    """Resuming it is reading it."""
    measure(tmp_path / "run", Interrupting(None))
    run = measure(tmp_path / "run", Interrupting(0), resume=True)
    assert run.complete


def test_fewer_rounds_are_refused(tmp_path: Path) -> None:
    """Rounds that are there cannot be asked away."""
    measure(tmp_path / "run")
    with pytest.raises(StoreError, match="begun for 4 rounds and 3 are asked for"):
        measure(tmp_path / "run", rounds=3, resume=True)


OTHER = tailmark.Arrays(inputs=np.arange(12) + 1, references=np.arange(12) % 3, classes=3)
RELABELLED = tailmark.Arrays(inputs=np.arange(12), references=np.arange(12) % 2, classes=3)


@pytest.mark.parametrize(
    ("changes", "differs"),
    [
        ({"seed": 1}, "seed"),
        ({"warmup": 3}, "warmup"),
        ({"timed": "total"}, "timed"),
        ({"order": "fixed"}, "workload.order"),
        ({"timeout": "9s"}, "system.timeout_ns"),
        ({"decode": tailmark.Classes(top=3)}, "system.decode.top"),
        ({"workload": OTHER}, "the samples"),
        ({"workload": RELABELLED}, "the labels"),
        ({"system": SLOW}, "system.call"),
    ],
)
def test_another_experiment_is_refused_naming_what_differs(
    tmp_path: Path, changes: dict[str, Any], differs: str
) -> None:
    """And the run that is there is left as it was."""
    measure(tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(StoreError, match="is a run of another experiment") as caught:
        measure(tmp_path / "run", **{"rounds": 9, **changes}, resume=True)
    assert differs in str(caught.value)
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_how_a_run_is_graded_may_change(tmp_path: Path) -> None:
    """Quality and requirement change nothing that was measured."""
    interrupted(tmp_path / "run", 20)
    run = measure(
        tmp_path / "run",
        Interrupting(None),
        resume=True,
        quality={"metric": "top5", "deadlines": ["1ms"]},
    )
    assert run.manifest.experiment["quality"]["metric"] == "top5"


def test_a_run_of_another_version_is_refused(tmp_path: Path) -> None:
    """Two versions may not measure alike."""
    measure(tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "tailmark": "0.0.1"}))
    with pytest.raises(StoreError, match=r"tailmark's version \(0\.0\.1\)"):
        measure(tmp_path / "run", rounds=9, resume=True)


def start(out: Path, call: str, **settings: Any) -> subprocess.Popen[str]:
    """Measure in another process."""
    return subprocess.Popen(
        [sys.executable, str(HERE / "measuring.py"), str(out), call, json.dumps(settings)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_kill_9_at_any_moment_leaves_whole_rounds_that_can_be_gone_on_with(
    tmp_path: Path,
) -> None:
    """Four times killed and resumed, it is the run that would have been."""
    run, settings = tmp_path / "run", {"rounds": 40, "warmup": 0, "quality": {"deadlines": ["9ns"]}}
    moment = random.Random(0)
    reached = 0
    for attempt in range(4):
        with start(run, "misbehaving:slow", resume=attempt > 0, **settings) as process:
            wait_for_rounds(run, reached + 1, process)
            time.sleep(moment.uniform(0, 0.03))
            process.kill()
        part = tailmark.open_run(run)
        assert len(part) >= reached + 1
        assert not part.complete
        assert all(len(one) == 12 and one.answered.all() for one in part.rounds())
        reached = len(part)
    said = tailmark.summarize(part).warnings  # of the audit, which was kept with the first round
    assert any("near what the machine could resolve" in w for w in said)
    whole = measure(run, SLOW, resume=True, **settings)
    assert whole.complete
    expected = [
        tailmark.SingleStream().schedule(12, order="shuffled", seed=0, index=i).sample.tolist()
        for i in range(40)
    ]
    assert orders(whole) == expected
    assert whole.manifest.counts["ok"] == 40 * 12
    for one in whole.rounds():
        assert np.array_equal(whole.outputs["labels"][one.output_id, 0], one.sample % 3)


def wait_for_rounds(run: Path, count: int, process: subprocess.Popen[str]) -> None:
    """Until that many are finished."""
    patience = time.monotonic() + 60
    while len(list((run / "rounds").glob("*.parquet"))) < count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < patience
        time.sleep(0.005)


def test_a_full_disk_keeps_the_finished_rounds_and_says_so(tmp_path: Path) -> None:
    """Exit code 2, one sentence with the reason, and with more room the run goes on."""
    run, settings = tmp_path / "run", {"rounds": 5, "warmup": 0}
    with start(run, "misbehaving:right", full_after=2, **settings) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.count("\n") == 1
    assert f"{str(run)!r} cannot be written: " in said
    assert "File too large" in said
    assert "its 2 finished rounds stand, go on with --resume" in said
    part = tailmark.open_run(run)
    assert len(part) == 2
    assert not part.complete
    assert not list(run.rglob("*.part"))
    system = tailmark.Function(call="misbehaving:right", folder=HERE)
    assert measure(run, system, resume=True, **settings).complete


def test_a_full_disk_at_the_start_leaves_nothing_behind(tmp_path: Path) -> None:
    """Nothing was measured, so nothing is there."""
    with start(tmp_path / "run", "misbehaving:right", full_after=0, rounds=2) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "cannot be written: " in said
    assert not (tmp_path / "run").exists()


def test_a_run_gone_on_with_elsewhere_says_so(tmp_path: Path) -> None:
    """Rounds of two environments are told apart; on the same machine nothing is said."""
    interrupted(tmp_path / "run", at=30)
    assert not any("environment" in w for w in measure_on(tmp_path / "run", rounds=4))
    file = tmp_path / "run" / "run.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document["environment"]["packages"]["numpy"] = "1.0"
    file.write_text(json.dumps(document), encoding="utf-8")
    said = [w for w in measure_on(tmp_path / "run", rounds=5) if "environment" in w]
    assert len(said) == 1
    assert said[0].startswith("gone on with from round 4 in another environment")
    assert "what differs: packages.numpy" in said[0]


def measure_on(out: Path, rounds: int) -> tuple[str, ...]:
    """Go on with a run; its warnings."""
    return measure(out, Interrupting(None), rounds=rounds, resume=True).manifest.warnings
