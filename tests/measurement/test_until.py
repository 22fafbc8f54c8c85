"""Rounds are measured until a rule has seen enough: the run stops there, and says why."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tailmark
from tailmark import HalfWidth, Rjsd, Until
from tailmark.bench import Progress
from tailmark.errors import InputError, InterruptedRunError, StoreError
from tailmark.records.model import Run
from tailmark.stopping import Look, first_rounds
from tailmark.testing import LawfulSystem, VirtualClock

WORKLOAD = tailmark.Arrays(inputs=np.arange(12), references=np.arange(12) % 3, classes=3)
NARROW, WIDE = HalfWidth(1e-6), HalfWidth(0.2)


def right(batch: Any) -> Any:
    """Scores that single out the sample's own class of three."""
    return np.eye(3)[[int(batch[0]) % 3]]


def measure(out: Path, rounds: int | Until, **changes: Any) -> Run:
    """Latencies from 50 to 149 by chance; a deadline that two in three queries keep."""
    clock = VirtualClock()
    system = LawfulSystem(
        clock=clock, law=lambda random: int(random.integers(50, 150)), answer=right
    )
    settings = {"warmup": 0, "quality": {"deadlines": [116]}, **changes}
    return tailmark.measure(
        settings.pop("workload", WORKLOAD), system, out=out, rounds=rounds, clock=clock, **settings
    )


class After:
    """A rule of one's own: stops when there are so many rounds, and remembers what it was shown."""

    grades = False
    judges = False

    def __init__(self, enough: int, looks: tuple[int, ...]) -> None:
        self._enough, self._looks = enough, looks
        self.shown: list[int] = []

    def looks(self, at_most: int) -> tuple[int, ...]:
        """As given."""
        return tuple(due for due in self._looks if due <= at_most)

    def explain(self, looks: tuple[int, ...]) -> str:
        """In a word."""
        return f"stops after {self._enough} of {looks}"

    def look(self, run: Run, looks: tuple[int, ...]) -> Look:
        """Count."""
        assert looks == self._looks
        assert [one.index for one in run.rounds()] == list(range(len(run)))
        self.shown.append(len(run))
        stop = len(run) >= self._enough
        return Look(
            stop=stop, says=f"{len(run)} seen", brief=f"{len(run)}", figures={"x": len(run)}
        )

    def describe(self) -> dict[str, Any]:
        """As it would be written."""
        return {"after": self._enough}


def told(run: Run) -> dict[str, Any]:
    """What a run says of its stop."""
    assert run.manifest.stopping is not None
    return dict(run.manifest.stopping)


def test_it_stops_at_the_first_look_that_is_enough(tmp_path: Path) -> None:
    """Complete, with the rule, every look, the reason and what it took; and looks no more often."""
    rule = After(5, (2, 4, 6, 8))
    run = measure(tmp_path / "run", Until(rule, at_most=9))
    assert run.complete
    assert len(run) == 6
    assert rule.shown == [2, 4, 6]
    assert told(run) == {
        "until": {"after": 5},
        "at_most": 9,
        "looks": [{"rounds": n, "stop": n == 6, "x": n} for n in (2, 4, 6)],
        "reached": True,
        "inferences": 6 * 12,
        "says": "stopped after 6 of at most 9 rounds (72 inferences): 6 seen",
    }
    assert run.manifest.experiment["rounds"] == {"until": {"after": 5}, "at_most": 9}


def test_without_a_stop_it_ends_with_the_most_allowed_and_is_complete(tmp_path: Path) -> None:
    """What was asked for is done; what was not reached is said, with what would."""
    run = measure(tmp_path / "run", Until(NARROW, at_most=20))
    assert run.complete
    assert len(run) == 20
    stop = told(run)
    assert stop["reached"] is False
    assert stop["says"].startswith("not reached in 20 rounds (240 inferences), the most allowed: ")
    assert stop["says"].endswith(" rounds would do")
    assert [look["rounds"] for look in stop["looks"]] == list(NARROW.looks(20))
    summary = tailmark.summarize(run)
    assert summary.to_dict()["stopping"] == stop
    assert not any("partial" in warning for warning in summary.warnings)


