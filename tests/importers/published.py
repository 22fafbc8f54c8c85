"""Result files as the published tail-quality code writes them, and its way to grade them."""

import json
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Rounds = list[dict[int, float]]


def write(path: Path, content: object) -> Path:
    """A file, JSON or a pickle by its name."""
    if path.suffix == ".json":
        path.write_text(json.dumps(content, indent=2), encoding="utf-8")
    else:
        path.write_bytes(pickle.dumps(content))
    return path


@dataclass(frozen=True)
class Published:
    """Everything of one task: batches from 1, times in seconds."""

    times: dict[str, Rounds]
    results: dict[int, Any]
    references: dict[int, Any]

    def write(self, folder: Path, suffix: str = ".pkl") -> Path:
        """The files under their usual names."""
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / "All_Times.pickle", self.times)
        write(folder / f"result{suffix}", self.results)
        write(folder / f"golden{suffix}", self.references)
        return folder


def some_times(batches: int, rounds: int, seed: int = 0) -> dict[str, Rounds]:
    """Two timers, the total longer than the inference it holds."""
    random = np.random.default_rng(seed)
    inference = random.lognormal(-5, 0.3, size=(rounds, batches))
    total = inference + random.lognormal(-7, 0.3, size=(rounds, batches))

    def listed(values: Any) -> Rounds:
        return [{b: float(t) for b, t in enumerate(row, start=1)} for row in values]

    return {"inference": listed(inference), "total": listed(total)}


def mobilenet(sizes: Sequence[int] = (3, 3, 2), rounds: int = 4, seed: int = 0) -> Published:
    """Ranked answers as its TensorFlow script writes them: numpy's numbers within lists."""
    random = np.random.default_rng(seed)
    results: dict[int, Any] = {}
    references: dict[int, Any] = {}
    for batch, size in enumerate(sizes, start=1):
        scores = random.normal(size=(size, 8))
        results[batch] = [([row.argmax()], list(row.argsort()[-5:][::-1])) for row in scores]
        near = scores + random.normal(size=scores.shape) / 2
        references[batch] = [int(label) for label in near.argmax(axis=1)]
    return Published(some_times(len(sizes), rounds, seed), results, references)


def emotion_flow(rounds: int = 3) -> Published:
    """A batch is a dialogue, an item an utterance."""
    return Published(some_times(2, rounds), {1: [0, 4, 4], 2: [2, 6]}, {1: [0, 4, 5], 2: [2, 2]})


def vicuna(rounds: int = 3) -> Published:
    """A batch is a question, an item the last letter of what was said."""
    return Published(
        some_times(4, rounds),
        {1: ["A"], 2: ["C"], 3: ["?"], 4: ["D"]},
        {1: ["A"], 2: ["B"], 3: ["C"], 4: ["D"]},
    )


def graded_as_published(one: Published, timer: str, deadline_s: float, rank: int) -> list[float]:
    """Accuracy of each round, as its evaluation computes it: item by item, late is wrong.

    From ``Evaluation/tail_quality.py`` and ``metrics/mobile_net.py``; on time is ``<=``.
    """
    goldens = [g for _, batch in sorted(one.references.items()) for g in batch]
    results = [r for _, batch in sorted(one.results.items()) for r in batch]
    qualities = []
    for round_time in one.times[timer]:
        times: list[float] = []
        for batch, seconds in sorted(round_time.items()):
            times.extend([seconds] * len(one.results[batch]))
        right = 0
        for golden, result, seconds in zip(goldens, results, times, strict=True):
            right += seconds <= deadline_s and golden in result[rank]
        qualities.append(right / len(goldens))
    return qualities


def changed(times: Mapping[str, Rounds], timer: str, number: int, **batches: Any) -> dict[str, Any]:
    """The same times but for some batches of a round, written ``b3=value``; None leaves one out."""
    copy = {name: [dict(one) for one in rounds] for name, rounds in times.items()}
    for name, value in batches.items():
        if value is None:
            del copy[timer][number][int(name[1:])]
        else:
            copy[timer][number][int(name[1:])] = value
    return copy
