"""The page of a differential run as its reader has it: offline, in a real browser."""

from importlib.resources import files
from pathlib import Path

import pytest

import tailmark
from report.conftest import Open
from tailmark.analysis.differential import Differential
from tailmark.differential_file import plan_differential

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Differential:
    """Digits read upright, without optimisation, and lying; one environment cannot be."""
    document = {
        "workload": {"kind": "digits"},
        "system": {
            "kind": "onnxruntime",
            "model": str(files("tailmark") / "data" / "digits.onnx"),
        },
        "rounds": 3,
        "warmup": 2,
        "quality": {"deadlines": ["5ms"]},
        "environments": [
            {"name": "upright"},
            {"name": "plain", "system": {"optimization": "disable"}},
            {"name": "lying <b>", "system": {"kind": "function", "call": "sideways:read"}},
            {"name": "none", "system": {"output": "nothing"}},
        ],
    }
    plan = plan_differential(document, Path(__file__).parent)
    return tailmark.differential(plan, out=tmp_path_factory.mktemp("diff") / "run")


@pytest.fixture(scope="module")
def page(found: Differential) -> Path:
    """Its page."""
    return tailmark.write_differential_report(found, found.path / "report.html")


def test_it_tells_what_flips_and_why(reading: Open, page: Path, found: Differential) -> None:
    """The cause, the matrix with its strongest cells, the pictures with both answers."""
    shown = reading(page, drawn=False)
    (pair,) = (one for one in found.against_baseline if one.b == "lying <b>")
    assert f"({len(pair.flips)} of 360 samples)" in shown.locator("h1").inner_text()
    assert "rows for columns" in shown.locator(".causes").inner_text()
    cells = shown.locator(".heat tbody td")
    assert cells.count() == 9
    assert cells.nth(2).inner_text() == cells.nth(6).inner_text() == str(len(pair.flips))
    assert cells.nth(0).inner_text() == "·"
    assert cells.nth(1).inner_text() == "0"
    pictures = shown.locator(".flips img")
    assert pictures.count() == min(60, len(pair.flips))
    assert pictures.first.evaluate("image => image.naturalWidth") > 0
    assert "upright:" in shown.locator(".flips li").first.inner_text()
    assert "the model has no output" in shown.locator("#failed ~ dl").inner_text()


def test_what_a_stranger_wrote_is_text(reading: Open, page: Path) -> None:
    """Names are escaped, and there is no script that could run."""
    shown = reading(page, drawn=False)
    assert shown.locator(".heat b").count() == 0
    assert shown.locator("script").count() == 0


def test_plots_are_of_the_day_or_of_the_night(reading: Open, page: Path) -> None:
    """One of the two drawings shows."""
    for scheme, there, gone in (("light", "by-day", "by-night"), ("dark", "by-night", "by-day")):
        shown = reading(page, scheme=scheme, drawn=False)
        assert shown.locator(f".{there} svg").first.is_visible()
        assert not shown.locator(f".{gone} svg").first.is_visible()


def test_a_phone_shows_it_without_scrolling_sideways(reading: Open, page: Path) -> None:
    """Wide tables scroll by themselves."""
    shown = reading(page, width=390, drawn=False)
    assert shown.evaluate("document.documentElement.scrollWidth") <= 390
