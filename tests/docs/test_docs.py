"""Every command and every Python block in the documentation runs, in the order it stands."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(p.relative_to(ROOT) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is said to be, its text."""

    language: str
    file: str | None
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page."""
    found = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [Block(language, file or None, text) for language, file, text in found]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_block_runs(page: Path, tmp_path: Path) -> None:
    """A reader who types what the page says, in an empty folder, sees it work."""
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            _run([sys.executable, "-W", "error", "-c", block.text], tmp_path)
        elif block.language == "console":
            for line in block.text.splitlines():
                assert line.startswith("$ "), f"a console block holds commands alone, not {line!r}"
                _run_line(line[2:], tmp_path)
        else:
            assert block.language in ("yaml", ""), f"{page} has a block of {block.language!r}"


def _run_line(line: str, folder: Path) -> None:
    """Run one command; the two that would start all this anew are only asked what they would do."""
    words = shlex.split(line)
    if words[0] == "make":
        _run(["make", "--dry-run", *words[1:]], ROOT)
    elif words[:2] == ["pip", "install"]:
        assert words[2:] == ["."]
    else:
        assert words[0] == "tailmark"
        _run([str(Path(sys.executable).parent / "tailmark"), *words[1:]], folder)


def _run(words: list[str], folder: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{shlex.join(words)}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A link within the repository names a file that is there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in _LINK.findall(text):
        assert (ROOT / page.parent / target).exists(), f"{page} links to {target}"


def test_every_setting_of_the_schema_is_documented() -> None:
    """The reference names every key of an experiment file, and every setting of every recipe."""
    import dataclasses

    from tailmark import plugins
    from tailmark.experiment_file import _Schema

    text = (ROOT / "docs/reference/experiment.md").read_text(encoding="utf-8")
    names = set(_Schema.model_fields)
    for group in ("workloads", "systems", "scenarios", "decoders", "stopping"):
        for kind in plugins.names(group):
            names.add(kind)
            names.update(f.name for f in dataclasses.fields(plugins.load(group, kind)))
    names -= {"inputs", "folder"}  # from code, and the experiment's own folder
    missing = sorted(n for n in names if not re.search(rf"\b{re.escape(n)}\b", text))
    assert not missing
