"""Every scenario's settings as an experiment file gives them."""

import dataclasses
import re
from pathlib import Path

import pytest

import tailmark
from tailmark import plugins
from tailmark.errors import ExperimentError
from tailmark.scenario.base import Scenario
from tailmark.scenario.stream import Stream


def scenario(folder: Path, text: str) -> Scenario:
    """The recipe that a file with that scenario holds."""
    path = folder / "experiment.yaml"
    path.write_text(f"workload: {{kind: digits}}\nsystem: {{kind: digits}}\nscenario: {text}\n")
    return tailmark.load_experiment(path).scenario


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{kind: single-stream, queries: 9}", tailmark.SingleStream(queries=9)),
        ("{kind: multi-stream}", tailmark.MultiStream(samples_per_query=8)),
        ("{kind: offline, samples: 99}", tailmark.Offline(samples=99)),
        (
            "{kind: server, target_qps: 10, duration: 60s, schedule_seed: 16159082839903944936}",
            tailmark.Server(target_qps=10, duration="60s", schedule_seed=16159082839903944936),
        ),
        (
            "{kind: server, target_qps: 1.5, queries: 7, arrivals: constant}",
            tailmark.Server(target_qps=1.5, queries=7, arrivals="constant"),
        ),
        (
            "{kind: burst, base_qps: 0, burst_qps: 9, every: 10s, length: 1s, duration: 60s}",
            tailmark.Burst(base_qps=0, burst_qps=9, every="10s", length="1s", duration="60s"),
        ),
        ("{kind: stream, fps: 30, duration: 9s}", Stream(fps=30, duration="9s")),
        (
            "{kind: ramp, from_qps: 1, to_qps: 9, duration: 60s}",
            tailmark.Ramp(from_qps=1, to_qps=9, duration="60s"),
        ),
    ],
)
def test_a_file_gives_what_code_gives(tmp_path: Path, text: str, expected: object) -> None:
    """The same recipe, which describes itself by kind."""
    found = scenario(tmp_path, text)
    assert found == expected
    assert text.startswith("{kind: " + found.describe()["kind"])


def test_a_trace_is_looked_for_beside_the_file(tmp_path: Path) -> None:
    """Whatever folder the command runs in."""
    found = scenario(tmp_path, "{kind: replay, trace: arrivals.csv, unit: ms, scale: 2}")
    assert found == tailmark.Replay(trace=tmp_path / "arrivals.csv", unit="ms", scale=2)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{kind: server, target_qps: 1, duration: 60}", "60 has no unit: write 60ms or 60s"),
        ("{kind: ramp, from_qps: 1, to_qps: 2, duration: 60}", "60 has no unit"),
        ("{kind: server}", "scenario.target_qps is missing"),
        ("{kind: server, target_qps: 1, arrival: x}", r"did you mean 'arrivals'\?"),
        ("{kind: server, target_qps: 1, arrivals: x}", "it should be 'poisson' or 'constant'"),
        ("{kind: replay, trace: a.csv, unit: h}", "'ns', 'us', 'ms' or 's'"),
        ("{kind: servers}", r"did you mean 'server'\?"),
    ],
)
def test_what_a_file_says_wrongly_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    """With the way out."""
    with pytest.raises(ExperimentError, match=says):
        scenario(tmp_path, text)


def test_the_reference_tells_every_setting_of_every_scenario() -> None:
    """In the scenario's own table, and none that is not there; needed ones are said to be."""
    page = Path(__file__).parents[2] / "docs/reference/experiment.md"
    section = page.read_text(encoding="utf-8").split("## `scenario`\n")[1].split("\n## ")[0]
    _, *parts = re.split(r"^\*\*`([\w-]+)`\*\*", section, flags=re.MULTILINE)
    told = dict(zip(parts[0::2], parts[1::2], strict=True))
    assert sorted(told) == plugins.names("scenarios")
    for kind, text in told.items():
        fields = dataclasses.fields(plugins.load("scenarios", kind))
        rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|", text, flags=re.MULTILINE))
        assert list(rows) == [field.name for field in fields]
        for field in fields:
            assert (rows[field.name] == "needed") == (field.default is dataclasses.MISSING)
