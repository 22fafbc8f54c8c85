"""Non-maximum suppression keeps what a plain loop keeps, box by box."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tailmark.decode.nms import suppress

Corners = npt.NDArray[np.float64]

PLACES = st.integers(-6, 12).map(float) | st.floats(-6, 12, width=32)
CORNERS = st.integers(0, 25).flatmap(lambda n: hnp.arrays(np.float64, (n, 4), elements=PLACES))


def overlap(one: Corners, other: Corners) -> tuple[float, float]:
    """Intersection and union."""
    width = max(0.0, min(one[2], other[2]) - max(one[0], other[0]))
    height = max(0.0, min(one[3], other[3]) - max(one[1], other[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return width * height, areas[0] + areas[1] - width * height


def greedy(corners: Corners, threshold: float, groups: list[int]) -> list[int]:
    """Each box stays unless a better one that stays overlaps it too much."""
    kept: list[int] = []
    for i, box in enumerate(corners):
        rivals = [corners[k] for k in kept if groups[k] == groups[i]]
        shared = [overlap(rival, box) for rival in rivals]
        if not any(inter > threshold * union for inter, union in shared):
            kept.append(i)
    return kept


@given(CORNERS, st.floats(0, 1) | st.sampled_from([1 / 3, 0.5, 0.45, 0.65]), st.data())
def test_what_is_kept_is_what_a_plain_loop_keeps(
    corners: Corners, threshold: float, data: st.DataObject
) -> None:
    """With classes and without."""
    corners = np.concatenate([corners[:, :2], np.maximum(corners[:, :2], corners[:, 2:])], axis=1)
    alike = [0] * len(corners)
    groups = data.draw(st.lists(st.integers(0, 2), min_size=len(alike), max_size=len(alike)))
    assert suppress(corners, threshold).tolist() == greedy(corners, threshold, alike)
    found = suppress(corners, threshold, np.array(groups, dtype=np.int64))
    assert found.tolist() == greedy(corners, threshold, groups)


@given(CORNERS, st.floats(0, 1))
def test_a_box_turned_inside_out_does_no_harm(corners: Corners, threshold: float) -> None:
    """A model may say so; the best box always stays."""
    kept = suppress(corners, threshold)
    assert kept[:1].tolist() == [0][: len(corners)]


@pytest.mark.parametrize(("threshold", "kept"), [(0.5, [0]), (0.7, [0, 1]), (0.6, [0, 1])])
def test_an_overlap_equal_to_the_threshold_is_allowed(threshold: float, kept: list[int]) -> None:
    """Six of ten pixels are shared: only a threshold below removes the second box."""
    corners = np.array([[0.0, 0, 10, 1], [4, 0, 10, 1]])
    assert suppress(corners, threshold).tolist() == kept


def test_a_removed_box_removes_none() -> None:
    """The third overlaps the second only, which the first has removed."""
    corners = np.array([[0.0, 0, 10, 1], [3, 0, 13, 1], [6, 0, 16, 1]])
    assert suppress(corners, 0.5).tolist() == [0, 2]
