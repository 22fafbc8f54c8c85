"""The published tail-quality code's files become runs that say what its evaluation says."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tailmark
from importers.published import (
    Published,
    changed,
    detr,
    emotion_flow,
    graded_as_published,
    hybrid_nets,
    mobilenet,
    some_times,
    vicuna,
    write,
)
from tailmark.errors import InputError, MetricError, StoreError
from tailmark.quality.score import Score
from tailmark.records.model import Status


@pytest.mark.parametrize("timer", ["total", "inference"])
@pytest.mark.parametrize(("metric", "rank"), [("top1", 0), ("top5", 1)])
def test_quality_is_what_the_published_evaluation_says(
    timer: str, metric: str, rank: int, tmp_path: Path
) -> None:
    """At every time that was measured, in every round, to the last digit."""
    held = mobilenet(sizes=(7, 5, 9, 1), rounds=6)
    run = tailmark.import_tail_quality(held.write(tmp_path / "MobileNet_TF"), out=tmp_path / "run")
    deadlines = sorted({t for one in held.times[timer] for t in one.values()})
    # The nanosecond at which a time is met; the published comparison is of seconds.
    by_ns = {round(t * 1e9): t for t in deadlines}
    summary = tailmark.summarize(run, metric=metric, deadlines=list(by_ns), time=timer)
    assert len(summary.at) == len(by_ns) == 24
    for at in summary.at:
        published = graded_as_published(held, timer, by_ns[at.deadline_ns], rank)
        assert at.rounds == pytest.approx(published, abs=1e-12)


def test_every_time_is_the_file_s(tmp_path: Path) -> None:
    """A row has its batch's times, to the nearest nanosecond, one batch after the other."""
    held = mobilenet(sizes=(3, 1, 2), rounds=5)
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "in"), out=tmp_path / "run", task="mobilenet"
    )
    assert run.references.ids == ("1.0", "1.1", "1.2", "2", "3.0", "3.1")
    batch = [1, 1, 1, 2, 3, 3]
    for index, one in enumerate(run.rounds()):
        total, inference = (held.times[timer][index] for timer in ("total", "inference"))
        assert one.inference_ns is not None
        for j, b in enumerate(batch):
            assert abs(one.latency_ns()[j] - total[b] * 1e9) <= 0.5
            assert abs(one.inference_ns[j] - inference[b] * 1e9) <= 0.5
            earlier = sum(round(total[a] * 1e9) for a in total if a < b)
            assert one.scheduled_ns[j] == one.issued_ns[j] == earlier
        assert one.facts["duration_ns"] == sum(round(t * 1e9) for t in total.values())
        assert one.query.tolist() == [b - 1 for b in batch]
        assert (one.status == Status.ok).all()


def test_the_run_says_what_it_is_of(tmp_path: Path) -> None:
    """Complete, with its task and files' names, no path, and a word on the environment."""
    run = tailmark.import_tail_quality(
        mobilenet().write(tmp_path / "in"), out=tmp_path / "run", task="mobile_net"
    )
    assert run.complete
    assert run.manifest.experiment["workload"] == {
        "kind": "imported",
        "from": "tail-quality",
        "files": ["All_Times.pickle", "result.pkl", "golden.pkl"],
        "task": "mobile_net",
        "order": "fixed",
        "batches": 3,
    }
    assert run.manifest.experiment["timed"] == "total"
    assert str(tmp_path) not in (tmp_path / "run" / "run.json").read_text(encoding="utf-8")
    assert any("environment" in one for one in tailmark.summarize(run).warnings)
    assert run.manifest.counts["ok"] == 4 * 8


@pytest.mark.parametrize(
    ("held", "task", "suffix", "metric", "ideal"),
    [
        # Of five utterances: F1 of the right one 1, 2/3, 0 and 2/3, and one, one, one and two.
        (emotion_flow(), "emotion-flow", ".json", "f1_weighted", (1 + 2 / 3 + 0 + 2 * 2 / 3) / 5),
        (emotion_flow(), "EmotionFlow", ".pkl", "f1_weighted", (1 + 2 / 3 + 0 + 2 * 2 / 3) / 5),
        (vicuna(), "vicuna", ".json", "top1", 2 / 4),
    ],
)
def test_labels_and_letters_are_graded(
    held: Published, task: str, suffix: str, metric: str, ideal: float, tmp_path: Path
) -> None:
    """Utterances and answers to questions, written as JSON or as pickles."""
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "in", suffix), out=tmp_path / "run", task=task
    )
    summary = tailmark.summarize(run)
    assert summary.metric == metric
    assert summary.ideal is not None
    assert summary.ideal.value == pytest.approx(ideal)


