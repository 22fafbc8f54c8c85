"""A folder of images is read as its labels say, or the first thing wrong is named."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.testing import check_workload
from tailmark.workload.images import Images
from tailmark.workload.picture import prepare
from tailmark.workload.preprocess import Preprocess


def picture(shade: int, suffix: str = ".png", side: int = 8) -> bytes:
    """A square image of one shade with some structure, as a file."""
    pixels = np.full((side, side, 3), shade, dtype=np.uint8)
    pixels[::2, ::3] = 255 - shade
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, Image.registered_extensions()[suffix])
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four images and their labels."""
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(picture(i * 40))
    (tmp_path / "labels.csv").write_text("file,class_index\n2.png,5\n0.png,1\n3.png,0\n1.png,1\n")
    return tmp_path


def labelled(folder: Path, content: str) -> Images:
    """The folder with other labels."""
    (folder / "labels.csv").write_text(content)
    return Images(path=folder, labels=folder / "labels.csv")


def test_a_labels_file_gives_order_names_and_labels(folder: Path) -> None:
    """Rows are samples, in the file's order."""
    samples = Images(path=folder, labels=folder / "labels.csv", classes=6).open()
    assert samples.ids == ("2.png", "0.png", "3.png", "1.png")
    assert samples.references is not None
    assert samples.references.tolist() == [5, 1, 0, 1]
    assert samples.classes == 6
    first = np.asarray(samples.prepare(samples.load(0)))
    assert first[0, 1, 1] == 80


def test_folders_are_classes_in_sorted_order(tmp_path: Path) -> None:
    """Class numbers follow the names; what is no image is passed over."""
    for name in ("zebra", "ant", "ox"):
        (tmp_path / name).mkdir()
        for i in range(2):
            (tmp_path / name / f"{i}.JPG").write_bytes(picture(9, ".jpg"))
    (tmp_path / "ox" / "notes.txt").write_text("not an image")
    (tmp_path / "readme.md").write_text("nor this")
    samples = Images(path=tmp_path).open()
    assert samples.ids[0] == "ant/0.JPG"
    assert samples.references is not None
    assert samples.references.tolist() == [0, 0, 1, 1, 2, 2]
    assert samples.classes == 3


def test_an_empty_class_folder_is_refused(tmp_path: Path) -> None:
    """Were it passed over, the classes after it would be counted wrongly."""
    for name in ("ant", "empty", "zebra"):
        (tmp_path / name).mkdir()
    (tmp_path / "ant" / "0.png").write_bytes(picture(9))
    (tmp_path / "zebra" / "0.png").write_bytes(picture(9))
    with pytest.raises(WorkloadError, match="class folder 'empty' holds no images"):
        Images(path=tmp_path).open()


def test_a_hidden_folder_is_no_class(tmp_path: Path) -> None:
    """A notebook's or a version control's own folder must not shift every label."""
    for name in (".ipynb_checkpoints", "ant", "zebra"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0.png").write_bytes(picture(9))
    samples = Images(path=tmp_path).open()
    assert samples.ids == ("ant/0.png", "zebra/0.png")
    assert samples.references is not None
    assert samples.references.tolist() == [0, 1]


def test_it_keeps_the_workload_contract(folder: Path) -> None:
    """The same samples each time, here and in another process."""
    check_workload(
        Images(path=folder, labels=folder / "labels.csv", preprocess=Preprocess(resize=6, crop=4))
    )


def test_the_fingerprint_follows_the_contents(folder: Path) -> None:
    """One changed pixel is another workload; a touched file is not."""
    workload = Images(path=folder, labels=folder / "labels.csv")
    before = workload.open().fingerprint
    content = (folder / "3.png").read_bytes()
    (folder / "3.png").write_bytes(picture(121))
    assert workload.open().fingerprint != before
    (folder / "3.png").write_bytes(content)
    assert workload.open().fingerprint == before


def test_other_column_names_can_be_given(folder: Path) -> None:
    """A labels file need not be rewritten; a byte-order mark from a spreadsheet is no matter."""
    (folder / "labels.csv").write_text("\ufeffname;x,label\n0.png,3\n", encoding="utf-8")
    samples = Images(
        path=folder, labels=folder / "labels.csv", file_column="name;x", label_column="label"
    ).open()
    assert samples.references is not None
    assert samples.references.tolist() == [3]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no column 'file': it has none"),
        (
            "file,class_idx\n0.png,1\n",
            r"no column 'class_index' \(did you mean 'class_idx'\?\): it has file, class_idx",
        ),
        ("file,class_index\n", "lists no images"),
        ("file,class_index\n0.png,1\n9.png,1\n", "image '9.png' is not in '.*': add it, or take"),
        ("file,class_index\n0.png,cat\n", "line 2 has label 'cat': labels are whole numbers"),
        ("file,class_index\n0.png,1\n1.png,1.5\n", "line 3 has label '1.5'"),
        ("file,class_index\n0.png\n", "line 2 has label None"),
        ("file,class_index\n0.png,99999999999999999999\n", "line 2 has label '9+'"),
        ("class_index,file\n3\n", "image '' cannot be read"),
        ("file,class_index\n0.png,1\n1.png,-1\n", "sample 1 has label -1, labels are 0 or more"),
        ("file,class_index\n0.png,1\n0.png,1\n", "lists '0.png' twice: list each image once"),
        ("file,class_index\na\0b.png,1\n", "cannot be read"),
    ],
)
def test_labels_that_cannot_be_used_are_named(folder: Path, content: str, says: str) -> None:
    """File, line, value and what is allowed."""
    with pytest.raises(WorkloadError, match=says):
        labelled(folder, content).open()


