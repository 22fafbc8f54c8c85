"""Recorded arrivals are due again as they were, and a file that does not say when is refused."""

import itertools
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import tailmark
from tailmark.errors import InputError
from tailmark.records.model import Int64s
from tailmark.scenario.replay import Replay
from tailmark.testing import check_scenario

BURST_GPT = """\
Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type
5,ChatGPT,472,18,490,Conversation log
45,GPT-4,1,1,2,API log
"""
TIMES_NS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40)
SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def due(scenario: Replay, index: int = 0, order: Any = "fixed") -> Int64s:
    """When its queries are, of a workload of three."""
    made = scenario.schedule(3, order=order, seed=0, index=index)
    assert made.due_ns is not None
    assert len(made) == len(made.due_ns)
    return made.due_ns


def write(folder: Path, text: str, name: str = "trace.csv") -> Path:
    """A file of that text."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def column(folder: Path, times: Sequence[object], name: str = "arrival_ns") -> Path:
    """A CSV file of one column."""
    return write(folder, "\n".join([name, *map(str, times)]) + "\n")


@SAME_FOLDER
@given(TIMES_NS, st.sampled_from(["csv", "jsonl"]))
def test_every_arrival_is_due_as_long_after_the_first_as_it_was(
    tmp_path: Path, times: list[int], kind: str
) -> None:
    """To the nanosecond, sorted, and the same in every round."""
    path = column(tmp_path, times)
    if kind == "jsonl":
        lines = "".join(json.dumps({"id": 7, "arrival_ns": t}) + "\n" for t in times)
        path = write(tmp_path, lines, "trace.jsonl")
    scenario = Replay(trace=path)
    expected = [t - min(times) for t in sorted(times)]
    assert due(scenario).tolist() == due(scenario, index=9).tolist() == expected
    assert scenario.describe()["arrivals"] == len(times)
    drops = sum(b < a for a, b in itertools.pairwise(times))
    assert scenario.describe()["unsorted"] == drops


@SAME_FOLDER
@given(TIMES_NS, st.floats(0.01, 100))
def test_twice_the_scale_is_twice_the_rate(tmp_path: Path, times: list[int], scale: float) -> None:
    """Each time is divided by it."""
    path = column(tmp_path, times)
    once, scaled = due(Replay(trace=path)), due(Replay(trace=path, scale=scale))
    assert np.array_equal(scaled, np.rint(once / scale))


@SAME_FOLDER
@given(st.lists(st.integers(0, 10_000), min_size=2, max_size=40), st.integers(1, 3_000), st.data())
def test_rounds_are_the_windows_one_after_another(
    tmp_path: Path, times: list[int], length: int, data: st.DataObject
) -> None:
    """Whole ones in which something arrives; after the last the first again."""
    start = min(times)
    since = sorted(t - start for t in times)
    period = since[-1] + round(since[-1] / (len(since) - 1))
    assume(period >= length)
    windows = [
        [t - at for t in since if at <= t < at + length]
        for at in range(0, period - length + 1, length)
    ]
    filled = [window for window in windows if window]
    scenario = Replay(trace=column(tmp_path, times), duration=f"{length}ns")
    index = data.draw(st.integers(0, 3 * len(filled)))
    assert due(scenario, index).tolist() == filled[index % len(filled)]


def test_an_equal_issue_order_goes_on_into_what_comes_next(tmp_path: Path) -> None:
    """Into the next window, and past the trace's end to its beginning, a usual gap later."""
    path = column(tmp_path, [0, 10, 20, 60])
    assert due(Replay(trace=path), order="equal-issue").tolist() == [0, 10, 20, 60, 80, 90]
    windowed = Replay(trace=path, duration="15ns")
    assert due(windowed, order="equal-issue").tolist() == [0, 10, 20]
    assert due(windowed, 3, order="equal-issue").tolist() == [0, 10, 20]
    assert due(windowed, 2, order="equal-issue").tolist() == [0, 20, 30]


