"""What stands in the page's file, without a browser."""

import json
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import tailmark
from analysis.test_extremes import tailed
from tailmark.errors import InputError, StoreError
from tailmark.report.comparison_text import headline, points_cell
from tailmark.report.extremes_text import headline as extremes_headline
from tailmark.report.findings import points
from tailmark.report.plots import write_plots
from tailmark.report.prediction_text import overdispersion_sentence, prediction_headline
from tailmark.report.sentences import sureness_sentence

HOSTILE = "</script><script>alert(1)</script>"
Measure = Callable[..., tailmark.Run]


class Reader(HTMLParser):
    """Collects what a browser would see: text, scripts, and every address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text = ""
        self.scripts: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self._inside: str = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember what it is and where it points."""
        self.tags.append(tag)
        self._inside = tag
        if tag == "script":
            self.scripts.append("")
        self.addresses += [v or "" for k, v in attrs if k in ("src", "href")]

    def handle_data(self, data: str) -> None:
        """Sort text from scripts."""
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        """Leave the element."""
        del tag
        self._inside = ""

    @property
    def report(self) -> dict[str, Any]:
        """What the page's script looks numbers up in."""
        found: dict[str, Any] = json.loads(self.scripts[0])
        return found


def read(*runs: tailmark.Run, folder: Path, **settings: Any) -> Reader:
    """Write a report and read it back."""
    page = tailmark.write_report(list(runs), folder / "report.html", **settings)
    return Reader(page.read_text(encoding="utf-8"))


def test_the_page_needs_nothing_beside_itself(page: Path) -> None:
    """Every address in the page is inside it, and its policy forbids all others."""
    text = page.read_text(encoding="utf-8")
    assert all(a.startswith(("data:", "#")) for a in Reader(text).addresses)
    assert "default-src &#39;none&#39;" in text
    assert len(text) < 1_500_000


def test_the_headline_is_the_summary_in_one_sentence(run: tailmark.Run, page: Path) -> None:
    """The number a manager reads is the summary's, and so is the verdict."""
    at = tailmark.summarize(run).at[0]
    assert at.mean is not None
    assert at.mean.value is not None
    text = page.read_text(encoding="utf-8")
    headline = re.search(r'<h1 class="headline">(.*?)</h1>', text, re.DOTALL)
    assert headline
    assert headline[1].startswith("At 1.2\u00a0ms this system delivers <strong>")
    assert f"<strong>{100 * at.mean.value:.1f}\u00a0%</strong>" in headline[1]
    assert f"<b>{tailmark.judge(run).outcome}</b>" in text


def test_the_page_holds_the_numbers_of_each_round(run: tailmark.Run, page: Path) -> None:
    """What the script looks up at a deadline is what the summary says there, to four decimals."""
    looked_up = Reader(page.read_text(encoding="utf-8")).report["runs"][0]
    at = tailmark.summarize(run, deadlines=["1.2ms"]).at[0]
    shown = looked_up["rounds"][looked_up["start"]]
    assert at.rounds is not None
    assert shown == [round(q * 10_000) for q in at.rounds]


def test_a_hostile_sample_cannot_put_a_script_into_the_page(
    run: tailmark.Run, tmp_path: Path
) -> None:
    """Names from a stranger's run are text: there are the page's own scripts and no other."""
    ids = tuple(f"{HOSTILE}{i}" for i in range(len(run.references)))
    system = {"kind": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}}
    manifest = replace(run.manifest, system=system, warnings=(HOSTILE,))
    hostile = replace(
        run,
        path=Path("runs") / HOSTILE.replace("/", "\u2028"),
        manifest=manifest,
        references=replace(run.references, ids=ids),
    )
    shown = read(hostile, hostile, folder=tmp_path)
    assert shown.tags.count("script") == 3
    assert HOSTILE in shown.text
    assert "<" not in shown.scripts[0]
    assert "\u2028" not in shown.scripts[0]


def test_only_a_picture_is_shown_as_a_picture(run: tailmark.Run, tmp_path: Path) -> None:
    """A thumbnail is known by its first bytes; what is neither PNG nor JPEG is left out."""
    pictures = (b"\x89PNG\r\n\x1a\n...", b"\xff\xd8\xff...", b"<svg onload='alert(1)'/>")
    count = len(run.references)
    for picture, kind in zip(pictures, ("image/png", "image/jpeg", None), strict=True):
        held = replace(run, references=replace(run.references, thumbnails=(picture,) * count))
        shown = [a for a in read(held, folder=tmp_path).addresses if a.startswith("data:")]
        assert all(a.startswith(f"data:{kind};base64,") for a in shown)
        assert bool(shown) == (kind is not None)


