"""Variants are made step by step, each once, in a process of its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conversion.misbehaving import Append, Misbehave
from tailmark.conversion.base import Inputs
from tailmark.conversion.chain import Variant, make_variant
from tailmark.conversion.kept import default_cache
from tailmark.errors import ConversionError


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A model of one letter."""
    path = tmp_path / "source.bin"
    path.write_text("s")
    return path


def _inputs(count: int) -> Inputs:
    return [np.full((1, 2), i, np.float32) for i in range(count)]


def _make(source: Path, *steps: Append | Misbehave, **settings: Any) -> Variant:
    given: dict[str, Any] = {"inputs": _inputs, "cache": source.parent / "cache"} | settings
    return make_variant(source, steps, **given)


def test_a_variant_is_made_once(source: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """What was made is found again, says how, and is written as plain data; nobody hears noise."""
    makings, told = source.parent / "makings", list[str]()
    steps = [Append(text=text, makings=makings) for text in "ab"]
    first = _make(source, *steps, tell=told.append)
    again = _make(source, *steps, tell=told.append)
    assert first.path.read_text() == "sab"
    assert makings.read_text() == "ab"
    assert told == ["append of source.bin", "append of model.bin"]
    assert [made.cached for made in first.steps] == [False, False]
    assert [made.cached for made in again.steps] == [True, True]
    assert (again.path, again.source_sha256) == (first.path, first.source_sha256)
    assert [one.seconds for one in again.steps] == [one.seconds for one in first.steps]
    assert first.steps[0].tools == {
        "numpy": np.__version__,
        "tailmark": first.steps[0].tools["tailmark"],
    }
    record = json.loads((first.path.parent / "made.json").read_text())
    assert record["step"] == first.to_dict()["steps"][1]["step"] == steps[1].describe()
    assert capfd.readouterr() == ("", "")


def test_what_decides_is_in_the_key(source: Path, tmp_path: Path) -> None:
    """Another setting, source, companion or input makes anew; another name or place does not."""
    makings = tmp_path / "makings"
    step = Append(text="a", makings=makings)
    _make(source, step)
    elsewhere = tmp_path / "elsewhere.xml"
    elsewhere.write_text("s")
    assert _make(elsewhere, step).steps[0].cached
    elsewhere.with_suffix(".bin").write_text("weights")
    assert not _make(elsewhere, step).steps[0].cached
    assert not _make(source, Append(text="b", makings=makings)).steps[0].cached
    asking = Append(text="a", makings=makings, wants_inputs=2)
    made = _make(source, asking)
    assert not made.steps[0].cached
    assert made.path.with_suffix(".count").read_text() == "2"
    assert _make(source, asking).steps[0].cached
    assert not _make(source, asking, inputs=lambda n: _inputs(n)[::-1]).steps[0].cached
    source.write_text("other")
    assert not _make(source, step).steps[0].cached


@pytest.mark.parametrize("damaged", ["made.json", "model.bin"])
def test_what_is_damaged_is_made_again(source: Path, damaged: str) -> None:
    """A record that cannot be read, or a file that is not what it says, is replaced."""
    step = Append(text="a", makings=source.parent / "makings")
    first = _make(source, step)
    first.path.with_name(damaged).write_text("{")
    (first.path.parent.parent / f"{first.path.parent.name}.killed.making").mkdir()
    again = _make(source, step)
    assert not again.steps[0].cached
    assert again.path.read_text() == "sa"
    assert _make(source, step).steps[0].cached
    assert not list(source.parent.glob("cache/*/*.making"))


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        (
            "crashes",
            "conversion 'misbehave' of 'source.bin' ended (SIGABRT): Assertion `a == b' failed",
        ),
        ("raises", "conversion 'misbehave' of 'source.bin' failed: RuntimeError: tensors disagree"),
        ("exits", "conversion 'misbehave' of 'source.bin' failed: SystemExit: 3"),
        ("refuses", "model 'x' has none: give another"),
        (
            "hangs",
            "conversion 'misbehave' of 'source.bin' was stopped after 0.2 s: allow it more time",
        ),
        (
            "forgets",
            "conversion 'misbehave' of 'source.bin' wrote no 'model.bin': mend the conversion",
        ),
    ],
)
def test_a_failure_is_a_sentence(source: Path, how: str, sentence: str) -> None:
    """However a conversion fails, one sentence says so, and nothing of it is kept."""
    with pytest.raises(ConversionError) as caught:
        _make(source, Misbehave(how=how), timeout_s=0.2 if how == "hangs" else 60)
    assert str(caught.value) == sentence
    assert not [path for path in source.parent.glob("cache/*/*") if path.suffix != ".lock"]


def test_a_source_is_its_own_variant(source: Path) -> None:
    """No steps make no model; a source that is not there is refused."""
    made = _make(source)
    assert (made.path, made.steps) == (source, ())
    with pytest.raises(ConversionError, match=r"'.*absent.onnx' does not exist"):
        _make(source.with_name("absent.onnx"))


def test_a_cache_that_cannot_be_written_is_a_sentence(source: Path) -> None:
    """The folder is named, and the way out."""
    step = Append(text="a", makings=source.parent / "makings")
    with pytest.raises(ConversionError, match=r"source\.bin' cannot be written .*TAILMARK_CACHE"):
        _make(source, step, cache=source)


def test_the_cache_is_where_the_user_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """$TAILMARK_CACHE before $XDG_CACHE_HOME."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    monkeypatch.delenv("TAILMARK_CACHE", raising=False)
    assert default_cache() == Path("/caches/tailmark/variants")
    monkeypatch.setenv("TAILMARK_CACHE", "/mine")
    assert default_cache() == Path("/mine/variants")
