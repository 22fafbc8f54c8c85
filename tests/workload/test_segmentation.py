"""Images come with label maps that lie where the images lie, or the first thing wrong is named."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tailmark.errors import WorkloadError
from tailmark.testing import check_workload
from tailmark.workload.fit import Fit
from tailmark.workload.masks import read_masks
from tailmark.workload.preprocess import Preprocess
from tailmark.workload.segmentation import Segmentation

Labels = npt.NDArray[np.uint8]


def png(labels: Labels, mode: str = "L") -> bytes:
    """A label map as a file."""
    buffer = io.BytesIO()
    image = Image.fromarray(labels)
    if mode == "P":
        image = image.convert("P")
        image.putpalette(bytes(range(255, -1, -1)) * 3)
        image.putdata(labels.ravel().tolist())
    elif mode != "L":
        image = image.convert(mode)
    image.save(buffer, "PNG")
    return buffer.getvalue()


def labels_of(width: int, height: int, most: int = 4) -> Labels:
    """A label map with structure."""
    return (np.arange(width * height).reshape(height, width) % most).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one in a folder, and their label maps."""
    for name, shade in (("b.jpg", 9), ("a.png", 8), ("night/c.png", 7)):
        for kind in ("images", "masks"):
            (tmp_path / kind / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (shade, shade, shade)).save(tmp_path / "images" / name)
        mask = (labels_of(6, 4) + (name == "b.jpg")) % 4
        (tmp_path / "masks" / name).with_suffix(".png").write_bytes(png(mask.astype(np.uint8)))
    return tmp_path


def workload(folder: Path, **settings: Any) -> Segmentation:
    """The folder's."""
    return Segmentation(path=folder / "images", masks=folder / "masks", **settings)


def test_every_image_has_its_label_map(folder: Path) -> None:
    """Of the same name but for the suffix; sorted by name, folders too."""
    samples = workload(folder, classes=4).open()
    assert samples.ids == ("a.png", "b.jpg", "night/c.png")
    plain = labels_of(6, 4)
    assert samples.references.tolist() == [
        plain.tolist(),
        ((plain + 1) % 4).tolist(),
        plain.tolist(),
    ]
    assert samples.references.dtype == np.uint8
    assert samples.classes == 4
    assert samples.placements is not None
    assert samples.placements.size.tolist() == [[6, 4]] * 3


def test_it_keeps_the_workload_contract(folder: Path) -> None:
    """The same samples each time, here and in another process."""
    check_workload(workload(folder, mask_size=(3, 2), preprocess=Preprocess(resize=8, crop=4)))


@pytest.mark.parametrize("mode", ["L", "P"])
def test_a_palette_stands_for_numbers(folder: Path, mode: str) -> None:
    """Its colours are for looking at."""
    (folder / "masks" / "a.png").write_bytes(png(labels_of(6, 4, 7), mode))
    assert workload(folder).open().references[0].tolist() == labels_of(6, 4, 7).tolist()


def test_black_and_white_are_two_labels(folder: Path) -> None:
    """0 and 1, in an image of one bit a pixel."""
    (folder / "masks" / "a.png").write_bytes(png(labels_of(6, 4, 2) * np.uint8(255), "1"))
    assert workload(folder).open().references[0].tolist() == labels_of(6, 4, 2).tolist()


SIDES = st.integers(1, 12)


@given(SIDES, SIDES, st.data())
def test_a_label_map_lies_where_its_image_lies(width: int, height: int, data: Any) -> None:
    """Resized, cropped and padded alike: each pixel has the label of the nearest one there."""
    size = data.draw(st.tuples(SIDES, SIDES), "size")
    ways: list[Callable[[], Fit]] = [
        lambda: Fit.as_it_is((width, height)),
        lambda: Fit.stretched((width, height), size),
        lambda: Fit.letterboxed((width, height), size, "center"),
        lambda: Fit.letterboxed((width, height), size, "top-left"),
        lambda: Fit.with_shortest_side((width, height), size[0]).cropped(min(size)),
    ]
    fit = ways[data.draw(st.integers(0, 4 if size[0] >= size[1] else 3), "way")]()
    labels = labels_of(width, height, 200)
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "one.png").write_bytes(png(labels))
        (mask,) = read_masks(Path(name), ["one.jpg"], [fit], None, 255)
    assert mask.shape == fit.size[::-1]
    for y in range(fit.size[1]):
        for x in range(fit.size[0]):
            across, down = x + fit.corner[0], y + fit.corner[1]
            if not (0 <= across < fit.resized[0] and 0 <= down < fit.resized[1]):
                assert mask[y, x] == 255
                continue
            # The pixel of the image in which the middle of this one lies.
            column = (2 * across + 1) * width // (2 * fit.resized[0])
            row = (2 * down + 1) * height // (2 * fit.resized[1])
            assert mask[y, x] == labels[row, column]