def test_without_references_the_page_tells_punctuality(measured: Measure, tmp_path: Path) -> None:
    """It says how much is on time, and nothing of quality or of where answers go."""
    shown = read(measured(references=False), folder=tmp_path)
    assert "of its queries on time." in shown.text
    assert "Share on time against the deadline" in shown.text
    assert "Where the answers go" not in shown.text
    assert "right" not in shown.text.replace("copyright", "")
    assert "accuracy" not in shown.text


def test_one_round_has_no_intervals_and_says_why(measured: Measure, tmp_path: Path) -> None:
    """No number of a single round claims to be known to some precision."""
    page = tailmark.write_report(measured(rounds=1), tmp_path / "report.html")
    text = page.read_text(encoding="utf-8")
    assert "an interval needs 2 rounds or more, have 1" in text
    assert "Round by round" not in text
    assert "nan" not in Reader(text).text.lower().split()


def test_a_partial_run_says_so_at_the_top(run: tailmark.Run, tmp_path: Path) -> None:
    """Before any number, in plain words."""
    experiment = {**run.manifest.experiment, "rounds": 100}
    partial = replace(run, manifest=replace(run.manifest, status="partial", experiment=experiment))
    text = read(partial, folder=tmp_path).text
    said = text.index("This run is partial: 80 of 100 rounds are there.")
    assert said < text.index("against the deadline")


def test_several_runs_are_compared_first(measured: Measure, tmp_path: Path) -> None:
    """One headline and one row a run, then each run; two of one name are told apart."""
    first, second = measured(name="same"), measured(name="same", seed=1)
    shown = read(first, second, folder=tmp_path)
    assert "2 runs side by side" in shown.text
    assert "same (2)" in shown.text
    assert {row["run"] for row in shown.report["comparison"]["data"]["curves"]} == {
        "same",
        "same (2)",
    }
    assert "Not compared" not in shown.text


def test_four_systems_stand_side_by_side(four: list[tailmark.Run], four_page: Path) -> None:
    """Each is compared with the first, or the page says why it is not; each has its details."""
    shown = Reader(four_page.read_text(encoding="utf-8"))
    told = shown.text.replace("\u00a0", " ")
    for one in four[1:3]:
        sentence = headline(tailmark.compare(four[0], one))
        verdict, _, words = sentence.partition(" – ")
        assert words in told
        assert verdict.lower() in told
        assert f"{one.name} (B) against one (A), in full" in told
    with pytest.raises(InputError) as refused:
        tailmark.compare(four[0], four[3])
    assert f"Not compared: {refused.value}." in told
    assert "four (B)" not in told


def test_what_a_run_differs_in_may_be_allowed(four: list[tailmark.Run], tmp_path: Path) -> None:
    """As for `compare`, whose refusal names the option."""
    shown = read(four[0], four[3], folder=tmp_path, allow=["order"])
    assert "Not compared" not in shown.text
    assert "compared all the same, though order differs" in shown.text


def test_the_compared_table_holds_what_compare_finds(
    four: list[tailmark.Run], four_page: Path
) -> None:
    """Differences at the deadlines asked for, and at these alone; rounds at every deadline."""
    held = Reader(four_page.read_text(encoding="utf-8")).report["comparison"]
    compared = {at.a.deadline_ns: at for at in tailmark.compare(four[0], four[1]).at}
    frames = {frame["ns"]: frame for frame in held["frames"]}
    nothing = ["", "", "", ""]
    assert compared.keys() <= frames.keys()
    assert list(frames) == sorted(frames)
    for ns, frame in frames.items():
        assert [cell[2:] for cell in frame["cells"][:2]] == [nothing] * 2
        if ns not in compared:
            assert [cell[2:] for cell in frame["cells"]] == [nothing] * 8
            continue
        at = compared[ns]
        for cell, name in zip(frame["cells"][2:4], ("mean", "tail_0.05"), strict=True):
            points, standing = points_cell(at.differences[name]), at.standings[name]
            assert cell[0] == f"{100 * (at.estimates[name][1].value or 0):.1f}\u00a0%"
            assert cell[2:5] == [f"{points.value} points", points.interval, standing.verdict]
            assert bool(cell[5]) == (standing.rounds_to_tell is not None)
    at_first = tailmark.summarize(four[1], deadlines=[1_200_000]).at[0].rounds
    assert at_first is not None
    shown = held["rounds"][list(frames).index(1_200_000)][1]
    assert shown == [round(q * 10_000) for q in at_first]


