"""What makes an environment answer otherwise is found and named, declared or not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from study.faulty import MODEL, colored, faulty, slowed
from tailmark.analysis.answered import Answered
from tailmark.differential_file import plan_differential
from tailmark.report.differential_sentences import attribution_sentence
from tailmark.study.attribution import axes_between
from tailmark.study.differential import differential
from tailmark.study.hypotheses import shifted_labels
from tailmark.study.precision import float_precision_of, precision_of

HERE = Path(__file__).parent
FAULTS = {
    "bgr": "its channels in reverse order",
    "turned": "rows for columns",
    "offset": "counts labels from 1 higher: declare decode.offset",
}


@pytest.fixture(scope="module")
def attributions(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Mapping[str, Any]]:
    """Of environments that read digits in colours, each with a fault of its own, by its name."""
    folder = tmp_path_factory.mktemp("faults")
    inputs, labels = colored()
    np.savez(folder / "digits.npz", inputs=inputs, references=labels)
    document = {
        "workload": {"kind": "arrays", "path": str(folder / "digits.npz"), "classes": 10},
        "system": {"kind": "function", "call": "faulty:right"},
        "rounds": 1,
        "warmup": 0,
        "environments": [
            {"name": "good"},
            *({"name": name, "system": {"call": f"faulty:{name}"}} for name in FAULTS),
            {"name": "dropping", "system": {"call": "faulty:dropping", "timeout": "9s"}},
        ],
    }
    found = differential(
        plan_differential(document, HERE), out=folder / "diff", cache=folder / "cache"
    )
    return {one["b"]: one for one in found.attributions}


@pytest.mark.parametrize("name", FAULTS)
def test_what_nobody_declared_is_named(
    attributions: Mapping[str, Mapping[str, Any]], name: str
) -> None:
    """Though all that is declared is that another function answers."""
    one = attributions[name]
    assert one["flips"] > 36
    assert FAULTS[name] in one["undeclared"]
    assert FAULTS[name] in attribution_sentence(one)


def test_outputs_that_are_dropped_are_counted(
    attributions: Mapping[str, Mapping[str, Any]],
) -> None:
    """A missing answer is a flip, and said to be missing."""
    one = attributions["dropping"]
    assert one["flips"] == one["missing"] == 17
    assert "17 of them have no answer in dropping" in attribution_sentence(one)


def test_of_several_settings_the_one_that_does_it_is_named(
    attributions: Mapping[str, Mapping[str, Any]],
) -> None:
    """And it alone."""
    one = attributions["dropping"]
    assert set(one["axes"]) == {"system.call", "system.timeout"}
    assert one["cause"] == ["system.call"]
    assert one["explained"] == one["flips"]


def test_an_operator_that_is_slow_is_named_though_nothing_flips(tmp_path: Path) -> None:
    """And that the environment takes longer is why it was asked."""
    slow, node = faulty(tmp_path / "slow.onnx", slowed, 1)
    document = {
        "workload": {"kind": "digits"},
        "system": {"kind": "onnxruntime", "model": str(MODEL), "optimization": "disable"},
        "rounds": 5,
        "warmup": 5,
        "quality": {"deadlines": ["5ms"]},
        "environments": [{"name": "good"}, {"name": "slow", "system": {"model": str(slow)}}],
    }
    found = differential(
        plan_differential(document, HERE), out=tmp_path / "diff", cache=tmp_path / "cache"
    )
    (one,) = found.attributions
    assert one["flips"] == 0
    assert one["slower"]["operator"] == node.name
    sentence = attribution_sentence(one)
    assert "slow answers as good does, and takes longer" in sentence
    assert str(node.name) in sentence


def planned(settings: Mapping[str, Any], steps: tuple[Any, ...] = ()) -> Any:
    """An environment of these settings of its system."""
    document = {"workload": {"kind": "digits"}, "environments": [{"name": "x"}]}
    system = dict(settings)
    if "kind" not in system:
        system = {"kind": "onnxruntime", "model": "m.onnx", **settings}
    plan = plan_differential({**document, "system": system, "make": list(steps)}, HERE)
    return plan.environments[0]


def test_what_a_runtime_chose_by_itself_is_an_axis() -> None:
    """Where it can be told otherwise, and nobody has."""
    a, b = planned({}), planned({"optimization": "basic"})
    effective = {"precision": "float32", "threads": 1}, {"precision": "bfloat16", "threads": 1}
    axes = axes_between(a, b, effective, ("precision", "threads"))
    assert [axis.name for axis in axes] == ["precision", "system.optimization"]
    assert axes[0].settings == {"system.precision": "float32"}
    assert [axis.name for axis in axes_between(a, b, effective, ())] == ["system.optimization"]


def test_another_framework_takes_its_own_settings_along() -> None:
    """What both kinds have a setting for is an axis of its own."""
    a = planned({"threads": 2, "optimization": "basic"})
    b = planned({"kind": "digits", "threads": 1})
    axes = {axis.name: axis for axis in axes_between(a, b, ({}, {}), ())}
    assert set(axes) == {"framework", "system.threads"}
    assert axes["framework"].settings == {
        "system.kind": "onnxruntime",
        "system.model": "m.onnx",
        "system.optimization": "basic",
    }


def test_each_step_more_is_an_axis() -> None:
    """Where A's steps are among B's; otherwise they are one."""
    a, b = planned({}, ("float32",)), planned({}, ("float32", "onnxsim", "onnxslim"))
    names = [axis.name for axis in axes_between(a, b, ({}, {}), ())]
    assert names == ["make.onnxsim", "make.onnxslim"]
    assert [axis.name for axis in axes_between(b, a, ({}, {}), ())] == ["make"]


def test_steps_of_one_kind_are_told_apart() -> None:
    """By their place: each is put back by itself."""
    a, b = planned({}, ("onnxsim",)), planned({}, ("onnxsim", "onnxslim", "onnxsim", "onnxslim"))
    axes = axes_between(a, b, ({}, {}), ())
    assert [(axis.name, axis.without) for axis in axes] == [
        ("make.onnxslim 1", 1),
        ("make.onnxsim 2", 2),
        ("make.onnxslim 2", 3),
    ]


@pytest.mark.parametrize(
    ("system", "contents", "whole", "floats"),
    [
        ({"precision": "bfloat16"}, {"stored_bytes": {"float32": 9}}, "bfloat16", "bfloat16"),
        ({}, {"stored_bytes": {"float16": 9, "float32": 1}}, "float16", "float16"),
        ({}, {"stored_bytes": {"int8": 9}, "quantized_operators": ["Q"]}, "int8", "float32"),
        (
            {"precision": "int8", "inference_precision": "bfloat16"},
            {"stored_bytes": {"int8": 9}, "quantized_operators": ["Q"]},
            "int8",
            "bfloat16",
        ),
        ({}, None, "float32", "float32"),
    ],
)
def test_a_precision_is_told_or_read_from_the_file(
    system: dict[str, Any], contents: dict[str, Any] | None, whole: str, floats: str
) -> None:
    """In a quantised model, some is computed in floating point still."""
    assert precision_of(system, contents) == whole
    assert float_precision_of(system, contents) == floats


def test_one_that_always_answers_the_same_counts_from_nowhere_else() -> None:
    """Though most of its answers are off by the same, where most samples are of one label."""

    def all_of(*labels: int) -> Answered:
        count = np.arange(len(labels))
        column = np.array(labels)[:, None]
        return Answered(output=count, sent=count >= 0, outputs={"labels": column})

    right = [3] * 85 + [4] * 10 + [5] * 5
    assert shifted_labels(all_of(*right), all_of(*[0] * 100)) == 0
    assert shifted_labels(all_of(*[3] * 100), all_of(*[0] * 100)) == 0
    assert shifted_labels(all_of(*right), all_of(*[one + 2 for one in right])) == 2


def test_causes_are_sought_without_the_load(tmp_path: Path) -> None:
    """Under which not every sample is sent in every round."""
    document = {
        "workload": {"kind": "digits"},
        "system": {"kind": "function", "call": "faulty_answers:plain"},
        "scenario": {"kind": "server", "target_qps": 400, "duration": "300ms"},
        "rounds": 4,
        "warmup": 0,
        "quality": {"deadlines": ["50ms"]},
        "environments": [
            {"name": "a"},
            {"name": "b", "system": {"call": "faulty_answers:shifted", "timeout": "9s"}},
        ],
    }
    found = differential(plan_differential(document, HERE), out=tmp_path / "diff")
    (one,) = found.attributions
    assert 0 < one["flips"] < 360
    assert one["cause"] == ["system.call"]
    assert {tuple(t["axes"]): t["flips"] for t in one["toggles"]} == {
        ("system.call",): 0,
        ("system.timeout",): one["flips"],
    }


def test_numbers_are_held_against_the_finest(tmp_path: Path) -> None:
    """Which is not the quantised file, though its runtime tells no precision."""
    document = {
        "workload": {"kind": "digits"},
        "system": {"kind": "onnxruntime", "model": str(MODEL)},
        "rounds": 1,
        "environments": [
            {"name": "eight bits", "then": [{"kind": "quantize", "samples": 8}]},
            {"name": "as it is"},
        ],
    }
    found = differential(
        plan_differential(document, HERE),
        out=tmp_path / "diff",
        cache=tmp_path / "cache",
        attribution=False,
    )
    assert (found.baseline, found.oracle) == ("eight bits", "as it is")