def test_a_label_beyond_the_declared_classes_is_refused(folder: Path) -> None:
    """The first one is named, with the range allowed."""
    workload = Images(path=folder, labels=folder / "labels.csv", classes=5)
    with pytest.raises(WorkloadError, match=r"sample 0 has label 5, labels are 0 to 4"):
        workload.open()


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda f: (f / "labels.csv").unlink(), "labels.csv' does not exist"),
        (lambda f: (f / "labels.csv").write_bytes(b"\xff\xfe\x00"), "cannot be read as CSV"),
        (lambda f: (f / "0.png").unlink(), "image '0.png' is not in"),
        (lambda f: (f / "0.png").unlink() or (f / "0.png").mkdir(), "image '0.png' cannot be read"),
    ],
)
def test_a_file_that_is_missing_or_no_file_is_named(
    folder: Path, break_it: Callable[[Path], object], says: str
) -> None:
    """Before anything is timed."""
    break_it(folder)
    with pytest.raises(WorkloadError, match=says):
        Images(path=folder, labels=folder / "labels.csv").open()


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    """So is one without class folders."""
    with pytest.raises(WorkloadError, match="nowhere' is not a folder: give one that holds images"):
        Images(path=tmp_path / "nowhere").open()
    with pytest.raises(WorkloadError, match="has no class folders with images: give labels"):
        Images(path=tmp_path).open()


@pytest.mark.parametrize("content", [b"", b"not an image", picture(9)[:60]])
def test_an_unreadable_image_is_named_when_it_is_prepared(folder: Path, content: bytes) -> None:
    """Empty, something else, or cut in half."""
    (folder / "3.png").write_bytes(content)
    samples = Images(path=folder, labels=folder / "labels.csv").open()
    with pytest.raises(WorkloadError, match=r"image '3\.png' cannot be decoded: replace it"):
        samples.prepare(samples.load(2))


def test_an_image_smaller_than_the_crop_is_named(folder: Path) -> None:
    """The size, the crop, and which image."""
    samples = Images(
        path=folder, labels=folder / "labels.csv", preprocess=Preprocess(crop=9)
    ).open()
    with pytest.raises(
        WorkloadError, match=r"image '2\.png': an image of 8x8 is smaller than crop"
    ):
        samples.prepare(samples.load(0))


SUFFIXES = (".png", ".jpg", ".bmp", ".gif", ".tiff", ".webp")
WHOLE = {suffix: picture(90, suffix, side=24) for suffix in SUFFIXES}


@given(
    st.sampled_from(SUFFIXES),
    st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), min_size=1, max_size=6),
    st.none() | st.integers(0, 4000),
)
@settings(max_examples=300)
@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd metadata
def test_a_damaged_image_is_read_or_refused_and_never_anything_else(
    suffix: str, changes: list[tuple[int, int]], cut: int | None
) -> None:
    """Whatever Pillow raises on broken bytes becomes one sentence that names the image."""
    broken = bytearray(WHOLE[suffix])
    for place, value in changes:
        broken[place % len(broken)] = value
    raw = ("broken" + suffix, bytes(broken[:cut]))
    try:
        values = prepare(Preprocess(resize=4, crop=4), raw)
    except WorkloadError as error:
        said = str(error)
    else:
        said = "broken" + suffix
        assert values.shape[0] == 3
    assert "broken" + suffix in said
