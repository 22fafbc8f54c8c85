"""A stream is a camera's: equal gaps, each frame once, in order; graded as the field grades it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tailmark
from tailmark.drive.loadgen.settings import LoadGen
from tailmark.errors import ExperimentError, InputError
from tailmark.experiment import Experiment
from tailmark.records.model import Run, Status
from tailmark.scenario.base import Order, Ordered, Paced, Schedule
from tailmark.scenario.queueing import WhenBusy
from tailmark.scenario.stream import Stream
from tailmark.system.digits import DigitsNetwork
from tailmark.testing import LawfulSystem, VirtualClock, check_scenario
from tailmark.workload.digits import Digits

RATES = st.floats(0.5, 5_000)


def sent(stream: Stream, samples: int) -> Schedule:
    """What a round sends."""
    return stream.schedule(samples, order="fixed", seed=3, index=2)


def due(made: Schedule) -> list[int]:
    """When its frames are."""
    assert made.due_ns is not None
    times: list[int] = made.due_ns.tolist()
    return times


@given(fps=RATES, samples=st.integers(1, 300))
def test_each_frame_is_shown_once_in_its_place(fps: float, samples: int) -> None:
    """Frame k at k / fps, to the nanosecond it is rounded to."""
    made = sent(Stream(fps=fps), samples)
    assert made.sample.tolist() == list(range(samples))
    assert due(made) == [round(k * 1e9 / fps) for k in range(samples)]
    assert made.per_query == 1


@given(fps=RATES, samples=st.integers(1, 300), frames=st.integers(1, 300))
def test_a_shorter_stream_is_the_beginning_of_the_longer(
    fps: float, samples: int, frames: int
) -> None:
    """Of more frames than there are it says so."""
    stream = Stream(fps=fps, frames=frames)
    if frames > samples:
        with pytest.raises(InputError, match=f"and the workload has {samples}: ask for no more"):
            sent(stream, samples)
        return
    made, whole = sent(stream, samples), sent(Stream(fps=fps), samples)
    assert due(made) == due(whole)[:frames]
    assert np.array_equal(made.sample, whole.sample[:frames])


@given(fps=RATES, ns=st.integers(1, 10**9))
def test_a_duration_holds_the_frames_that_are_due_before_it_is_over(fps: float, ns: int) -> None:
    """All of them, and no other."""
    made = sent(Stream(fps=fps, duration=f"{ns}ns"), 10_000)
    assert due(made)[-1] < ns <= round(len(made) * 1e9 / fps)


def test_a_second_holds_as_many_frames_as_a_second_has() -> None:
    """The one due when it is over belongs to the next."""
    assert [len(sent(Stream(fps=fps, duration="1s"), 99)) for fps in (1, 29.97, 30)] == [1, 30, 30]


@given(fps=RATES, qps=RATES, ns=st.integers(1, 10**9))
def test_another_rate_shows_the_same_frames(fps: float, qps: float, ns: int) -> None:
    """So what they are worth at two rates is about one set of frames."""
    for stream in (Stream(fps=fps), Stream(fps=fps, frames=7), Stream(fps=fps, duration=f"{ns}ns")):
        there = stream.at_rate(qps)
        assert there.fps == qps
        assert np.array_equal(sent(there, 6_000).sample, sent(stream, 6_000).sample)


def test_it_keeps_the_contract_of_scenarios() -> None:
    """As those of other people's must; it has a rate, and an order of its own."""
    stream = Stream(fps=30)
    check_scenario(stream)
    assert isinstance(stream, Paced)
    assert isinstance(stream, Ordered)
    assert stream.describe() == {"kind": "stream", "fps": 30.0, "frames": None, "duration": None}


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"fps": 0}, "scenario.fps is 0: give a number above 0"),
        ({"fps": -30}, "scenario.fps is -30: give a number above 0"),
        ({"fps": float("nan")}, "scenario.fps is nan: give a number above 0"),
        ({"fps": 30, "frames": 0}, "scenario.frames is 0: give 1 or more"),
        ({"fps": 30, "duration": "0s"}, "scenario.duration is '0s': give more than zero"),
        ({"fps": 30, "frames": 9, "duration": "1s"}, "one of them says how long a stream is"),
        ({"fps": 1e6, "duration": "1000min"}, r"would send about 6e\+10 queries"),
        ({"fps": 1e-6, "frames": 10**5}, r"would last about 3.17e\+03 years"),
    ],
)
def test_what_no_camera_sends_is_refused(settings: dict[str, Any], says: str) -> None:
    """In one sentence, before anything is measured."""
    with pytest.raises(InputError, match=says):
        Stream(**settings)


def experiment(**changes: Any) -> Experiment:
    """The digits as a stream."""
    settings: dict[str, Any] = {
        "workload": Digits(),
        "system": DigitsNetwork(),
        "scenario": Stream(fps=30),
    }
    return Experiment(**settings | changes)


@pytest.mark.parametrize("order", [None, "fixed"])
def test_its_order_need_not_be_said(order: Order | None) -> None:
    """It is the workload's; the run says so."""
    plan = experiment(order=order)
    assert plan.schedule(5, 3).sample.tolist() == [0, 1, 2, 3, 4]
    assert plan.describe()["workload"]["order"] == "fixed"