def test_letters_are_numbered_by_the_references(tmp_path: Path) -> None:
    """A letter outside every class is a class of its own, and the letters are kept."""
    run = tailmark.import_tail_quality(
        vicuna().write(tmp_path / "in", ".json"), out=tmp_path / "run", task="vicuna"
    )
    assert run.manifest.experiment["decode"]["classes"] == ["A", "B", "C", "D", "?"]
    assert run.references.values is not None
    assert run.references.values.tolist() == [0, 1, 2, 3]
    (first,) = {tuple(one.output_id.tolist()) for one in run.rounds()}
    assert run.outputs["labels"][list(first), 0].tolist() == [0, 2, 4, 3]


def test_images_are_known_by_their_numbers(tmp_path: Path) -> None:
    """COCO's, which come several to a batch."""
    held = detr(images=5, at_once=2)
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "DETR_ONNX", ".json"), out=tmp_path / "run"
    )
    images = [image["id"] for image in held.references["images"]]
    assert run.references.ids == tuple(map(str, images))
    assert [one.query.tolist() for one in run.rounds()] == [[0, 0, 1, 1, 2]] * 4
    for k, image in enumerate(images):
        objects = [a for a in held.references["annotations"] if a["image_id"] == image]
        assert run.references.values["boxes"][k].tolist() == [a["bbox"] for a in objects]
        assert run.references.values["areas"][k].tolist() == [a["area"] for a in objects]
        assert run.references.values["crowd"][k].tolist() == [a["iscrowd"] for a in objects]


def test_an_image_in_which_nothing_was_found_is_one_that_is_left(tmp_path: Path) -> None:
    """Nothing says which it is, and no quality depends on it: its objects are missed."""
    held = detr(images=4)
    images = [image["id"] for image in held.references["images"]]
    held = replace(held, results={**held.results, 2: [[]], 4: [[]]})
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "in", ".json"), out=tmp_path / "run", task="detr"
    )
    assert run.references.ids == tuple(map(str, images))
    ids = next(run.rounds()).output_id
    assert ids[1] == ids[3]
    assert len(run.outputs["boxes"][ids[1]]) == 0
    alone = tailmark.import_tail_quality(
        times=tmp_path / "in" / "All_Times.pickle",
        results=tmp_path / "in" / "result.json",
        out=tmp_path / "alone",
        task="detr",
    )
    assert alone.references.ids == ("1", "2", "3", "4")
    assert tailmark.summarize(alone).ideal is None


def test_driving_has_no_file_of_references(tmp_path: Path) -> None:
    """One that lies there is not read, which is said; a batch has as many samples as images."""
    held = replace(hybrid_nets(sizes=(3, 1)), references={1: [], 2: []})
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "HybridNets_PyTorch"), out=tmp_path / "run"
    )
    assert run.references.ids == ("1.0", "1.1", "1.2", "2")
    assert any("'golden.pkl' is not read" in one for one in run.manifest.warnings)
    assert run.outputs["sample"].tolist() == [0, 1, 2, 3]
    with pytest.raises(MetricError, match="give on_late another policy than stale"):
        tailmark.summarize(run, metric=Score("lane_iou"), also=(), on_late="stale")


@pytest.mark.parametrize("task", ["detr", "hybridnets", "lightgcn", "vicuna"])
def test_a_task_s_times_alone_are_enough(task: str, tmp_path: Path) -> None:
    """Punctuality is told, and no quality."""
    file = write(tmp_path / "All_Times.pickle", some_times(3, 4))
    run = tailmark.import_tail_quality(times=file, out=tmp_path / "run", task=task)
    assert run.references.values is None
    assert run.outputs == {}
    assert tailmark.summarize(run).ideal is None


def test_times_alone_are_enough(tmp_path: Path) -> None:
    """Each batch is a sample then, which is said."""
    file = write(tmp_path / "All_Times.pickle", some_times(5, 3))
    run = tailmark.import_tail_quality(times=file, out=tmp_path / "run")
    assert len(run.references) == 5
    assert any("each batch counts as one sample" in one for one in run.manifest.warnings)


