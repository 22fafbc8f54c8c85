"""What a grader of boxes owes, whatever its metric."""

import gc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from quality.detection.pycoco import Game, Sample, crowded, evaluated, games
from tailmark.errors import InputError, MetricError
from tailmark.quality.detection import coco, evaluation
from tailmark.quality.detection.coco import Coco
from tailmark.quality.detection.evaluation import Evaluation
from tailmark.quality.detection.outcomes import Outcomes
from tailmark.records.ragged import Ragged
from tailmark.testing import check_metric

NO_OBJECTS: Sample = {"boxes": [], "categories": []}
NO_BOXES: Sample = {"boxes": [], "scores": [], "categories": []}
EVERY = np.arange(6)


def _columns(rows: Sequence[Sample]) -> dict[str, Ragged]:
    inner = {"boxes": 4}
    types = {"boxes": float, "scores": float, "areas": float, "crowd": bool}
    return {
        name: Ragged.of(
            [row[name] for row in rows],
            types.get(name, np.int32),
            *([inner[name]] if name in inner else []),
        )
        for name in rows[0]
    }


@pytest.mark.parametrize("metric", [coco.ap, coco.ar10, coco.ap_small, Coco(category=2)])
def test_the_seam_is_kept(metric: Coco) -> None:
    """Scores and sets are graded as the seam has it."""
    game = crowded(1)
    check_metric(metric, game.outputs, game.references)


@settings(max_examples=60)
@given(game=games())
def test_a_score_is_the_share_of_objects_found(game: Game) -> None:
    """At an IoU of 0.5 and one image by itself, as pycocotools matches it."""
    grader = coco.ap.prepare(game.outputs, game.references)
    pairs = [(s, o) for s in range(len(game.references)) for o in range(len(game.outputs))]
    samples, outputs = np.array(pairs, dtype=np.int32).T
    expected = []
    for sample, output in pairs:
        held = evaluated([(game.references[sample], game.outputs[output])])
        images = [one for one in held.evalImgs if one and one["aRng"] == held.params.areaRng[0]]
        counted = [one["gtIgnore"] == 0 for one in images]
        objects = sum(np.count_nonzero(each) for each in counted)
        found = sum(
            np.count_nonzero(one["gtMatches"][0][each] > 0)
            for one, each in zip(images, counted, strict=True)
        )
        expected.append(found / objects if objects else 1.0)
    assert grader.scores(samples, outputs).tolist() == expected
    assert not grader.scores(samples, np.full_like(outputs, -1)).any()


def test_the_score_of_a_category_is_that_of_its_objects() -> None:
    """Objects of other categories do not count, found or not."""
    sample = {"boxes": [[0, 0, 9, 9], [20, 0, 9, 9]], "categories": [1, 2]}
    output = {"boxes": [[20, 0, 9, 9]], "scores": [0.5], "categories": [2]}
    one = np.zeros(1, dtype=np.int32)
    for category, expected in ((None, 0.5), (1, 0.0), (2, 1.0)):
        grader = Coco(category=category).prepare([output], [sample])
        assert grader.scores(one, one).tolist() == [expected]


def test_no_more_than_a_hundred_detections_find_anything() -> None:
    """Of a hundred and one objects, each detected, one is not found."""
    boxes = [[20 * index, 0, 9, 9] for index in range(101)]
    sample = {"boxes": boxes, "categories": [1] * 101}
    one = np.zeros(1, dtype=np.int32)
    grader = coco.ap.prepare([sample | {"scores": [0.5] * 101}], [sample])
    assert grader.scores(one, one).tolist() == [100 / 101]


@pytest.mark.parametrize("metric", [coco.ap, coco.ar100])
@pytest.mark.parametrize("left_out", [False, True])
@pytest.mark.parametrize(
    "sample", [NO_OBJECTS, {"boxes": [[0, 0, 9, 9]], "categories": [1], "crowd": [True]}]
)
def test_where_there_is_nothing_to_find_quality_is_undefined(
    metric: Coco, left_out: bool, sample: Sample
) -> None:
    """No objects, or only crowds: NaN with or without detections, and no warning."""
    output = {"boxes": [[0, 0, 9, 9]], "scores": [0.5], "categories": [1]}
    game = Game([sample], [output, NO_BOXES], [0, 0], [[(1, 0)], [(2, 1)]], left_out=left_out)
    found = metric.prepare(game.outputs, game.references).by_deadline(game.arrivals(), EVERY)
    assert np.isnan(found).all()


