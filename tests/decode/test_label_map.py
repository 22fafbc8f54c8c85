"""A model's classes have the labels that were declared, or the declaration is refused."""

import json
from pathlib import Path

import pytest

from tailmark.decode.label_map import read_label_map
from tailmark.errors import SystemSetupError


def test_the_usual_table_is_that_of_the_data(data: Path) -> None:
    """COCO's 80 categories have ids from 1 to 90; models number them from 0 to 79."""
    annotations = data / "detection" / "coco_tiny_val80" / "instances_val2017.json"
    categories = json.loads(annotations.read_text())["categories"]
    ids = sorted(category["id"] for category in categories)
    assert len(ids) == 80
    assert read_label_map("coco80").tolist() == ids


def test_a_list_or_a_file_says_it_too(tmp_path: Path) -> None:
    """A file is a JSON list, or has one number a line."""
    file = tmp_path / "labels.txt"
    for text in ("[7, -1, 3]", "7\n-1\n3\n"):
        file.write_text(text)
        assert read_label_map(file).tolist() == [7, -1, 3]
    assert read_label_map((7, -1, 3)).tolist() == [7, -1, 3]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[1, 2", "not a list of whole numbers"),
        (b"a\nb", "not a list of whole numbers"),
        (b"1\n99999999999\n", "not a list of whole numbers"),
        (b"\xff\xfe1", "cannot be read"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, content: bytes | None, says: str) -> None:
    """Before anything is timed."""
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemSetupError, match=rf"label map '.*labels\.txt' {says}|{says}"):
        read_label_map(file)


def test_a_label_beyond_32_bits_is_refused() -> None:
    """Answers are stored in 32 bits."""
    with pytest.raises(SystemSetupError, match=r"decode\.labels has 99999999999: labels are whole"):
        read_label_map((1, 99999999999))
