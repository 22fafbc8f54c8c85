"""``rounds: {until: …, at_most: …}`` means what it says, or the first thing wrong is named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import tailmark
from tailmark import HalfWidth, Rjsd, Until
from tailmark.errors import ExperimentError, InputError

PLAIN: dict[str, Any] = {"workload": {"kind": "digits"}, "system": {"kind": "digits"}}
WIDTH = {"half_width": 0.01, "of": "mean"}


def load(folder: Path, rounds: Any, *overrides: str) -> tailmark.Experiment:
    """Write a file with these rounds, and read it."""
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump({**PLAIN, "rounds": rounds}))
    return tailmark.load_experiment(file, overrides)


@pytest.mark.parametrize(
    ("until", "rule"),
    [
        ({"half_width": 0.005, "of": "tail"}, HalfWidth(0.005, of="tail")),
        ({"half_width": 0.005}, HalfWidth(0.005, of="mean")),
        ({"half_width": 0.01, "of": "mean", "at": "5ms"}, HalfWidth(0.01, at="5ms")),
        ({"half_width": "50us", "of": "p99"}, HalfWidth("50us", of="p99")),
        ({"half_width": 0.02, "of": "p99.9"}, HalfWidth(0.02, of="p99.9")),
        ({"rjsd": 0.02}, Rjsd(0.02, window=5, every=2, warm=5)),
        (
            {"rjsd": 0.02, "window": 3, "every": 6, "warm": 30},
            Rjsd(0.02, window=3, every=6, warm=30),
        ),
    ],
)
def test_a_rule_is_named_by_its_target(tmp_path: Path, until: dict[str, Any], rule: Any) -> None:
    """Its other settings stand beside; the file, the override and Python say the same."""
    found = load(tmp_path, {"until": until, "at_most": 500})
    assert found.rounds == Until(rule, at_most=500)
    written = yaml.safe_dump({"until": until, "at_most": 500}, default_flow_style=True)
    assert load(tmp_path, 7, f"rounds={written.strip()}").rounds == found.rounds
    assert found.at_most == 500


def test_one_setting_of_it_can_be_replaced(tmp_path: Path) -> None:
    """By its dotted name."""
    found = load(tmp_path, {"until": WIDTH, "at_most": 500}, "rounds.at_most=60")
    assert found.rounds == Until(HalfWidth(0.01), at_most=60)
    found = load(tmp_path, {"until": WIDTH, "at_most": 500}, "rounds.until.of=on_time")
    assert found.rounds == Until(HalfWidth(0.01, of="on_time"), at_most=500)


@given(
    rule=st.one_of(
        st.builds(
            HalfWidth,
            st.floats(0.001, 0.9),
            of=st.sampled_from(["mean", "tail", "on_time"]),
            at=st.sampled_from([None, "5ms", "p99"]),
        ),
        st.builds(
            HalfWidth, st.sampled_from(["50us", "1.5ms"]), of=st.sampled_from(["p50", "p99"])
        ),
        st.builds(
            Rjsd,
            st.floats(0.001, 0.9),
            window=st.integers(1, 5),
            every=st.integers(1, 5),
            warm=st.integers(1, 9),
        ),
    ),
    at_most=st.integers(72, 900),
)
def test_what_a_run_records_is_what_a_file_takes(rule: Any, at_most: int) -> None:
    """`describe` and reading are inverse, so a run's own record measures it again."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        until = Until(rule, at_most=at_most)
        described = load(Path(folder), until.describe()).describe()["rounds"]
        assert described == until.describe()
        assert load(Path(folder), described).rounds == until