@pytest.mark.parametrize("timer", ["total", "inference"])
def test_one_timer_alone_is_enough(timer: str, tmp_path: Path) -> None:
    """The run then says that it timed this one."""
    file = write(tmp_path / "times.json", {timer: some_times(5, 3)[timer]})
    run = tailmark.import_tail_quality(times=file, out=tmp_path / "run")
    assert run.manifest.experiment["timed"] == timer
    assert tailmark.summarize(run, time=timer).latency.time == timer
    other = "inference" if timer == "total" else "total"
    with pytest.raises(InputError):
        tailmark.summarize(run, time=other)


@pytest.mark.parametrize(
    ("folder", "asked", "found"),
    [
        ("MobileNet_PyTorch", None, "mobilenet"),
        ("MobileNet_PyTorch/GPU", None, "mobilenet"),
        ("somewhere", "mobilenet", "mobilenet"),
        ("Vicuna_PyTorch", "mobile-net", "mobile-net"),
    ],
)
def test_the_task_is_the_directory_s_unless_it_is_named(
    folder: str, asked: str | None, found: str, tmp_path: Path
) -> None:
    """The published scripts write to a directory of the model's name, or to one in it."""
    mobilenet().write(tmp_path / folder)
    run = tailmark.import_tail_quality(tmp_path / folder, out=tmp_path / "run", task=asked)
    assert run.manifest.experiment["workload"]["task"] == found


def test_whole_floats_are_labels(tmp_path: Path) -> None:
    """As MXNet writes them."""
    held = replace(
        emotion_flow(),
        results={1: [0.0, 4.0, 4.0], 2: [2.0, 6.0]},
        references={1: [0, 4, 5], 2: [2, 2]},
    )
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "in"), out=tmp_path / "run", task="emotion-flow"
    )
    assert run.outputs["labels"].dtype == np.int32


def test_equal_scores_may_be_ranked_two_ways(tmp_path: Path) -> None:
    """The best alone goes before the order of the five; both metrics stay as published."""
    held = replace(
        mobilenet(sizes=(2,), rounds=1),
        results={1: [([3], [5, 3, 1, 2, 4]), ([1], [1, 2, 3, 4, 5])]},
        references={1: [3, 5]},
    )
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "in"), out=tmp_path / "run", task="mobilenet"
    )
    values = [tailmark.summarize(run, metric=metric).ideal for metric in ("top1", "top5")]
    assert [e.value for e in values if e is not None] == [0.5, 1.0]


def test_another_numbering_is_doubted(tmp_path: Path) -> None:
    """Where not one answer is a label of any sample, a sentence says so."""
    held = replace(emotion_flow(), references={1: [10, 14, 15], 2: [12, 12]})
    run = tailmark.import_tail_quality(
        held.write(tmp_path / "in"), out=tmp_path / "run", task="emotion-flow"
    )
    assert any("different numberings" in one for one in run.manifest.warnings)


TIMES = some_times(3, 2)

BAD_TIMES: dict[str, tuple[Any, str]] = {
    "no dictionary": ([1, 2], "holds no times"),
    "other keys": ({"infer": []}, "holds no times"),
    "no rounds": ({"inference": [], "total": []}, "holds 0 of 'inference' and 0 of 'total' rounds"),
    "rounds of one timer only": (
        {"inference": TIMES["inference"], "total": TIMES["total"][:1]},
        "holds 2 of 'inference' and 1 of 'total' rounds",
    ),
    "a timer that is no list": (
        {"inference": TIMES["inference"], "total": 3},
        "holds 2 of 'inference' and 0 of 'total' rounds",
    ),
    "a round that is no dictionary": (
        {"inference": [{1: 0.5}, [0.5]]},
        "round 2 of 'inference' is not a dictionary by batch",
    ),
    "an empty round": ({"total": [{}]}, "is not a dictionary by batch"),
    "a missing batch": (
        changed(TIMES, "total", 1, b2=None),
        "round 2 of 'total' lacks batch 2, unlike the first round (2 and 3 batches)",
    ),
    "a batch too many": (
        changed(TIMES, "total", 1, b9=0.5),
        "round 2 of 'total' has batch 9, unlike the first round (4 and 3 batches)",
    ),
    "not a number": (changed(TIMES, "total", 0, b2=float("nan")), "batch 2 took nan"),
    "endless": (changed(TIMES, "inference", 1, b3=float("inf")), "batch 3 took inf"),
    "negative": (changed(TIMES, "inference", 1, b3=-0.25), "batch 3 took -0.25"),
    "text": (changed(TIMES, "inference", 1, b3="0.25"), "batch 3 took '0.25'"),
    "truth": (changed(TIMES, "inference", 1, b3=True), "batch 3 took True"),
    "a list": (changed(TIMES, "inference", 1, b3=[0.5]), "batch 3 took list of 1"),
    "in nanoseconds": (changed(TIMES, "total", 0, b1=7e9, b2=7e9), "are they in another unit?"),
    "a huge number": (changed(TIMES, "total", 0, b1=10**5000), "a number of more than 64 bits"),
    "a batch of a huge number": ({"total": [{10**5000: 1.0, -1: 1.0}]}, "has the batch -1"),
    "a batch without a number": ({"total": [{"first": 0.5}]}, "has the batch 'first'"),
    "a batch of truth": ({"total": [{True: 0.5}]}, "has the batch True"),
    "a batch twice": ({"total": [{1: 0.5, "1": 0.5}]}, "has batch 1 twice"),
}


