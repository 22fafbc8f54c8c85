"""The file of a differential run: what an environment sets otherwise, and what it may not."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tailmark.differential_file import flattened, load_differential, merged, nested
from tailmark.errors import ExperimentError

BASE: dict[str, Any] = {
    "workload": {"kind": "digits"},
    "system": {"kind": "onnxruntime", "model": "m.onnx", "threads": 2, "optimization": "basic"},
    "rounds": 5,
}


def written(tmp_path: Path, **more: Any) -> Path:
    """A file of the base and more."""
    file = tmp_path / "diff.yaml"
    file.write_text(yaml.safe_dump(BASE | more, sort_keys=False), encoding="utf-8")
    return file


def test_an_environment_keeps_what_its_kind_has(tmp_path: Path) -> None:
    """Another kind of system inherits what it has a setting for, and nothing else."""
    plan = load_differential(
        written(
            tmp_path,
            environments=[{"name": "ort"}, {"name": "function", "system": {"kind": "digits"}}],
        )
    )
    ort, other = plan.environments
    assert ort.document["system"] == BASE["system"]
    assert other.document["system"] == {"kind": "digits", "threads": 2}
    assert plan.baseline == "ort"


def test_axes_make_one_of_every_combination(tmp_path: Path) -> None:
    """A setting's values, or levels by name, in the order they are written."""
    plan = load_differential(
        written(
            tmp_path,
            axes={
                "level": {
                    "none": {"system": {"optimization": "disable"}},
                    "all": {"system": {"optimization": "all"}},
                },
                "system.threads": [1, 2],
            },
        )
    )
    assert [one.name for one in plan.environments] == [
        "none/threads=1",
        "none/threads=2",
        "all/threads=1",
        "all/threads=2",
    ]
    assert plan.environments[3].changes == {"system.optimization": "all", "system.threads": 2}


def test_steps_of_several_axes_follow_each_other(tmp_path: Path) -> None:
    """None takes the place of another's."""
    plan = load_differential(
        written(
            tmp_path,
            axes={
                "precision": {"full": {}, "half": {"then": ["float16"]}},
                "graph": {"as it is": {}, "slim": {"then": "onnxslim"}},
            },
        )
    )
    steps = {one.name: one.steps for one in plan.environments}
    assert steps == {
        "full/as it is": (),
        "full/slim": ("onnxslim",),
        "half/as it is": ("float16",),
        "half/slim": ("float16", "onnxslim"),
    }


def test_a_name_may_look_like_something_else(tmp_path: Path) -> None:
    """A number or a date, in whichever place it is named."""
    file = tmp_path / "diff.yaml"
    text = yaml.safe_dump(BASE) + "baseline: 16\nenvironments: [{name: 2026-10-01}, {name: 16}]\n"
    file.write_text(text, encoding="utf-8")
    plan = load_differential(file)
    assert [one.name for one in plan.environments] == ["2026-10-01", "16"]
    assert plan.baseline == "16"


def test_all_live_alone_and_who_is_only_asked_is_asked_once(tmp_path: Path) -> None:
    """Every environment has a process of its own; an oracle needs no rounds."""
    plan = load_differential(
        written(tmp_path, environments=[{"name": "a"}, {"name": "o", "answers_only": True}])
    )
    a, o = (plan.experiment(one) for one in plan.environments)
    assert (a.isolate, a.rounds) == (True, 5)
    assert (o.isolate, o.rounds, o.warmup) == (True, 1, 0)
    assert a.system.model == tmp_path / "m.onnx"  # type: ignore[attr-defined]


def test_steps_are_inherited_replaced_or_gone_on_with(tmp_path: Path) -> None:
    """``make`` replaces what makes the model, ``then`` goes on with it."""
    plan = load_differential(
        written(
            tmp_path,
            make=["float32"],
            environments=[
                {"name": "a"},
                {"name": "b", "make": []},
                {"name": "c", "then": ["onnxslim"]},
            ],
        )
    )
    assert [one.steps for one in plan.environments] == [("float32",), (), ("float32", "onnxslim")]


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({}, "there are no environments"),
        ({"environments": [{"name": "a"}], "baseline": "b"}, "baseline is 'b', which is no"),
        ({"environments": [{"name": "a"}, {"name": "A"}]}, "names too much alike"),
        ({"environments": [{"system": {}}]}, "environment 1 has no name"),
        (
            {"environments": [{"name": "a", "rounds": 3}]},
            r"no setting 'rounds' \(it is the same in all",
        ),
        ({"environments": [{"name": "a", "sytem": {}}]}, "did you mean 'system'"),
        (
            {"environments": [{"name": "a", "system": {"thraeds": 1}}]},
            "environment 'a': system has no setting 'thraeds'",
        ),
        ({"environments": [{"name": "a", "then": ["onnxslom"]}]}, "did you mean 'onnxslim'"),
        ({"environments": "a"}, "environments is 'a': write a list"),
        ({"axes": {"system.threads": 1}}, "axis 'system.threads' is 1: write a list"),
        ({"axes": {"x": {"a": 1}}}, "axis 'x': 'a' is 1: write what it sets"),
        ({"axes": {"sytem.threads": [1]}}, "no setting 'sytem'.*did you mean 'system'"),
        ({"axes": {"rounds": [1, 2]}}, "axis 'rounds' has no setting 'rounds'"),
        ({"axes": {"system": [1, 2]}}, "axis 'system' has the system 1: write what it sets"),
        (
            {"axes": {"system.threads": [1], "all": {"a": {"system": {"threads": 2}}}}},
            "two of 'threads=1/a' set system.threads",
        ),
        (
            {"axes": {"system.optimization": ["all"], "k": {"d": {"system": {"kind": "digits"}}}}},
            "'optimization=all/d': system has no setting 'optimization'",
        ),
        ({"environments": [{"name": "a", "system": None}]}, "'a' has the system None: write"),
        ({"environments": [{"name": "a", "system": "mnn"}]}, "'a' has the system 'mnn': write"),
        (
            {"environments": [{"name": "a"}], "make": [{"samples": 3}]},
            "make has the step",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path, more: dict[str, Any], sentence: str
) -> None:
    """Before anything is made or measured."""
    with pytest.raises(ExperimentError, match=sentence):
        load_differential(written(tmp_path, **more))


SETTINGS = st.recursive(
    st.dictionaries(st.text("abc", min_size=1, max_size=2), st.integers(), min_size=1, max_size=3),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, min_size=1),
    max_leaves=6,
)


def test_names_with_dots_are_kept_whole() -> None:
    """Such as those of a model's outputs."""
    settings = {"decode": {"kind": "parts", "parts": {"out.0": {"kind": "classes"}}}}
    assert nested(flattened(settings)) == settings


@given(SETTINGS)
def test_flattened_settings_come_back(settings: dict[str, Any]) -> None:
    """Dotted names hold all there is."""
    assert nested(flattened(settings)) == settings


@given(SETTINGS, SETTINGS)
def test_what_is_set_is_there(base: dict[str, Any], changes: dict[str, Any]) -> None:
    """Whatever was there before, and the rest stays where nothing else stands in its place."""
    after = flattened(merged(base, changes))
    assert flattened(changes).items() <= after.items()
    assert set(after) <= {*flattened(base), *flattened(changes)}