@pytest.mark.parametrize("order", ["shuffled", "replacement", "equal-issue"])
def test_it_has_no_other_order(order: Order) -> None:
    """Frames of which none follows the last make no stream."""
    with pytest.raises(InputError, match=f"order is '{order}' and the samples of scenario 'stream"):
        experiment(order=order)


def test_other_scenarios_are_shuffled_unless_said_otherwise() -> None:
    """As ever."""
    assert experiment(scenario=tailmark.SingleStream()).sample_order == "shuffled"
    assert experiment(scenario=tailmark.SingleStream(), order="fixed").sample_order == "fixed"


@pytest.mark.parametrize("said", ["", "order: fixed, "])
def test_a_file_may_leave_the_order_out(tmp_path: Path, said: str) -> None:
    """And may not say another."""
    text = (
        "workload: {{{}kind: digits}}\nsystem: {{kind: digits, when_busy: newest}}\n"
        "scenario: {{kind: stream, fps: 30, frames: 9}}\n"
    )
    path = tmp_path / "experiment.yaml"
    path.write_text(text.format(said))
    found = tailmark.load_experiment(path)
    assert found.scenario == Stream(fps=30, frames=9)
    assert found.queueing.when_busy == "newest"
    assert found.sample_order == "fixed"
    path.write_text(text.format("order: shuffled, "))
    with pytest.raises(ExperimentError, match="leave order out"):
        tailmark.load_experiment(path)


def test_loadgen_has_no_streams() -> None:
    """It names what it has."""
    with pytest.raises(InputError, match=r"engine: loadgen has no scenario 'stream': it has"):
        experiment(engine=LoadGen())


FRAMES = 40
LABELS = np.arange(FRAMES) // 3 % 5
"""What is to be seen changes with every third frame."""


def streamed(out: Path, fps: int, takes_ns: int, when_busy: WhenBusy) -> Run:
    """A round of a system that knows every frame, and always takes as long."""
    clock = VirtualClock()

    def answer(batch: Any) -> Any:
        return LABELS[batch]

    system = LawfulSystem(clock=clock, law=lambda _: takes_ns, answer=answer)
    return tailmark.measure(
        tailmark.Arrays(inputs=np.arange(FRAMES), references=LABELS, classes=5),
        system,
        out=out,
        scenario=Stream(fps=fps),
        decode=tailmark.Labels(),
        when_busy=when_busy,
        rounds=1,
        clock=clock,
    )


def streaming_accuracy(fps: int, takes_ns: int) -> float:
    """As the paper's own loop has it: whoever is idle takes the latest frame that it has not had.

    Then each frame is graded with the latest result that is there at its time.
    """
    due_ns = [round(k * 1e9 / fps) for k in range(FRAMES)]
    results: list[tuple[int, int]] = []
    now, last = 0, -1
    while last < FRAMES - 1:
        frame = max(k for k in range(FRAMES) if due_ns[k] <= now)
        if frame == last:
            now = due_ns[last + 1]
            continue
        last, now = frame, now + takes_ns
        results.append((now, frame))
    right = 0
    for k, at in enumerate(due_ns):
        there = [frame for done, frame in results if done <= at]
        right += bool(there) and bool(LABELS[there[-1]] == LABELS[k])
    return right / FRAMES


@pytest.mark.parametrize("takes_ms", [0.01, 5, 20, 33.4, 45, 70, 500])
def test_stale_at_0_is_strict_streaming_accuracy(tmp_path: Path, takes_ms: float) -> None:
    """Of the paper's usual loop, which is ``newest``."""
    run = streamed(tmp_path / "run", 30, round(takes_ms * 1e6), "newest")
    told = tailmark.summarize(run, deadlines=["0ms"], on_late="stale").to_dict()
    found = told["quality"]["at"][0]["mean"]["value"]
    assert found == pytest.approx(streaming_accuracy(30, round(takes_ms * 1e6)))


def test_what_becomes_of_frames_that_find_the_system_busy(tmp_path: Path) -> None:
    """At 100 a second and 25 ms a frame: all wait, or every third is served, or the newest is."""
    status = {
        policy: streamed(tmp_path / policy, 100, 25 * 10**6, policy).stored[0].status.tolist()
        for policy in ("queue", "skip", "newest")
    }
    shed, ok = Status.shed, Status.ok
    assert status["queue"] == [ok] * FRAMES
    assert status["skip"] == [ok if k % 3 == 0 else shed for k in range(FRAMES)]
    newest = {min(5 * k // 2, FRAMES - 1) for k in range(FRAMES)}
    assert status["newest"] == [ok if k in newest else shed for k in range(FRAMES)]


def test_a_run_says_why_frames_were_shed(tmp_path: Path) -> None:
    """And how many."""
    run = streamed(tmp_path / "run", 100, 25 * 10**6, "skip")
    assert run.manifest.experiment["system"]["when_busy"] == "skip"
    assert [(a["what"], a["count"]) for a in run.manifest.anomalies] == [
        ("shed: every worker was busy", 26)
    ]
    assert run.manifest.counts["shed"] == 26