def test_runs_are_graded_as_the_first_is(measured: Measure, tmp_path: Path) -> None:
    """One page, one way of grading: the others' own late policy does not mix in."""
    first = measured(name="first")
    other = measured(name="other", seed=1, quality={"deadlines": ["2ms"], "on_late": "drop"})
    text = read(first, other, folder=tmp_path).text
    assert text.count("late answers count as wrong") >= 2
    assert "late answers are left out" not in text


def test_the_doubt_stands_beside_the_headline(run: tailmark.Run, tmp_path: Path) -> None:
    """What the intervals rest on, and why measuring stopped, come before any plot."""
    stopped = replace(
        run, manifest=replace(run.manifest, stopping={"says": f"It stopped: {HOSTILE}."})
    )
    text = read(stopped, folder=tmp_path).text
    plots = text.index("against the deadline")
    assert text.index(sureness_sentence(tailmark.summarize(run))) < plots
    assert text.index(f"It stopped: {HOSTILE}.") < plots


def test_the_rounds_to_come_are_foretold(run: tailmark.Run, page: Path) -> None:
    """The prediction's own sentence is there before anyone unfolds it, its numbers after."""
    text = page.read_text(encoding="utf-8").replace("\u00a0", " ")
    ahead = tailmark.predict(run, deadline="1.2ms")
    fold = re.search(r"<details class=\"fold\">(.*?)</details>", text, re.DOTALL)
    assert fold
    summary, _, rest = fold[1].partition("</summary>")
    assert "The rounds to come, at 1.2 ms" in summary
    assert prediction_headline(ahead) in summary
    assert overdispersion_sentence(ahead.overdispersion) in rest
    for e in (ahead.quantiles[0.01], ahead.quantiles[0.05], ahead.worst):
        assert f"{100 * (e.value or 0):.1f} %" in rest


def test_the_forecast_is_drawn_over_the_rounds(run: tailmark.Run, page: Path) -> None:
    """Bins lie side by side and hold every measured round, and all of the forecast but its ends."""
    data = Reader(page.read_text(encoding="utf-8")).report["runs"][0]["data"]
    bins = data["bins"]
    assert [one["high"] for one in bins[:-1]] == [one["low"] for one in bins[1:]]
    assert 0.99 < sum(one["ahead"] for one in bins) <= 1.001
    values = tailmark.predict(run, deadline="1.2ms").trained
    for one in bins:
        inside = [one["low"] <= value < one["high"] for value in values]
        assert one["measured"] == pytest.approx(sum(inside) / len(values), abs=1e-5)
    assert sum(one["measured"] for one in bins) == pytest.approx(1, abs=1e-3)
    assert [one["note"] for one in data["quantiles"]] == ["1 %", "5 %", "50 %"]


def test_rare_latencies_are_told_where_the_run_bears_them(tmp_path: Path) -> None:
    """The sentence at a glance, return levels with their intervals on demand."""
    text = read(tailed(), folder=tmp_path, deadlines=["2ms"]).text.replace("\u00a0", " ")
    assert extremes_headline(tailmark.extremes(tailed())) in text
    assert "Latency exceeded" in text
    assert "Nothing can be foretold: 'run' has no references" in text


def test_what_cannot_be_told_is_refused_in_a_sentence(measured: Measure, tmp_path: Path) -> None:
    """One round foretells nothing, and says nothing of rarer latencies."""
    text = read(measured(rounds=1), folder=tmp_path).text.replace("\u00a0", " ")
    assert "Nothing can be foretold: a prediction needs 2 rounds or more, have 1." in text
    assert "queries tell nothing of rarer latencies: " in text
    assert "Latency exceeded" not in text


