"""Models of texts are measured from file to quality as models of images are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import tailmark
from tailmark.decode.answer import Answer
from tailmark.experiment_file import load_experiment
from tailmark.records.ragged import Ragged
from tailmark.workload.questions import Questions

SAID = """Utterance,Emotion,Dialogue_ID,Utterance_ID
What?,surprise,0,0
"No, no.",anger,0,1
Yes!,joy,0,2
Oh,surprise,1,0
"""

KNOWN = {"What?": 2, "No, no.": 0, "Yes!": 2, "Oh": 2}
"""What the model says of each text; one of four is wrong."""


def reader_of_texts(path: Path) -> None:
    """A model whose input is texts of shape (N, utterances), its output scores of three classes.

    It knows a text or does not: a table from texts to classes.
    """
    nodes = [
        helper.make_node(
            "LabelEncoder",
            ["said"],
            ["label"],
            domain="ai.onnx.ml",
            keys_strings=list(KNOWN),
            values_int64s=list(KNOWN.values()),
            default_int64=1,
        ),
        helper.make_node("OneHot", ["label", "classes", "range"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "reader",
        [helper.make_tensor_value_info("said", TensorProto.STRING, ["N", "utterances"])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", "utterances", 3])],
        [
            numpy_helper.from_array(np.array([3]), "classes"),
            numpy_helper.from_array(np.array([0, 1], np.float32), "range"),
        ],
    )
    versions = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    model = helper.make_model(graph, opset_imports=versions)
    model.ir_version = 9
    onnx.save(model, path)


EXPERIMENT = """
workload: {kind: dialogues, path: said.csv}
system: {kind: onnxruntime, model: reader.onnx, decode: {kind: sequence-classes}}
rounds: 2
warmup: 0
quality: {metric: accuracy}
"""


@pytest.mark.parametrize("unit", ["dialogue", "utterance"])
def test_a_model_whose_input_is_texts_is_measured(tmp_path: Path, unit: str) -> None:
    """A dialogue at a time, or an utterance; what is stored can be read again."""
    (tmp_path / "said.csv").write_text(SAID)
    reader_of_texts(tmp_path / "reader.onnx")
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    experiment = load_experiment(tmp_path / "experiment.yaml", [f"workload.unit={unit}"])
    tailmark.run_experiment(experiment, out=tmp_path / "run")
    run = tailmark.open_run(tmp_path / "run")
    references: Any = run.references.values
    if unit == "dialogue":
        assert isinstance(references, Ragged)
        assert [row.tolist() for row in references] == [[2, 0, 1], [2]]
    else:
        assert references.tolist() == [2, 0, 1, 2]
        assert run.references.sequences is not None
        assert run.references.sequences.tolist() == [0, 0, 0, 1]
    ideal = tailmark.summarize(run).ideal
    assert ideal is not None
    assert ideal.value == 3 / 4


def parrot(batch: Any) -> str:
    """A system that answers with what it knows of the question."""
    asked = str(batch[0])
    return {"Capital of France?": "It is Paris.", "Of Peru?": "I guess it is Cusco."}.get(
        asked, "?"
    )


def test_answers_are_graded_by_what_the_rule_finds(tmp_path: Path) -> None:
    """One is right, one is wrong, and one gives none and is wrong, too."""
    asked = [
        {"question": "Capital of France?", "answer": ["Paris", "Lutetia"]},
        {"question": "Of Peru?", "answer": "Lima"},
        {"question": "Of Bolivia?", "answer": ["Sucre", "La Paz"]},
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    tailmark.measure(
        Questions(path=tmp_path / "asked.jsonl"),
        tailmark.Function(call=parrot),
        decode=Answer(extract=r"(?i)it is (\w+)"),
        rounds=1,
        out=tmp_path / "run",
    )
    run = tailmark.open_run(tmp_path / "run")
    assert sorted(run.outputs["answers"].tolist()) == ["", "Cusco", "Paris"]
    references: Any = run.references.values
    assert [row.tolist() for row in references] == [
        ["Paris", "Lutetia"],
        ["Lima"],
        ["Sucre", "La Paz"],
    ]
    assert run.manifest.counts["ok"] == 3
    ideal = tailmark.summarize(run, metric="exact_match").ideal
    assert ideal is not None
    assert ideal.value == pytest.approx(1 / 3)


CHOICES = r"""
workload: {kind: questions, path: asked.jsonl, template: "{question}\n{choices}\nLetter:"}
system:
  kind: function
  call: says:says
  decode: {kind: choice, extract: 'answer is \((\w)\)', match: last}
rounds: 1
quality: {metric: top1}
"""


def test_choices_are_graded_by_top1(tmp_path: Path) -> None:
    """From the letter in the text."""
    asked = [
        {"question": "1 + 1?", "choices": ["1", "2", "3", "4"], "answer": "B"},
        {"question": "2 + 1?", "choices": ["1", "2", "3", "4"], "answer": "C"},
    ]
    (tmp_path / "asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    (tmp_path / "says.py").write_text("def says(batch):\n    return [b'The answer is (b).']\n")
    (tmp_path / "experiment.yaml").write_text(CHOICES)
    experiment = load_experiment(tmp_path / "experiment.yaml")
    run = tailmark.run_experiment(experiment, out=tmp_path / "run")
    assert run.outputs["labels"].tolist() == [[1]]
    ideal = tailmark.summarize(run).ideal
    assert ideal is not None
    assert ideal.value == 1 / 2
