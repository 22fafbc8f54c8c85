"""A metric is chosen by how people write it, and says its name so that it is chosen again."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark import plugins
from tailmark.errors import InputError, UnknownNameError
from tailmark.quality.choose import choose, is_code
from tailmark.quality.spelling import recipe_of, spelled

WRITTEN = {
    "top1": "top1",
    "f1_weighted": "f1_weighted",
    "f1:3": "f1:3",
    "f1:label=3": "f1:3",
    "ndcg@10": "ndcg@10",
    "ndcg:10": "ndcg@10",
    "ndcg:k=10": "ndcg@10",
    "mrr": "mrr",
    "mae:5": "mae:5",
    "rmse:penalty=2.50": "rmse:2.5",
    "exact_match:squad": "exact_match:squad",
    "exact_match:none": "exact_match",
    "mean_iou": "mean_iou",
    "mean_iou:road": "mean_iou:road",
    "iou:1": "iou:1",
    "iou:label=1,column=road": "iou:label=1,column=road",
    " iou : 1 , column = road ": "iou:label=1,column=road",
}


@pytest.mark.parametrize(("spec", "name"), WRITTEN.items())
def test_a_metric_says_its_shortest_name(spec: str, name: str) -> None:
    """However it was written; and that name is the same metric."""
    metric = choose(spec)
    assert metric.name == name
    assert choose(name) == metric


def test_every_metric_of_ours_is_called_what_it_is_called() -> None:
    """Every entry point is a metric, or becomes one with settings, whose name leads back to it."""
    for name in plugins.names("metrics"):
        found = plugins.load("metrics", name)
        needs = isinstance(found, type) and any(
            f.default is dataclasses.MISSING for f in dataclasses.fields(found)
        )
        metric: Any = choose(f"{name}:3" if needs else name)
        assert metric.name.startswith(name)
        assert choose(metric.name) == metric


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Fields of every kind."""

    share: float = 0.5
    column: str = "mask"
    k: int | None = None
    deep: bool = False


@given(
    recipe=st.builds(
        Recipe,
        share=st.floats(allow_nan=False, allow_infinity=False),
        column=st.text("abc_. ", min_size=1).map(str.strip).filter(bool),
        k=st.none() | st.integers(),
        deep=st.booleans(),
    )
)
def test_any_recipe_is_read_as_it_is_written(recipe: Recipe) -> None:
    """To the last digit."""
    assert recipe_of(Recipe, spelled("any", recipe)) == recipe


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("f1", "metric 'f1' does not say its label: write f1:label=LABEL"),
        ("mae", "metric 'mae' does not say its penalty: write mae:penalty=PENALTY"),
        ("f1:joy", "metric 'f1:joy' has 'joy' for label: it should be a valid integer"),
        ("f1:3,4", "metric 'f1:3,4' has too many settings: f1 has label"),
        ("f1:lable=3", r"no setting 'lable' \(did you mean 'label'\?\): f1 has label"),
        ("iou:1,label=2", "metric 'iou:1,label=2' has label twice: give it once"),
        ("ndcg@10:5", "metric 'ndcg@10:5' has k twice"),
        ("ndcg@ten", "has 'ten' for k: it should be a valid integer"),
        ("ndcg@0", "k is 0: give 1 or more"),
        ("mae@5", "metric 'mae@5' has a rank and mae takes none: mae has penalty"),
        ("mae:0", r"penalty is 0\.0: give the error"),
        ("top1:3", "metric 'top1:3' has settings and top1 takes none: write top1"),
        ("ap50:iou=0.75", "metric 'ap50:iou=0.75' has no setting 'iou': ap50 has category"),
        ("ap50:category=x", "metric 'ap50:category=x' has 'x' for category: it should be"),
        ("top1@3", "metric 'top1@3' has settings and top1 takes none: write top1"),
        ("exact_match:lower", "has 'lower' for normalize: it should be 'none' or 'squad'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(spec: str, says: str) -> None:
    """In one sentence: what was written, and what may be."""
    with pytest.raises(InputError, match=says) as error:
        choose(spec)
    assert "\n" not in str(error.value)


def test_an_unknown_name_is_told_the_nearest() -> None:
    """With and without settings."""
    for spec in ("ndgc@10", "ndgc:10", "ndgc"):
        with pytest.raises(UnknownNameError, match=r"called 'ndgc' \(did you mean 'ndcg'\?\)"):
            choose(spec)


def test_code_is_a_module_and_a_function() -> None:
    """And no metric with a setting."""
    assert is_code("graded:both_halves")
    assert is_code("my.package.graded:Kind.method")
    for spec in ("top1", "ndcg@10", "f1:3", "exact_match:squad", "mae:5.5", "iou:column=road", ":"):
        assert not is_code(spec)


def test_a_run_s_own_code_is_not_imported_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads a stranger's run is told how to name it, and nothing has run."""
    (tmp_path / "hostile_for_a_test.py").write_text("open('ran', 'w')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    says = "'hostile_for_a_test:f' is code, and a run's own is not imported unasked: .*--metric"
    with pytest.raises(InputError, match=says):
        choose("hostile_for_a_test:f")
    assert not (tmp_path / "ran").exists()


def test_code_that_cannot_be_imported_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that is nowhere may be a metric mistyped; one that is there may be broken."""
    monkeypatch.chdir(tmp_path)
    says = r"no metric and no module 'exact_mach' \(did you mean 'exact_match'\?\): give one of"
    with pytest.raises(UnknownNameError, match=says):
        choose("exact_mach:squad", code=True)
    (tmp_path / "broken_for_a_test.py").write_text("import nowhere_at_all", encoding="utf-8")
    with pytest.raises(InputError, match="'broken_for_a_test' cannot be imported: ModuleNotFound"):
        choose("broken_for_a_test:f", code=True)
    (tmp_path / "worse_for_a_test.py").write_text("1 / 0", encoding="utf-8")
    with pytest.raises(InputError, match="'worse_for_a_test' cannot be imported: ZeroDivision"):
        choose("worse_for_a_test:f", code=True)