def test_a_drift_is_marked_among_the_rounds(run: tailmark.Run, tmp_path: Path) -> None:
    """A rule stands between the rounds before and those after, and none where nothing changed."""
    half = len(run) // 2
    slower = [
        replace(one, completed_ns=one.scheduled_ns + one.latency_ns(None) * (1 + (r >= half)))
        for r, one in enumerate(run.rounds())
    ]
    drifting = read(replace(run, stored=slower), folder=tmp_path).report["runs"][0]
    assert [(c["at"], c["note"]) for c in drifting["data"]["changes"]] == [(half - 0.5, "drift")]
    assert "changes" in json.dumps(drifting["specs"]["rounds"])
    steady = read(run, folder=tmp_path).report["runs"][0]
    assert steady["data"]["changes"] == []
    assert "changes" not in json.dumps(steady["specs"]["rounds"])


def test_unlike_runs_are_not_compared_in_silence(measured: Measure, tmp_path: Path) -> None:
    """Runs with different references are shown, and the page says why it does not compare them."""
    shown = read(measured(), measured(references=False), folder=tmp_path)
    assert "Not compared: 'run' and 'run' differ in what must be alike: labels" in shown.text
    assert "in full" not in shown.text
    values = shown.report["comparison"]["rounds"]
    assert all(first and not second for first, second in values)


def test_failed_queries_are_a_part_of_the_loss(measured: Measure, tmp_path: Path) -> None:
    """Answers that never came have a share of their own, and their cause is told as text."""

    def fails(batch: Any) -> Any:
        if int(batch[0, 1]) % 10 == 1:
            raise ValueError(HOSTILE)
        return batch[:, :1].astype(int) * 0 + 1.0 * (batch[0, 0] == range(10))

    run = measured(answer=fails, quality={"deadlines": ["1.2ms"]})
    shown = read(run, folder=tmp_path)
    frame = shown.report["runs"][0]["frames"][-1]
    assert frame["loss"][-1] == [0.1, "10.0\u00a0%"]
    assert HOSTILE in shown.text
    assert shown.tags.count("script") == 3


@pytest.mark.parametrize("policy", ["drop", "stale", "linear:1ms", "exponential:1ms", "penalty"])
def test_other_late_policies_have_a_page_too(
    measured: Measure, tmp_path: Path, policy: str
) -> None:
    """Quality that is not defined in some round is a gap in the line, never a number."""
    shown = read(measured(), folder=tmp_path, on_late=policy)
    curve = shown.report["runs"][0]["data"]["curve"]
    assert (curve[0]["mean"] is None) == (policy == "drop")
    assert ("if late is wrong, " in shown.text) == (policy in ("linear:1ms", "exponential:1ms"))
    assert ("without the penalty, " in shown.text) == (policy == "penalty")
    assert "Where the answers go" not in shown.text
    assert "Here late answers count as wrong." in shown.text


def test_a_run_graded_with_a_fallback_is_shown_without_it(
    measured: Measure, tmp_path: Path
) -> None:
    """The page has one run, not the other: it says that late answers count as wrong."""
    run = measured(quality={"deadlines": ["1.2ms"], "on_late": "fallback"})
    assert "here late answers count as wrong" in read(run, folder=tmp_path).text


def test_many_rounds_stay_a_small_page() -> None:
    """The grid of deadlines thins out where rounds × deadlines would be many."""
    assert points(100) == points(2_000) == 200
    assert points(4_000) * 4_000 == 400_000
    assert points(1_000_000) == 40


def test_plots_are_written_as_png_and_svg(run: tailmark.Run, tmp_path: Path) -> None:
    """Each plot in each format, the PNG at twice the size."""
    files = write_plots(run, tmp_path / "plots")
    assert sorted(file.name for file in files) == sorted(
        f"{name}.{form}"
        for name in ("quality-deadline", "latency", "rounds", "loss", "forecast")
        for form in ("png", "svg")
    )
    for file in files:
        content = file.read_bytes()
        if file.suffix == ".png":
            assert content.startswith(b"\x89PNG\r\n\x1a\n")
            assert struct.unpack(">I", content[16:20])[0] > 1_400
        else:
            assert content.startswith(b"<svg")


def test_what_cannot_be_written_says_so(run: tailmark.Run, tmp_path: Path) -> None:
    """A folder in the file's place, another format, or no run at all."""
    with pytest.raises(StoreError, match="cannot be written"):
        tailmark.write_report(run, tmp_path)
    with pytest.raises(InputError, match="'pdf' cannot be written: png or svg"):
        write_plots(run, tmp_path, formats=["pdf"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="no run is given"):
        tailmark.write_report([], tmp_path / "report.html")
