"""Real models in real environments: what is float32 agrees, and what is not shows."""

import csv
import runpy
from pathlib import Path

import pytest
import yaml

from tailmark.analysis.differential import Differential
from tailmark.differential_file import load_differential
from tailmark.records.environment import capture
from tailmark.report.differential_page import write_differential_report
from tailmark.report.differential_sentences import attribution_sentence
from tailmark.study.differential import differential

EXAMPLES = Path(__file__).parents[2] / "examples" / "environments"
CLOSE = ("desk", "wooden_spoon", "abacus", "microphone", "printer")
"""Images that MobileNetV2 decides by little."""


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")))
def test_every_example_is_a_plan(
    example: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its settings are those of its systems and conversions."""
    monkeypatch.setenv("TAILMARK_DATA", str(data))
    assert len(load_differential(example).environments) > 3


@pytest.fixture(scope="module")
def found(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Differential:
    """MobileNetV2 in float32, on some images, half of them close calls."""
    for package in ("openvino", "torch", "ncnn", "MNN"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    folder = tmp_path_factory.mktemp("environments")
    with (data / "imagenet500" / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = [row for row in rows if row["name"] in CLOSE or any(c in row["file"] for c in CLOSE)]
    chosen += [row for row in rows if row not in chosen][:: len(rows) // 10][:10]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(chosen)
    document = yaml.safe_load((EXAMPLES / "mobilenet_v2.yaml").read_text(encoding="utf-8"))
    wanted = (
        "onnxruntime/all",
        "onnxruntime/disable",
        "openvino/default",
        "openvino/float32",
        "torch/eager",
        "ncnn",
        "mnn",
        "bgr",
        "float64",
    )
    document["environments"] = [
        one | {"answers_only": True} for one in document["environments"] if one["name"] in wanted
    ]
    document["environments"].append(
        {"name": "impossible", "make": ["float32"], "answers_only": True}
    )
    document["workload"] |= {
        "path": str(data / "imagenet500" / "images"),
        "labels": str(folder / "labels.csv"),
    }
    document["system"]["model"] = str(data / "models" / "mobilenetv2-12-qdq.onnx")
    (folder / "diff.yaml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    plan = load_differential(folder / "diff.yaml")
    return differential(plan, out=folder / "diff", cache=folder / "cache")


def error(found: Differential, name: str) -> float:
    """The largest difference to the float64 oracle."""
    pair = found.pair("float64", name)
    assert pair is not None
    assert pair.numeric is not None
    return max(float(one["max_abs"]) for one in pair.numeric.values())


@pytest.mark.parametrize(
    "name",
    ["onnxruntime/all", "onnxruntime/disable", "openvino/float32", "torch/eager", "ncnn", "mnn"],
)
def test_float32_is_float32_everywhere(found: Differential, name: str) -> None:
    """No label flips, and no number is further off than rounding."""
    pair = found.pair("float64", name)
    assert pair is not None
    assert not pair.flips
    assert error(found, name) < 1e-3


def test_a_hidden_precision_shows_and_is_the_cause(found: Differential) -> None:
    """OpenVINO's default is bfloat16 on processors that have AMX, and says so nowhere else."""
    (cell,) = (cell for cell in found.cells if cell.name == "openvino/default")
    if "amx_bf16" not in capture()["processor"]["flags"]:
        assert cell.system["precision"] == "float32"
        return
    assert cell.system["precision"] == "bfloat16"
    assert error(found, "openvino/default") > 0.1
    (one,) = (one for one in found.attributions if one["b"] == "openvino/default")
    assert one["flips"] > 0
    assert one["cause"] == ["precision"]
    sentence = attribution_sentence(one)
    assert "precision bfloat16 (for float32) explains" in sentence
    assert "first divergence at" in sentence


def test_colours_the_other_way_round_are_the_cause(found: Differential) -> None:
    """Of all that is declared."""
    (one,) = (one for one in found.attributions if one["b"] == "bgr")
    assert one["cause"] == ["workload.preprocess.color"]


def test_a_conversion_that_fails_is_a_cell(found: Differential, tmp_path: Path) -> None:
    """With its reason, on the page too, and the others were measured."""
    (cell,) = found.failed
    assert (cell.name, cell.environment.stage) == ("impossible", "conversion")
    page = write_differential_report(found, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "impossible" in page
    assert page.count("<img") >= 1
    assert "<script" not in page


def test_the_study_prints_the_papers_tables(found: Differential) -> None:
    """A row an environment: labels changed, Kendall's tau, Jaccard, time; what failed says so."""
    table = runpy.run_path(str(EXAMPLES / "study.py"))["table"](found)
    lines = table.splitlines()
    assert len(lines) == 2 + len(found.against_baseline) + len(found.failed)
    assert "labels changed" in lines[0]
    assert "failed: " in lines[-1]
    (bgr,) = (line for line in lines if line.startswith("| bgr "))
    pair = found.pair(found.baseline, "bgr")
    assert pair is not None
    assert f"{100 * len(pair.flips) / pair.samples:.1f} %" in bgr
