"""Ranked lists are worth what their definitions say, item by item."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from tailmark import quality_at_deadlines
from tailmark.errors import InputError, MetricError
from tailmark.quality.ranking import HitRate, Ndcg, Precision, Ranking, Recall, ReciprocalRank
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

KINDS: list[type[Any]] = [Precision, Recall, Ndcg, ReciprocalRank, HitRate]


def slow(metric: Ranking, listed: list[int], gains: dict[int, float]) -> float:
    """By definition, place by place.

    Args:
        metric: Which.
        listed: Best first; -1 is none.
        gains: Of the items that have any.
    """
    relevant = {item: gain for item, gain in gains.items() if gain > 0}
    places = listed if metric.k is None else listed[: metric.k]
    hits = {}
    for place, item in enumerate(places, start=1):
        if item in relevant and item not in hits:
            hits[item] = place
    if isinstance(metric, Precision):
        length = sum(item != -1 for item in listed) if metric.k is None else metric.k
        return len(hits) / length if length else 0.0
    if isinstance(metric, HitRate):
        return float(bool(hits))
    if not hits:
        return 0.0
    if isinstance(metric, Recall):
        return len(hits) / len(relevant)
    if isinstance(metric, ReciprocalRank):
        return 1 / min(hits.values())
    best = sorted(relevant.values(), reverse=True)[: metric.k]
    ideal = sum(gain / math.log2(1 + place) for place, gain in enumerate(best, start=1))
    return sum(relevant[item] / math.log2(1 + place) for item, place in hits.items()) / ideal


ITEM = st.integers(-1, 6)
LISTS = st.lists(st.lists(ITEM, max_size=6), min_size=1, max_size=5)
GAIN = st.sampled_from([0.0, 0.5, 1.0, 3.0])
RELEVANT = st.lists(st.dictionaries(st.integers(0, 7), GAIN, max_size=5), min_size=1, max_size=5)


@settings(max_examples=200)
@given(
    data=st.data(),
    kind=st.sampled_from(KINDS),
    k=st.one_of(st.none(), st.integers(1, 7)),
    lists=LISTS,
    relevant=RELEVANT,
    graded=st.booleans(),
)
def test_each_list_is_worth_what_the_definition_says(
    data: st.DataObject,
    kind: type[Ranking],
    k: int | None,
    lists: list[list[int]],
    relevant: list[dict[int, float]],
    *,
    graded: bool,
) -> None:
    """Lists of any length, with items twice and places empty; any output for any sample."""
    metric = kind(k)
    items = Ragged.of([list(one) for one in relevant], np.int64)
    gains = Ragged.of([list(one.values()) for one in relevant], np.float64)
    references = {"items": items, "gains": gains} if graded else items
    grader = metric.prepare({"items": Ragged.of(lists, np.int32)}, references)
    pair = st.tuples(st.integers(0, len(relevant) - 1), st.integers(-1, len(lists) - 1))
    pairs = data.draw(st.lists(pair, max_size=6))
    sample, output = np.array(pairs, dtype=np.int32).reshape(-1, 2).T
    told = [one if graded else dict.fromkeys(one, 1.0) for one in relevant]
    expected = [slow(metric, lists[o], told[s]) if o >= 0 else 0.0 for s, o in pairs]
    np.testing.assert_allclose(grader.scores(sample, output), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("k", [1, 3, 10])
def test_ndcg_is_that_of_scikit_learn(k: int) -> None:
    """Where every item is listed and no two scores are equal."""
    random = np.random.default_rng(k)
    gains = random.integers(0, 4, (40, 12)).astype(float)
    gains[:, 0] = 1  # scikit-learn counts a user with nothing relevant as 0, too
    scores = random.random(gains.shape)
    references = {
        "items": np.tile(np.arange(12), (40, 1)),
        "gains": gains,
    }
    users = np.arange(40, dtype=np.int32)
    found = Ndcg(k).prepare(np.argsort(-scores, axis=1), references).scores(users, users)
    assert found.mean() == pytest.approx(ndcg_score(gains, scores, k=k), abs=1e-14)


def test_late_lists_hit_nothing() -> None:
    """Recommendations as LightGCN is judged: hits ÷ k, hits ÷ relevant, and NDCG, all users."""
    items = [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    relevant = [[3, 1], [4], [0]]
    late: Any = [[1, 9, 1]]
    found = {
        kind.kind: quality_at_deadlines(late, items, relevant, metric=kind(3), deadlines_ns=[5, 9])[
            0
        ].tolist()
        for kind in (Precision, Recall, Ndcg)
    }
    assert found["precision"] == pytest.approx([2 / 3 / 3, 3 / 3 / 3])
    assert found["recall"] == pytest.approx([1 / 3, 2 / 3])
    ndcg = (1 + 1 / 2) / (1 + 1 / math.log2(3))
    assert found["ndcg"] == pytest.approx([ndcg / 3, (ndcg + 1) / 3])


def test_who_wants_nothing_is_served_nothing() -> None:
    """A user with nothing relevant scores 0 in every metric, however good the list."""
    one = np.zeros(1, dtype=np.int32)
    for kind in KINDS:
        grader = kind(2).prepare(np.array([[1, 2]]), Ragged.of([[]], np.int64))
        assert grader.scores(one, one).tolist() == [0]


def test_an_item_listed_twice_counts_once() -> None:
    """At its first place; its second is lost."""
    one = np.zeros(1, dtype=np.int32)
    found = [kind(3).prepare(np.array([[5, 5, 5]]), [[5, 6]]).scores(one, one)[0] for kind in KINDS]
    assert found == pytest.approx([1 / 3, 1 / 2, 1 / (1 + 1 / math.log2(3)), 1, 1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [None, 2])
def test_rankings_owe_their_seam_nothing(kind: type[Ranking], k: int | None) -> None:
    """Every form of output passes the conformance check that plug-ins run."""
    items = np.array([[1, 2, 3], [4, -1, -1], [9, 8, 2], [0, 0, 0]])
    check_metric(kind(k), items, Ragged.of([[2], [4, 5], [], [0, 1]], np.int64))
    check_metric(kind(k), Ragged.of([[1], [], [2, 3]], np.int64), np.array([1, 2, 3]))


@pytest.mark.parametrize(
    ("metric", "outputs", "references", "says"),
    [
        (Ndcg(5), np.zeros((2, 3), int), [[0], [1]], "needs the 5 best items and 3 were kept"),
        (Ndcg(1), np.zeros((2, 3)), [[0], [1]], "ndcg@1 cannot read outputs of float64"),
        (Recall(), [[0]], [["a"]], "cannot read references of <U1: give the integers of items"),
        (HitRate(), {"labels": [[1]]}, [[1]], "column 'items' and the outputs have labels"),
        (Ndcg(), [[1]], {"items": [[1]], "gains": [[-1.0]]}, "a gain of -1.0: give finite gains"),
        (Ndcg(), [[1]], {"items": [[1]], "gains": [[1, 2]]}, "has 1 relevant items and 2 gains"),
        (Ndcg(), [[1]], {"items": [[1]], "gains": [["a"]]}, "cannot read gains of <U1: give a num"),
    ],
)
def test_what_are_no_lists_is_refused(
    metric: Any, outputs: Any, references: Any, says: str
) -> None:
    """The refusal names what was given and what to give."""
    with pytest.raises(MetricError, match=says) as error:
        metric.prepare(outputs, references)
    assert "\n" not in str(error.value)


def test_a_list_has_places_from_one_on() -> None:
    """Nothing is among the 0 best."""
    with pytest.raises(InputError, match="k is 0: give 1 or more"):
        Ndcg(0)


def test_names_are_as_people_write_them() -> None:
    """With the rank after an @."""
    assert [Ndcg(10).name, Precision().name, ReciprocalRank(5).name, HitRate(1).name] == [
        "ndcg@10",
        "precision",
        "mrr@5",
        "hit_rate@1",
    ]