@pytest.mark.parametrize("metric", [coco.ap, coco.ar100])
def test_nothing_answered_is_nothing_found(metric: Coco) -> None:
    """Where all are late quality is 0; where the late are left out there is none."""
    sample: Sample = {"boxes": [[0, 0, 9, 9]], "categories": [1]}
    game = Game([sample], [NO_BOXES], [0], [[]])
    grader = metric.prepare(game.outputs, game.references)
    assert grader.by_deadline(game.arrivals(), EVERY).tolist() == [0.0] * len(EVERY)
    dropped = replace(game, left_out=True)
    assert np.isnan(grader.by_deadline(dropped.arrivals(), EVERY)).all()
    assert grader.by_deadline(game.arrivals(), EVERY[:0]).shape == (0,)


def test_many_deadlines_are_as_one_by_one() -> None:
    """A thousand deadlines, most of them between the same two answers."""
    game = crowded(4)
    grader = coco.ap.prepare(game.outputs, game.references)
    many = np.sort(np.random.default_rng(0).integers(-1, 5, 1000))
    found = grader.by_deadline(game.arrivals(), many)
    alone = {at: grader.by_deadline(game.arrivals(), np.array([at]))[0] for at in range(-1, 5)}
    expected = [alone[at] for at in many.tolist()]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


def test_what_was_graded_before_changes_nothing() -> None:
    """One grader, rounds of other answers in turn: each has its own value."""
    games_in_turn = [crowded(2), replace(crowded(2), rows=[0, 1, 1], answers=[[(0, 1)]] * 3)]
    graders = [coco.ap.prepare(crowded(2).outputs, crowded(2).references) for _ in range(3)]
    alone = [
        grader.by_deadline(game.arrivals(), EVERY).tolist()
        for grader, game in zip(graders[:2], games_in_turn, strict=True)
    ]
    for _ in range(2):
        for game, expected in zip(games_in_turn, alone, strict=True):
            assert graders[2].by_deadline(game.arrivals(), EVERY).tolist() == expected


def test_few_outcomes_are_remembered_and_all_are_right() -> None:
    """Memory is bounded: what was forgotten is matched again, and alike."""
    game = crowded(6)
    held = Evaluation.of(game.outputs, game.references, "ap")
    whole = Outcomes(held.detections, held.objects, "all")
    small = Outcomes(held.detections, held.objects, "all", at_most=20)
    random = np.random.default_rng(0)
    for _ in range(10):
        samples, outputs = random.integers(0, 20, (2, 9))
        expected, found = whole.of(samples, outputs), small.of(samples, outputs)
        np.testing.assert_array_equal(found.values, expected.values)
        np.testing.assert_array_equal(found.starts, expected.starts)
    assert len(small) < len(whole)


def test_metrics_of_the_same_columns_share_their_matches() -> None:
    """As long as the columns live, and no longer; lists may change, and are read anew."""
    game = crowded(8)
    outputs, references = _columns(game.outputs), _columns(game.references)
    before = len(evaluation._shared)
    first = evaluation.evaluation_of(outputs, references, "ap")
    assert evaluation.evaluation_of(dict(outputs), dict(references), "ar1") is first
    assert len(evaluation._shared) == before + 1
    del outputs
    gc.collect()
    assert len(evaluation._shared) == before
    lists = game.outputs, game.references
    one, other = (evaluation.evaluation_of(*lists, "ap") for _ in range(2))
    assert one is not other


def test_a_metric_is_named_by_what_differs_from_cocos() -> None:
    """Each of COCO's numbers has its usual name; a setting of another adds to it."""
    named = {
        "ap50:category=3": Coco(iou=0.5, category=3),
        "ap95_small_most10": Coco(iou=0.95, area="small", most=10),
        "ap_most1": Coco(most=1),
        "ar10_iou75": Coco(kind="ar", most=10, iou=0.75),
        "ar_large_most1:category=0": Coco(kind="ar", area="large", most=1, category=0),
    }
    assert {metric.name: metric for metric in named.values()} == named


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"kind": "f1"}, "kind 'f1' is no metric of COCO's: ap, ar"),
        ({"area": "tiny"}, "area 'tiny' is no range of COCO's: all, small, medium, large"),
        ({"most": 0}, "most 0 detections of an image: give 1 to 100"),
        ({"most": 300}, "most 300 detections of an image: give 1 to 100"),
        ({"iou": 0.3}, "iou 0.3 is no threshold of COCO's: give 0.5, 0.55"),
    ],
)
def test_what_coco_does_not_know_is_refused(settings: dict[str, object], sentence: str) -> None:
    """A sentence says what there is."""
    with pytest.raises(InputError, match=sentence):
        Coco(**settings)  # type: ignore[arg-type]  # what a file may hold


def test_a_category_without_objects_is_refused() -> None:
    """Its metric would be undefined at every deadline; the sentence lists what there is."""
    sample = {"boxes": [[0, 0, 9, 9], [0, 0, 9, 9]], "categories": [7, 4]}
    with pytest.raises(MetricError, match=r"no object of category 5 .* one of 4, 7"):
        Coco(category=5).prepare([NO_BOXES], [sample])