@pytest.mark.parametrize(
    ("rounds", "says"),
    [
        ({"until": WIDTH}, "rounds.at_most is missing: give it, such as at_most: 500"),
        ({"at_most": 9}, "rounds.until is missing: give it, such as until: {half_width: 0.005"),
        ({}, "rounds.until is missing"),
        ({"unitl": WIDTH, "at_most": 9}, "rounds has no setting 'unitl' (did you mean 'until'?)"),
        ({"until": WIDTH, "at_most": "x"}, "rounds.at_most is 'x'"),
        ({"until": WIDTH, "at_most": None}, "rounds.at_most is None"),
        ({"until": WIDTH, "at_most": 0}, "at_most is 0"),
        ({"until": WIDTH, "at_most": 1}, "needs 2 rounds at least, and at_most is 1"),
        (
            {"until": {"half_width": 0.01, "of": "tail"}, "at_most": 60},
            "half_width of tail needs 72 rounds at least, and at_most is 60: give at_most 72",
        ),
        ({"until": {"rjsd": 0.02}, "at_most": 9}, "first looked at after 17 rounds"),
        ({"until": 0.005, "at_most": 9}, "rounds.until is 0.005: write {half_width: 0.005"),
        ({"until": {}, "at_most": 9}, "names no stopping rule: give decided or half_width or rjsd"),
        ({"until": {"of": "tail"}, "at_most": 9}, "names no stopping rule: give decided or half"),
        (
            {"until": {"half_widht": 0.01}, "at_most": 9},
            "names no stopping rule (did you mean 'half_width'?): give decided or",
        ),
        (
            {"until": {"half_width": 0.01, "rjsd": 0.02}, "at_most": 99},
            "rounds.until names half_width and rjsd: give one of them",
        ),
        (
            {"until": {"half_width": 0.01, "window": 5}, "at_most": 99},
            "rounds.until has no setting 'window': it has half_width, of, at",
        ),
        (
            {"until": {"rjsd": 0.02, "evry": 5}, "at_most": 99},
            "rounds.until has no setting 'evry' (did you mean 'every'?)",
        ),
        ({"until": {"half_width": 0}, "at_most": 99}, "half_width is 0: "),
        ({"until": {"half_width": "wide"}, "at_most": 99}, "half_width is 'wide'"),
        ({"until": {"half_width": None}, "at_most": 99}, "half_width is None"),
        ({"until": {**WIDTH, "of": "tial"}, "at_most": 99}, "of is 'tial' (did you mean 'tail'?)"),
        ({"until": {**WIDTH, "of": 5}, "at_most": 99}, "rounds.until.of is 5"),
        ({"until": {**WIDTH, "at": "5"}, "at_most": 99}, "'5' has no unit"),
        ({"until": {"rjsd": "small"}, "at_most": 99}, "rounds.until.rjsd is 'small'"),
        ({"until": {"rjsd": 2}, "at_most": 99}, "rjsd is 2"),
        ({"until": {"rjsd": 0.02, "window": 0}, "at_most": 99}, "window is 0"),
        ({"until": {"rjsd": 0.02, "every": -1}, "at_most": 99}, "every is -1"),
        ({"until": {"rjsd": 0.02, "warm": 0}, "at_most": 99}, "warm is 0"),
        ({"until": {"rjsd": 0.02, "warm": "long"}, "at_most": 99}, "rounds.until.warm is 'long'"),
        ([5], "rounds is [5]"),
        (None, "rounds is None"),
    ],
)
def test_what_cannot_be_waited_for_is_named(tmp_path: Path, rounds: Any, says: str) -> None:
    """One sentence with the file, the value and the way out, before anything is opened."""
    with pytest.raises(ExperimentError) as caught:
        load(tmp_path, rounds)
    assert says in str(caught.value)
    assert "experiment.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_trying_it_refuses_a_quality_that_nobody_knows() -> None:
    """`check` opens the workload, and so finds that there are no references."""
    plan = tailmark.Experiment(
        workload=tailmark.Arrays(inputs=np.arange(3)),
        system=tailmark.Function(call=lambda batch: batch),
        rounds=Until(HalfWidth(0.01), at_most=60),
    )
    with pytest.raises(InputError, match=r"wait for half_width of a quality.*no references"):
        tailmark.rehearse(plan)


def test_trying_it_tells_how_long_the_most_would_take() -> None:
    """All rounds that are allowed."""
    plan = tailmark.Experiment(
        workload=tailmark.Digits(),
        system=tailmark.DigitsNetwork(),
        rounds=Until(HalfWidth(0.01), at_most=60),
        warmup=4,
    )
    found = tailmark.rehearse(plan)
    assert found.total_ns == found.query_ns * (60 * found.samples + 4)
