"""Boxes come by column or sample by sample, and are checked."""

import re
from typing import Any

import numpy as np
import pytest

from quality.detection.pycoco import Game, crowded
from tailmark.errors import MetricError
from tailmark.quality.base import Floats
from tailmark.quality.detection.coco import ap
from tailmark.records.ragged import Ragged

SAMPLE = {"boxes": [[0, 0, 9, 9], [5, 5, 9, 9]], "categories": [1, 2]}
OUTPUT = {"boxes": [[0, 0, 9, 9]], "scores": [0.5], "categories": [1]}


def _graded(game: Game, outputs: Any, references: Any) -> Floats:
    return ap.prepare(outputs, references).by_deadline(game.arrivals(), np.arange(5))


def test_every_form_is_graded_alike() -> None:
    """Mappings, columns of lists, of arrays and ragged ones, of any types, are the same boxes."""
    game = crowded(3)
    names = {"outputs": list(game.outputs[0]), "references": list(game.references[0])}
    rows = {"outputs": game.outputs, "references": game.references}
    expected = _graded(game, game.outputs, game.references)
    lists = {
        where: {name: [one[name] for one in rows[where]] for name in names[where]} for where in rows
    }
    assert _graded(game, **lists).tolist() == expected.tolist()
    types = {"boxes": np.float64, "scores": np.float64, "areas": np.float64, "crowd": np.uint8}
    ragged = {
        where: {
            name: Ragged.of(held, types.get(name, np.uint8), *([4] if name == "boxes" else []))
            for name, held in columns.items()
        }
        for where, columns in lists.items()
    }
    assert _graded(game, **ragged).tolist() == expected.tolist()
    arrays = {
        where: [{name: np.asarray(one[name]) for name in one} for one in rows[where]]
        for where in rows
    }
    assert _graded(game, **arrays).tolist() == expected.tolist()


def test_what_is_usual_may_be_left_unsaid() -> None:
    """Where some samples say what is a crowd and others do not, those have none."""
    unsaid: list[dict[str, Any]] = [SAMPLE, SAMPLE | {"crowd": [True, False], "areas": [3, 4]}]
    said = [
        SAMPLE | {"crowd": [False, False], "areas": [81, 81]},
        SAMPLE | {"crowd": [True, False], "areas": [3, 4]},
    ]
    rows = np.arange(2, dtype=np.int32)
    worth = [ap.prepare([OUTPUT] * 2, one).scores(rows, rows).tolist() for one in (unsaid, said)]
    assert worth[0] == worth[1] == [0.5, 0.0]


@pytest.mark.parametrize(
    ("outputs", "references", "sentence"),
    [
        (np.zeros((2, 4)), [SAMPLE], "cannot read outputs of ndarray: give columns by name"),
        ([OUTPUT], "boxes", "cannot read references of str"),
        ({"labels": [[1]]}, [SAMPLE], "the column 'boxes' and the outputs have labels: measure"),
        ([OUTPUT], [{"boxes": []}], "the column 'categories' and the references have boxes"),
        (
            [OUTPUT | {"scores": [0.5, 0.4]}],
            [SAMPLE],
            "1 boxes and 2 scores in row 0 of the outputs",
        ),
        ([OUTPUT], [SAMPLE, SAMPLE | {"crowd": [True]}], "2 boxes and 1 crowd in row 1 of the ref"),
        (
            {"boxes": [[[0, 0, 1, 1]]] * 2, "scores": [[0.5]], "categories": [[1], [1]]},
            [SAMPLE],
            "2 rows of boxes and 1 of scores",
        ),
        ([OUTPUT | {"scores": [float("nan")]}], [SAMPLE], "nan among the scores of the outputs"),
        (
            [OUTPUT],
            [SAMPLE | {"areas": [1, float("inf")]}],
            "inf among the areas of the references",
        ),
        (
            [OUTPUT | {"boxes": [[0, 0, float("inf"), 1]]}],
            [SAMPLE],
            "inf among the boxes of the ou",
        ),
        ([OUTPUT | {"boxes": [[0, 0, 9]]}], [SAMPLE], "boxes of int64 and shape (1, 3)"),
        ([OUTPUT | {"boxes": [0, 0, 9, 9]}], [SAMPLE], "boxes of int64 and shape (4,)"),
        ([OUTPUT | {"categories": [0.5]}], [SAMPLE], "categories of float64 and shape (1,)"),
        ([OUTPUT | {"categories": ["cat"]}], [SAMPLE], "categories of <U3 and shape (1,)"),
        ([OUTPUT | {"boxes": [[0, 0, 9, 9], [1]]}], [SAMPLE], "boxes of rows of different lengths"),
        ([OUTPUT | {"scores": 0.5}], [SAMPLE], "scores of float64 and shape ()"),
    ],
)
def test_what_cannot_be_boxes_is_refused(outputs: Any, references: Any, sentence: str) -> None:
    """One sentence names the column, what is wrong with it, and what to give."""
    with pytest.raises(MetricError, match=re.escape(sentence)):
        ap.prepare(outputs, references)