def test_what_it_reports_is_what_the_rounds_bear(tmp_path: Path) -> None:
    """The look that stopped it, seen again from the stored rounds."""
    until = Until(WIDE, at_most=60)
    run = measure(tmp_path / "run", until)
    last = told(run)["looks"][-1]
    assert last["rounds"] == len(run) == until.looks[0]
    assert last["half_width"] <= 0.2
    assert last["estimate"] == dict(WIDE.look(run, until.looks).figures["estimate"])


def test_the_paper_s_rule_stops_it_too(tmp_path: Path) -> None:
    """At its first look, where it is content with anything."""
    run = measure(tmp_path / "run", Until(Rjsd(0.9, window=2, every=1, warm=1), at_most=30))
    assert len(run) == 4
    assert told(run)["until"] == {"rjsd": 0.9, "window": 2, "every": 1, "warm": 1}


def test_a_number_of_rounds_has_nothing_to_say(tmp_path: Path) -> None:
    """There is no rule."""
    run = measure(tmp_path / "run", 3)
    assert run.manifest.stopping is None
    assert tailmark.summarize(run).to_dict()["stopping"] is None


def test_a_run_from_before_there_were_rules_is_read(tmp_path: Path) -> None:
    """The field is new, the format is not."""
    run = measure(tmp_path / "run", 3)
    file = tmp_path / "run" / "run.json"
    document = json.loads(file.read_text())
    del document["stopping"]
    file.write_text(json.dumps(document))
    assert tailmark.open_run(tmp_path / "run").manifest == run.manifest


def test_the_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    """The most rounds as its end, and what the last look saw."""
    said: list[Progress] = []
    measure(tmp_path / "run", Until(WIDE, at_most=60), progress=said.append)
    assert {one.rounds for one in said} == {60}
    measured = [one.doing for one in said if one.doing.startswith("measuring")]
    assert set(measured) == {"measuring"}
    said.clear()
    measure(tmp_path / "other", Until(NARROW, at_most=45), progress=said.append)
    measured = [one.doing for one in said if one.doing.startswith("measuring")]
    assert measured[:30] == ["measuring"] * 30
    assert len(measured) == 45
    assert all(one.startswith("measuring, half-width ") for one in measured[30:])
    assert all(one.endswith(" of 0.0001 %") for one in measured[30:])


def test_a_stopped_run_stays_complete(tmp_path: Path) -> None:
    """The same command with --resume measures nothing and looks at nothing."""
    until = Until(WIDE, at_most=60)
    first = measure(tmp_path / "run", until)
    before = (tmp_path / "run" / "run.json").read_bytes()
    again = measure(tmp_path / "run", until, resume=True)
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert len(again) == len(first)


def interrupted(out: Path, until: Until, after: int) -> Run:
    """Ctrl-C when so many rounds are done."""

    def press(now: Progress) -> None:
        if now.done == after and now.doing.startswith("measuring"):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError, match=f"after {after} of {until.at_most} rounds"):
        measure(out, until, progress=press)
    return tailmark.open_run(out)


def test_an_interrupted_run_goes_on_and_stops_where_it_would_have(tmp_path: Path) -> None:
    """The looks before are taken anew from the stored rounds, so nothing is remembered wrongly."""
    part = interrupted(tmp_path / "run", Until(After(7, (2, 4, 6, 8)), at_most=9), 5)
    assert not part.complete
    assert told(part)["reached"] is None
    assert told(part)["says"] == ""
    assert [look["rounds"] for look in told(part)["looks"]] == [2, 4]
    rule = After(7, (2, 4, 6, 8))
    whole = measure(tmp_path / "run", Until(rule, at_most=9), resume=True)
    assert rule.shown == [2, 4, 6, 8]
    assert len(whole) == 8
    assert whole.complete
    assert [look["rounds"] for look in told(whole)["looks"]] == [2, 4, 6, 8]
    assert told(whole)["inferences"] == 8 * 12


