"""Every command and every Python block in the documentation runs, in the order it stands."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from docs.commands import Commands, environment

ROOT = Path(__file__).parents[2]
PAGES = sorted(p.relative_to(ROOT) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_SECTION = re.compile(r"^## (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MADE = re.compile(r"(?: --out | -o | init |\bout=\"|^```\w+ file=)([\w./-]+)", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is said to be, its text."""

    language: str
    file: str | None
    text: str


@dataclass
class Part:
    """Sections of a page that go on with each other's files, under the first one's title."""

    page: Path
    title: str
    texts: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """The page, and the title in plain letters."""
        return "-".join([str(self.page), *re.findall(r"\w+", self.title, re.ASCII)])

    @property
    def blocks(self) -> list[Block]:
        """Its fenced blocks."""
        found = _BLOCK.findall("".join(self.texts))
        return [Block(language, file or None, text) for language, file, text in found]

    @property
    def made(self) -> set[str]:
        """The files and runs that are made here."""
        return set(_MADE.findall("".join(self.texts)))


def start_and_parts(page: Path) -> tuple[Part, list[Part]]:
    """What a page begins with, which every section goes on with, and its parts."""
    before, *rest = _SECTION.split((ROOT / page).read_text(encoding="utf-8"))
    start = Part(page, "", [before])
    parts: list[Part] = []
    for title, text in zip(rest[::2], rest[1::2], strict=True):
        earlier = [p for p in parts if any(_names(text, one) for one in p.made - start.made)]
        joined = Part(page, earlier[0].title if earlier else title)
        joined.texts = [*(t for p in earlier for t in p.texts), text]
        parts = [*(p for p in parts if p not in earlier), joined]
    return start, parts


def _names(text: str, made: str) -> bool:
    return bool(re.search(rf"(?<![\w/]){re.escape(made)}\b", text))


STARTS = {page: start_and_parts(page)[0] for page in PAGES}
PARTS = [p for page in PAGES for p in [STARTS[page], *start_and_parts(page)[1]] if p.blocks]


@pytest.fixture(scope="session")
def tailmark(tmp_path_factory: pytest.TempPathFactory) -> Generator[Commands]:
    """Runs the commands."""
    commands = Commands(cache=tmp_path_factory.mktemp("cache"))
    yield commands
    commands.stop()


@pytest.fixture(scope="session")
def started(tailmark: Commands, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """A folder in which what a page begins with has been done, once for all its sections."""
    done: dict[Path, Path] = {}

    def folder_of(page: Path) -> Path:
        if page not in done:
            folder = tmp_path_factory.mktemp("start")
            _run_part(STARTS[page], folder, tailmark)
            done[page] = folder
        return done[page]

    return folder_of


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_every_block_runs(
    part: Part, started: Callable[[Path], Path], tailmark: Commands, tmp_path: Path
) -> None:
    """A reader who has done what the page begins with, and types a section, sees it work.

    A section that goes on with another's files is read after it.
    """
    shutil.copytree(started(part.page), tmp_path, dirs_exist_ok=True)
    if part.title:
        _run_part(part, tmp_path, tailmark)


def _run_part(part: Part, folder: Path, tailmark: Commands) -> None:
    for block in part.blocks:
        if block.file:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            _run([sys.executable, "-W", "error", "-c", block.text], folder)
        elif block.language == "console":
            for line in block.text.splitlines():
                assert line.startswith("$ "), f"a console block holds commands alone, not {line!r}"
                _run_line(line[2:], folder, tailmark)
        else:
            assert block.language in ("yaml", ""), f"{part.page} has a block of {block.language!r}"


def _run_line(line: str, folder: Path, tailmark: Commands) -> None:
    """Run one command; the two that would start all this anew are only asked what they would do."""
    words = shlex.split(line)
    if words[0] == "make":
        _run(["make", "--dry-run", *words[1:]], ROOT)
    elif words[:2] == ["pip", "install"]:
        assert words[2:] == ["."]
    else:
        assert words[0] == "tailmark"
        tailmark.run(words[1:], folder)


def _run(words: list[str], folder: Path) -> None:
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
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
    for group in ("workloads", "systems", "scenarios", "decoders", "stopping", "conversions"):
        for kind in plugins.names(group):
            names.add(kind)
            names.update(f.name for f in dataclasses.fields(plugins.load(group, kind)))
    names -= {"inputs", "folder"}  # from code, and the experiment's own folder
    missing = sorted(n for n in names if not re.search(rf"\b{re.escape(n)}\b", text))
    assert not missing