@pytest.mark.parametrize(
    ("text", "unit", "expected_ms"),
    [
        ("arrival_s\n0.25\n1.5e0\n", None, [0, 1250]),
        ("id;Time_ms\n1;100\n2;101.5\n", None, [0, 1.5]),
        ("TS-us\tx\n5\t0\n1005\t0\n", None, [0, 1]),
        (" Request Time \n1700000000.000001\n1700000000.500001\n", "s", [0, 500]),
        ("timestamp\n2023-11-16 18:15:46.6805900\n2023-11-16T18:15:46.7\n", None, [0, 19.41]),
        ("date\n2024-02-28 23:59:59Z\n2024-02-29T01:00:00.001+01:00\n", None, [0, 1001]),
        ('prompt,when,time\n"a, b\n""c""",x,1\n,y,2\n', "ms", [0, 1]),
        ("\ufeffarrival_ms\r\n3\r\n\r\n9\r\n", None, [0, 6]),
        (
            BURST_GPT,
            None,
            [0, 40_000],
        ),
        ('\n{"time": "2023-11-16", "x": [1]}\n\n{"time": "2023-11-17"}\n', None, [0, 86_400_000]),
        ('{"t": 1e3, "ok": true}\n{"t": 1001.000001}', "ms", [0, 1.000001]),
    ],
)
def test_times_are_read_as_people_write_them(
    tmp_path: Path, text: str, unit: Any, expected_ms: list[float]
) -> None:
    """Units in the column's name, dates with up to nine digits, zones, quotes, blank lines."""
    named = "t" if '"t"' in text else None
    scenario = Replay(trace=write(tmp_path, text), unit=unit, column=named)
    assert due(scenario).tolist() == [round(ms * 1e6) for ms in expected_ms]


def test_nanoseconds_of_a_date_in_seconds_are_kept(tmp_path: Path) -> None:
    """Which no float holds."""
    path = column(tmp_path, ["1700000000.123456789", "1700000000.123456790"], "arrival_s")
    assert due(Replay(trace=path)).tolist() == [0, 1]
    path = column(tmp_path, [1700000000123456789, 1700000000123456790])
    assert due(Replay(trace=path)).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("file", "arrivals", "rate", "variation"),
    [
        ("AzureLLMInferenceTrace_conv.csv", 19_366, 5.53, 1.09),
        ("mooncake_synthetic_trace.jsonl", 3_993, 3.91, 1.01),
    ],
)
def test_published_traces_need_no_setting(
    data: Path, file: str, arrivals: int, rate: float, variation: float
) -> None:
    """Their number, rate and variation of gaps are those published."""
    scenario = Replay(trace=data / "traces" / file)
    times = due(scenario)
    gaps = np.diff(times)
    assert len(times) == arrivals
    assert round(1e9 / gaps.mean(), 2) == rate
    assert round(gaps.std() / gaps.mean(), 2) == variation
    windowed = Replay(trace=data / "traces" / file, duration="30s", scale=10)
    assert np.mean([len(due(windowed, index=i)) for i in range(3)]) > 100
    check_scenario(windowed)


def test_the_file_is_read_once_and_a_copy_reads_it_again(tmp_path: Path) -> None:
    """However many rounds there are; what was read is no part of the recipe."""
    path = column(tmp_path, [0, 5])
    one = Replay(trace=path)
    described = one.describe()
    path.unlink()
    assert all(due(one, index=i).tolist() == [0, 5] for i in range(100))
    assert one.describe() == described
    assert one == Replay(trace=path) == pickle.loads(pickle.dumps(one))
    with pytest.raises(InputError, match="does not exist"):
        pickle.loads(pickle.dumps(one)).describe()


def test_it_is_described_by_name_and_content_not_by_place(tmp_path: Path) -> None:
    """The same file elsewhere is the same; another content is not."""
    texts = {"a": "1\n2\n", "b": "1\n2\n", "c": "1\n3\n"}
    told = {}
    for name, text in texts.items():
        (tmp_path / name).mkdir()
        path = write(tmp_path / name, "time_s\n" + text)
        told[name] = Replay(trace=path).describe()
    assert told["a"] == told["b"]
    assert told["a"]["sha256"] != told["c"]["sha256"]
    assert str(tmp_path) not in json.dumps(told)
    assert told["a"]["trace"] == "trace.csv"
    assert (told["a"]["column"], told["a"]["unit"]) == ("time_s", "s")


def test_it_keeps_the_scenario_contract(tmp_path: Path) -> None:
    """Whole, or window by window."""
    path = column(tmp_path, range(0, 500, 7), "arrival_ms")
    check_scenario(Replay(trace=path))
    check_scenario(Replay(trace=path, duration="100ms"))
    check_scenario(tailmark.Replay(trace=path, scale=0.5, duration="300ms"))