def test_a_run_killed_at_the_very_stop_goes_on_to_nothing(tmp_path: Path) -> None:
    """The last round is there and `run.json` does not know: it is looked at, and done."""
    until = Until(After(4, (2, 4, 6)), at_most=9)
    measure(tmp_path / "run", until)
    file = tmp_path / "run" / "run.json"
    killed: dict[str, Any] = {"status": "partial", "stopping": None, "counts": {}}
    file.write_text(json.dumps({**json.loads(file.read_text()), **killed}))
    run = measure(tmp_path / "run", until, resume=True)
    assert run.complete
    assert len(run) == 4
    assert told(run)["reached"] is True


def test_more_may_be_asked_of_a_run(tmp_path: Path) -> None:
    """A narrower target goes on; a wider one is met already; a number may follow a rule."""
    measure(tmp_path / "run", Until(After(4, (2, 4, 6, 8)), at_most=9))
    more = measure(tmp_path / "run", Until(After(6, (2, 4, 6, 8)), at_most=9), resume=True)
    assert len(more) == 6
    less = measure(tmp_path / "run", Until(After(2, (2, 4, 6, 8)), at_most=9), resume=True)
    assert len(less) == 6
    assert told(less)["says"] == "stopped after 6 of at most 9 rounds (72 inferences): 2 seen"
    number = measure(tmp_path / "run", 7, resume=True)
    assert (len(number), number.manifest.stopping) == (7, None)
    rule = measure(tmp_path / "run", Until(After(8, (2, 4, 6, 8)), at_most=9), resume=True)
    assert len(rule) == 8
    assert len(measure(tmp_path / "run", Until(After(5, (8,)), at_most=8), resume=True)) == 8


def test_rounds_that_are_there_cannot_be_asked_away(tmp_path: Path) -> None:
    """A rule counts by what it measured, not by what it might have."""
    measure(tmp_path / "run", Until(After(4, (4,)), at_most=100))
    with pytest.raises(StoreError, match="holds 4 rounds and 3 are asked for"):
        measure(tmp_path / "run", 3, resume=True)
    with pytest.raises(StoreError, match="holds 4 rounds and 3 are asked for"):
        measure(tmp_path / "run", Until(After(1, (1,)), at_most=3), resume=True)
    assert len(measure(tmp_path / "run", 5, resume=True)) == 5


def test_the_looks_see_the_run_as_it_will_be_stored(tmp_path: Path) -> None:
    """Outputs, references and all: what a look sees, `summarize` sees."""
    seen: list[float | None] = []

    class Grading(After):
        def look(self, run: Run, looks: tuple[int, ...]) -> Look:
            mean = tailmark.summarize(run, deadlines=[116]).at[0].mean
            seen.append(mean.value if mean else None)
            return super().look(run, looks)

    run = measure(tmp_path / "run", Until(Grading(4, (1, 2, 4)), at_most=4))
    for due, value in zip((1, 2, 4), seen, strict=True):
        mean = tailmark.summarize(first_rounds(run, due), deadlines=[116]).at[0].mean
        assert mean is not None
        assert mean.value == value


BARE = tailmark.Arrays(inputs=np.arange(12))


@pytest.mark.parametrize(
    ("rounds", "changes", "says"),
    [
        (Until(WIDE, at_most=9), {"workload": BARE}, "the workload has no references: wait for"),
        (
            Until(WIDE, at_most=9),
            {"quality": {"on_late": "fallback"}},
            "cannot wait for a quality under on_late 'fallback'",
        ),
    ],
)
def test_what_cannot_be_waited_for_is_refused_before_anything_is_made(
    tmp_path: Path, rounds: Until, changes: dict[str, Any], says: str
) -> None:
    """One sentence, and no directory."""
    with pytest.raises(InputError, match=says):
        measure(tmp_path / "run", rounds, **changes)
    assert not (tmp_path / "run").exists()
    if "workload" in changes:
        latency = Until(HalfWidth(0.5, of="p50"), at_most=20)
        assert measure(tmp_path / "run", latency, **changes).complete