@pytest.mark.parametrize("kind", sorted(BAD_TIMES))
def test_times_that_cannot_be_used_are_one_sentence(kind: str, tmp_path: Path) -> None:
    """The file, the round and the batch are named; nothing is left behind."""
    content, says = BAD_TIMES[kind]
    file = write(tmp_path / "All_Times.pickle", content)
    with pytest.raises(InputError) as refused:
        tailmark.import_tail_quality(times=file, out=tmp_path / "run")
    assert says in str(refused.value)
    assert repr(str(file)) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


Spoil = Callable[[Published], Published]

BAD_ANSWERS: dict[str, tuple[Spoil, str, str]] = {
    "results of other batches": (
        lambda one: replace(one, results={1: one.results[1], 2: one.results[2], 7: []}),
        "mobilenet",
        "lacks batch 3 and has batch 7, unlike the times (3 and 3 batches)",
    ),
    "fewer references": (
        lambda one: replace(one, references={**one.references, 2: [1]}),
        "mobilenet",
        "batch 2 has 3 results and 1 references",
    ),
    "a reference that is no class": (
        lambda one: replace(one, references={**one.references, 3: [1, "cat"]}),
        "mobilenet",
        "item 1 of batch 3 is the reference 'cat': it is a class number",
    ),
    "a reference that is a fraction": (
        lambda one: replace(one, references={**one.references, 3: [1, 0.5]}),
        "mobilenet",
        "item 1 of batch 3 is the reference 0.5",
    ),
    "a reference beyond every class": (
        lambda one: replace(one, references={**one.references, 3: [1, 1e300]}),
        "mobilenet",
        "item 1 of batch 3 is the reference a number of more than 64 bits",
    ),
    "another task's results": (
        lambda one: replace(one, results={b: [1] * len(i) for b, i in one.results.items()}),
        "mobilenet",
        "item 0 of batch 1 is the result 1: it is ([best], [best, second, …])",
    ),
    "fewer ranks": (
        lambda one: replace(one, results={**one.results, 3: [([1], [1, 2])] * 2}),
        "mobilenet",
        "item 0 of batch 3 has 2 distinct answers and the first has 5",
    ),
    "a best one not among the five": (
        lambda one: replace(one, results={**one.results, 3: [([9], [1, 2, 3, 4, 5])] * 2}),
        "mobilenet",
        "item 0 of batch 3 has the best answer 9 and it is not among [1, 2, 3, 4, 5]",
    ),
    "no answers at all": (
        lambda one: replace(one, results={batch: [] for batch in one.results}),
        "emotion-flow",
        "holds no answer",
    ),
    "a word for a letter": (
        lambda one: replace(one, results={b: ["AB"] * len(i) for b, i in one.results.items()}),
        "vicuna",
        "item 0 of batch 1 is the result 'AB': it is one letter",
    ),
    "an unknown task": (
        lambda one: one,
        "mobilnet",
        "no task 'mobilnet' (did you mean 'mobilenet'?)",
    ),
}


