"""Whatever has happened to a directory, the check ends with findings."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tailmark.mlperf.check.findings import Finding
from tailmark.mlperf.check.submission import check_submission

JUNK = [b"", b"\xff\xfe\x00", b"{", b"null", b"[]", b'{"a": 1e999}', b":::MLLOG {}\n", b"\n" * 99]


@st.composite
def blows(draw: st.DrawFn) -> tuple[int, str, int, bytes]:
    """Which file, what happens to it, where in it, and what is put there."""
    kinds = st.sampled_from(["gone", "cut", "junk", "inside", "folder", "swap"])
    junk = st.one_of(st.sampled_from(JUNK), st.binary(max_size=20))
    return draw(st.integers(0, 10_000)), draw(kinds), draw(st.integers(0, 10_000)), draw(junk)


def strike(files: list[Path], which: int, kind: str, place: int, junk: bytes) -> None:
    """Damage one of these files."""
    path = files[which % len(files)]
    if not path.is_file():
        return
    content = path.read_bytes()
    middle = place % (len(content) + 1)
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "swap":
        other = files[place % len(files)]
        path.write_bytes(other.read_bytes() if other.is_file() else b"")
    elif kind != "gone":
        after = {"cut": b"", "junk": b"", "inside": junk + content[middle:]}[kind]
        path.write_bytes((b"" if kind == "junk" else content[:middle]) + (after or junk))


@settings(max_examples=40)
@given(damage=st.lists(blows(), min_size=1, max_size=8))
def test_any_damage_ends_in_findings(good: Path, damage: list[tuple[int, str, int, bytes]]) -> None:
    """Files gone, cut, garbled, swapped or turned into folders: findings, each one line of text."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "submission"
        # one result of each kind is enough to be damaged, and quick to copy
        kept = shutil.ignore_patterns("MultiStream", "Offline")
        shutil.copytree(good, root, ignore=kept)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        for blow in damage:
            strike(files, *blow)
        found = check_submission(root)
        assert found, "two scenarios are missing, at least"
        for one in found:
            assert isinstance(one, Finding)
            assert one.sentence.isprintable()
            one.file.encode()


def test_names_that_are_no_text_can_be_printed(copy: Path) -> None:
    """A folder of undecodable bytes is named as well as can be."""
    (copy / "closed" / "A\udcff" / "results").mkdir(parents=True)
    found = check_submission(copy)
    assert any(one.file.startswith("closed/A") and one.rule == "layout" for one in found)
    for one in found:
        one.file.encode()
