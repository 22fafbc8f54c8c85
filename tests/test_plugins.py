"""Plug-ins are found by name, and what is wrong with one is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tailmark import plugins
from tailmark.errors import InputError, UnknownNameError


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder where packages are found, as if pip had put them there."""
    about = tmp_path / "elsewhere-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: elsewhere\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[tailmark.metrics]\n"
        "theirs = elsewhere_good:metric\n"
        "broken = elsewhere_broken:metric\n"
        "absent = elsewhere_good:nothing\n"
    )
    (tmp_path / "elsewhere_good.py").write_text("metric = 'a metric'\n")
    (tmp_path / "elsewhere_broken.py").write_text("raise RuntimeError('no licence')\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins._entries.cache_clear()
    yield tmp_path
    plugins._entries.cache_clear()


@pytest.mark.parametrize("group", plugins.GROUPS)
def test_every_built_in_loads(group: str) -> None:
    """A name that is listed can be imported."""
    assert plugins.names(group)
    for name in plugins.names(group):
        assert plugins.load(group, name) is not None


def test_an_unknown_name_lists_the_known_ones_and_the_nearest() -> None:
    """The error is a correction."""
    with pytest.raises(UnknownNameError) as caught:
        plugins.load("systems", "onnxruntme")
    text = str(caught.value)
    assert "no system is called 'onnxruntme' (did you mean 'onnxruntime'?)" in text
    assert text.endswith(f"known are {', '.join(plugins.names('systems'))}")
    assert "callback, digits, function, litert" in text


def test_somebody_elses_plug_in_is_found_as_ours_are(installed: Path) -> None:
    """An installed package's entry point is enough."""
    assert installed.is_dir()
    assert "theirs" in plugins.names("metrics")
    assert plugins.load("metrics", "theirs") == "a metric"


@pytest.mark.parametrize(
    ("name", "says"), [("broken", "RuntimeError: no licence"), ("absent", "AttributeError")]
)
def test_a_broken_plug_in_is_chained_to_its_cause(installed: Path, name: str, says: str) -> None:
    """It is named, with what it raised; asking for another is not disturbed."""
    assert installed.is_dir()
    with pytest.raises(InputError) as caught:
        plugins.load("metrics", name)
    assert f"the metric {name!r} cannot be loaded: " in str(caught.value)
    assert says in str(caught.value)
    assert type(caught.value.__cause__).__name__ in says
    assert plugins.load("metrics", "top1").name == "top1"