@pytest.mark.parametrize("kind", sorted(BAD_ANSWERS))
def test_answers_that_do_not_fit_are_one_sentence(kind: str, tmp_path: Path) -> None:
    """The batch and item are named; nothing is left behind."""
    spoil, task, says = BAD_ANSWERS[kind]
    folder = spoil(mobilenet(rounds=2)).write(tmp_path / "in")
    with pytest.raises(InputError) as refused:
        tailmark.import_tail_quality(folder, out=tmp_path / "run", task=task)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_a_small_file_cannot_ask_for_a_huge_run(tmp_path: Path) -> None:
    """A pickle may name one list a thousand times; the rows are counted before they are made."""
    times = {"inference": [dict.fromkeys(range(1, 2001), 0.5)] * 10}
    batch = [[1]] * 100_000
    folder = Published(times, dict.fromkeys(range(1, 2001), batch), {}).write(tmp_path / "in")
    with pytest.raises(InputError, match="would be a run of 200,000,000 samples"):
        tailmark.import_tail_quality(folder, out=tmp_path / "run", task="lightgcn")
    assert (folder / "result.pkl").stat().st_size < 10**6
    assert not (tmp_path / "run").exists()


def test_what_is_not_given_is_asked_for(tmp_path: Path) -> None:
    """No times, no directory, no task, references alone: each has its way out."""
    folder = mobilenet().write(tmp_path / "in")
    out = tmp_path / "run"
    with pytest.raises(InputError, match="give --times FILE"):
        tailmark.import_tail_quality(out=out)
    with pytest.raises(InputError, match="is no directory"):
        tailmark.import_tail_quality(folder / "nowhere", out=out)
    with pytest.raises(InputError, match="give --task, one of mobilenet, "):
        tailmark.import_tail_quality(folder, out=out)
    (folder / "result.pkl").unlink()
    with pytest.raises(InputError, match="references are given without results"):
        tailmark.import_tail_quality(folder, out=out, task="mobilenet")
    (folder / "All_Times.pickle").unlink()
    with pytest.raises(InputError, match=r"All_Times\.pickle' does not exist"):
        tailmark.import_tail_quality(folder, out=out, task="mobilenet")
    assert not out.exists()


def test_results_without_references_are_kept(tmp_path: Path) -> None:
    """The answers are there, and nothing is graded."""
    folder = mobilenet().write(tmp_path / "in")
    (folder / "golden.pkl").unlink()
    run = tailmark.import_tail_quality(folder, out=tmp_path / "run", task="mobilenet")
    assert run.outputs["labels"].shape[1] == 5
    assert tailmark.summarize(run).ideal is None


@pytest.mark.parametrize("text", ["", "{", '{"inference": [NaN', "[" * 100_000])
def test_json_that_is_cut_short_is_one_sentence(text: str, tmp_path: Path) -> None:
    """Nor does a deep nesting end in a traceback."""
    file = tmp_path / "times.json"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match="is not JSON, or is cut short"):
        tailmark.import_tail_quality(times=file, out=tmp_path / "run")


def test_a_directory_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    """Neither another run nor somebody's files are written over."""
    file = write(tmp_path / "times.json", TIMES)
    run = tailmark.import_tail_quality(times=file, out=tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    with pytest.raises(StoreError, match="holds another run"):
        tailmark.import_tail_quality(times=file, out=tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    assert len(run) == 2
    with pytest.raises(StoreError, match="holds other files"):
        tailmark.import_tail_quality(times=file, out=tmp_path)
    assert file.exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a round cannot be written, what was written before it is taken back."""
    from tailmark.records.store import RunWriter

    held = RunWriter.append

    def full(self: RunWriter, one: Any, new: Any) -> None:
        if one.index == 1:
            raise StoreError("the disk is full")
        held(self, one, new)

    monkeypatch.setattr(RunWriter, "append", full)
    folder = mobilenet().write(tmp_path / "in")
    with pytest.raises(StoreError, match="the disk is full"):
        tailmark.import_tail_quality(folder, out=tmp_path / "run", task="mobilenet")
    assert not (tmp_path / "run").exists()


@settings(max_examples=25)  # each is a run on disk
@given(
    seconds=st.lists(st.lists(st.floats(0, 1e6), min_size=3, max_size=3), min_size=1, max_size=3)
)
def test_every_round_of_times_comes_back(
    seconds: list[list[float]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever the times are, the run's are theirs to the nearest nanosecond."""
    folder = tmp_path_factory.mktemp("times")
    rounds = [{str(b): t for b, t in enumerate(row, 1)} for row in seconds]
    file = write(folder / "times.json", {"inference": rounds})
    run = tailmark.import_tail_quality(times=file, out=folder / "run")
    for one, row in zip(run.rounds(), seconds, strict=True):
        assert one.latency_ns().tolist() == [round(t * 1e9) for t in row]
    shutil.rmtree(folder)
