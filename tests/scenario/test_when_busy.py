"""Settings of a queue that contradict each other, or the scenario, are refused."""

from pathlib import Path
from typing import Any

import pytest

import tailmark
from tailmark.drive.loadgen.settings import LoadGen
from tailmark.errors import ExperimentError, InputError
from tailmark.experiment import Experiment
from tailmark.scenario.base import Scenario
from tailmark.scenario.queueing import Queueing
from tailmark.scenario.stream import Stream
from tailmark.system.digits import DigitsNetwork
from tailmark.workload.digits import Digits


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"when_busy": "newst"}, r"'newst' \(did you mean 'newest'\?\): queue, skip or newest"),
        ({"when_busy": 3}, "system.when_busy is 3: queue, skip or newest"),
        (
            {"when_busy": "skip", "max_outstanding": 6},
            "system.max_outstanding is 6 and when_busy 'skip' bounds what waits by itself",
        ),
        (
            {"when_busy": "newest", "max_outstanding": 6},
            "system.max_outstanding is 6 and when_busy 'newest' bounds what waits by itself",
        ),
        ({"when_busy": "skip", "batch": 2}, "leave batch out, or give when_busy: newest"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(settings: dict[str, Any], says: str) -> None:
    """In one sentence."""
    with pytest.raises(InputError, match=says):
        Queueing(**settings)


def test_a_file_says_it_beside_workers(tmp_path: Path) -> None:
    """What it says wrongly is one sentence with the nearest word."""
    text = "workload: {{kind: digits}}\nsystem: {{kind: digits, workers: 2, when_busy: {}}}\n"
    path = tmp_path / "experiment.yaml"
    path.write_text(text.format("skip"))
    assert tailmark.load_experiment(path).queueing == Queueing(workers=2, when_busy="skip")
    path.write_text(text.format("skipp"))
    with pytest.raises(ExperimentError, match=r"did you mean 'skip'\?"):
        tailmark.load_experiment(path)


def experiment(scenario: Scenario, **changes: Any) -> Experiment:
    """The digits, of which the newest are taken."""
    queueing = Queueing(when_busy="newest")
    return Experiment(
        workload=Digits(),
        system=DigitsNetwork(),
        scenario=scenario,
        queueing=queueing,
        **changes,
    )


@pytest.mark.parametrize(
    "scenario",
    [tailmark.SingleStream(), tailmark.MultiStream(), tailmark.Offline()],
    ids=lambda one: str(one.describe()["kind"]),
)
def test_who_waits_for_every_answer_sheds_none(scenario: Scenario) -> None:
    """There a setting that says what is shed would be a lie."""
    with pytest.raises(InputError, match="waits for every answer: leave when_busy out"):
        experiment(scenario).schedule(9, 0)


@pytest.mark.parametrize("scenario", [Stream(fps=30), tailmark.Server(target_qps=9)])
def test_who_does_not_wait_may_shed(scenario: Scenario) -> None:
    """Streams, servers and their like."""
    assert len(experiment(scenario).schedule(9, 0)) == 9


def test_loadgens_queries_wait() -> None:
    """Its engine has no other way."""
    with pytest.raises(InputError, match=r"system.when_busy is 'newest' and LoadGen's queries"):
        experiment(tailmark.Server(target_qps=9), engine=LoadGen())