def test_a_label_map_may_be_of_the_models_own_size(folder: Path) -> None:
    """Where it answers for every second pixel only."""
    (folder / "masks" / "a.png").write_bytes(png(np.repeat(np.repeat(labels_of(3, 2), 2, 0), 2, 1)))
    samples = workload(folder, mask_size=(3, 2)).open()
    assert samples.references.shape == (3, 2, 3)
    assert samples.references[0].tolist() == labels_of(3, 2).tolist()


def test_what_is_ignored_is_no_label_beyond_the_classes(folder: Path) -> None:
    """Whatever number says so."""
    (folder / "masks" / "a.png").write_bytes(png(np.full((4, 6), 9, np.uint8)))
    assert workload(folder, classes=4, ignore=9).open().references[0].max() == 9
    with pytest.raises(
        WorkloadError,
        match=r"label map 'a\.png' .* has label 9, labels are 0 to 3 \(classes: 4\) or 255 \(ign",
    ):
        workload(folder, classes=4).open()


def test_the_fingerprint_follows_the_images(folder: Path) -> None:
    """References have a hash of their own in a run."""
    before = workload(folder).open().fingerprint
    (folder / "masks" / "a.png").write_bytes(png(labels_of(6, 4, 2)))
    assert workload(folder).open().fingerprint == before
    Image.new("RGB", (6, 4), (1, 2, 3)).save(folder / "images" / "a.png")
    assert workload(folder).open().fingerprint != before


def colours(folder: Path) -> None:
    """A label map in colours."""
    (folder / "masks" / "a.png").write_bytes(png(labels_of(6, 4), "RGB"))


def larger(folder: Path) -> None:
    """One of another size than its image."""
    (folder / "masks" / "a.png").write_bytes(png(labels_of(8, 4)))


def broken(folder: Path) -> None:
    """Half of one."""
    (folder / "masks" / "a.png").write_bytes(png(labels_of(6, 4))[:50])


def nothing_in_it(folder: Path) -> None:
    """An empty file."""
    (folder / "masks" / "a.png").write_bytes(b"")


def a_folder(folder: Path) -> None:
    """No file."""
    (folder / "masks" / "a.png").unlink()
    (folder / "masks" / "a.png").mkdir()


def other_sizes(folder: Path) -> None:
    """An image of another size than the others, with its label map."""
    Image.new("RGB", (8, 4)).save(folder / "images" / "a.png")
    larger(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda f: (f / "masks" / "a.png").unlink(),
            r"image 'a\.png' has no label map 'a\.png' in",
        ),
        (colours, r"label map 'a\.png' in .* is of mode RGB: give one label a pixel, in gray or"),
        (larger, r"label map 'a\.png' in .* is 8x4 and its image 6x4: give the image's own"),
        (broken, r"label map 'a\.png' in .* cannot be read: it is no whole image"),
        (nothing_in_it, r"label map 'a\.png' in .* cannot be read: it is no whole image"),
        (a_folder, r"label map 'a\.png' in .* cannot be read: Is a directory"),
        (other_sizes, r"masks' are 8x4 and 6x4: give them one size by preprocess, or by mask_size"),
        (lambda f: (f / "images").rename(f / "moved"), "images' is not a folder: give one that h"),
        (lambda f: (f / "masks").rename(f / "moved"), "masks' is not a folder: give one that hold"),
        (
            lambda f: (f / "images").rename(f / "moved") and (f / "images").mkdir(),
            "images' holds no images: give a folder that does",
        ),
    ],
)
def test_what_cannot_be_used_is_named(
    folder: Path, change: Callable[[Path], object], says: str
) -> None:
    """Which file, what it is, and what it should be."""
    change(folder)
    with pytest.raises(WorkloadError, match=says):
        workload(folder).open()


def test_a_label_to_ignore_is_one_that_a_pixel_can_have(folder: Path) -> None:
    """Of eight bits."""
    with pytest.raises(WorkloadError, match=r"workload\.ignore is 256: give 0 to 255"):
        workload(folder, ignore=256).open()