@pytest.mark.parametrize(
    ("text", "options", "says"),
    [
        ("", {}, "is empty: give one row for every arrival"),
        (" \n", {}, "is empty"),
        ("arrival_ms\n", {}, "has a header and no rows"),
        ("a,b\n1,2\n", {}, "has the columns 'a', 'b': say by scenario.column"),
        ("time,timestamp\n1,2\n", {}, "several columns of times, 'time', 'timestamp': say by"),
        ("0.1\n0.2\n", {}, "has the columns '0.1'"),
        ("time_s,time_s\n1,2\n", {}, "has two columns 'time_s'"),
        ("time_s\n1\n", {"column": "tim_s"}, r"no column 'tim_s' \(did you mean 'time_s'\?\)"),
        ("time\n1\n2\n", {}, "holds numbers and does not say of what: set scenario.unit to ns"),
        ("time_ms\n1\n", {"unit": "s"}, "scenario.unit is 's', and the times of .* are in ms"),
        ("time\n2024-01-01\n", {"unit": "s"}, "holds dates: leave the unit out"),
        ("time_s\n1\n-2\n", {}, r"row 2: 'time_s' is '-2': give a number, zero or more"),
        ("time_s\n1\nnan\n", {}, "row 2: 'time_s' is 'nan': give a number"),
        ("time_s\n1\ninf\n", {}, "row 2: 'time_s' is 'inf': give a number"),
        ("time_s,x\n1,1\n,1\n3,1\n", {}, "row 2: 'time_s' is empty: give a number"),
        ("time_s\n1\nsoon\n", {}, "row 2: 'time_s' is 'soon'"),
        ("time\n2024-01-01\n5\n", {}, "row 2: 'time' is '5': give a date without a zone"),
        ("time\n2024-01-01\n2024-02-30\n", {}, "row 2: 'time' is '2024-02-30': give a date"),
        ("time\n2024-01-01 10:00Z\n2024-01-01\n", {}, "row 2: .* give a date with its zone"),
        ("time\n1700-01-01\n2200-01-01\n", {}, "centuries apart"),
        ("time_s,x\n1,2\n3\n", {}, "cannot be read as a table"),
        ("time_s\n1\n99999999999999\n", {}, "are its times in another unit than s"),
        ("time_s\n0\n200000000\n", {}, "would last about 6.34 years"),
        ('{"time_s": 1}\n{"time_s": }\n', {}, "line 2: is no JSON object"),
        ('{"time_s": 1}\n[2]\n', {}, "line 2: is no JSON object"),
        ('{"time_s": 1}\n{"other": 2}\n', {}, "row 2: 'time_s' is None: give every row"),
        ('{"time_s": 1}\n{"time_s": true}\n', {}, "row 2: 'time_s' is True"),
        ('{"time_s": 1}\n{"time_s": NaN}\n', {}, "row 2: 'time_s' is 'NaN'"),
        ("[{}]\n", {}, "has the columns"),
        ("time_s\n1\n2\n", {"duration": "3s"}, "lasts 2 s at scale 1: give no more, or leave it"),
        ("time_s\n1\n", {"duration": "3s"}, "lasts 0 ns at scale 1"),
    ],
)
def test_a_file_that_does_not_say_when_is_refused(
    tmp_path: Path, text: str, options: dict[str, Any], says: str
) -> None:
    """In one sentence: the file, the row, what it holds, what is allowed."""
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=says) as caught:
        Replay(trace=path, **options).schedule(3, order="fixed", seed=0, index=0)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_file_is_refused(tmp_path: Path) -> None:
    """A picture, a folder, nothing."""
    picture = tmp_path / "picture.csv"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\x00\xff\xfe")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        Replay(trace=picture).describe()
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        Replay(trace=tmp_path).describe()
    with pytest.raises(InputError, match="does not exist: give a CSV or JSONL file"):
        Replay(trace=tmp_path / "none.csv").describe()


@SAME_FOLDER
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.booleans())
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes, headed: bool) -> None:
    """Never anything else."""
    path = tmp_path / "trace.csv"
    path.write_bytes(b"time_s\n" * headed + content)
    try:
        times = due(Replay(trace=path))
    except InputError:
        return
    assert times[0] == 0
    assert (np.diff(times) >= 0).all()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": 0}, "scenario.scale is 0: give a number above 0"),
        ({"unit": "h"}, "scenario.unit is 'h': ns, us, ms, s"),
        ({"duration": "0s"}, "scenario.duration is '0s'"),
    ],
)
def test_settings_that_no_file_could_meet_are_refused_at_once(
    options: dict[str, Any], says: str
) -> None:
    """Before the file is looked for."""
    with pytest.raises(InputError, match=says):
        Replay(trace=Path("none.csv"), **options)
