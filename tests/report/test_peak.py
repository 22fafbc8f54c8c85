"""A peak in words and as a plot."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tailmark.analysis.gate import Outcome, Verdict
from tailmark.analysis.peak import Candidate, FindPeak
from tailmark.errors import InputError, StoreError
from tailmark.quality.requirement import parse_requirement
from tailmark.report.peak_plot import peak, write_peak_plot
from tailmark.report.peak_text import headline, print_peak
from tailmark.stats.estimate import Estimate

QUALITY = {"quality": ">= 0.7", "at": "20ms"}
BOTH = {**QUALITY, "latency": "p99 <= 15ms"}


def part(require: dict[str, Any], k: int, value: float, outcome: Outcome) -> Verdict:
    """One part of a requirement, and how it stands."""
    wanted = parse_requirement(require)[k]
    target = 15e6 if k else 0.7
    estimate = Estimate(value=value, low=0.98 * value, high=1.02 * value, confidence=0.995, n=14)
    return Verdict(outcome=outcome, requirement=wanted, target=target, estimate=estimate)


def candidate(
    qps: float, *parts: Verdict, shortened: bool = False, generator_limited: bool = False
) -> Candidate:
    """A rate that was tried."""
    worst = min((one.outcome for one in parts), key=["fail", "undecided", "pass"].index)
    whole = Verdict(
        outcome=worst,
        requirement=parts[0].requirement,
        target=parts[0].target,
        estimate=parts[0].estimate,
        parts=parts if len(parts) > 1 else (),
    )
    return Candidate(
        qps=qps, outcome=worst, verdict=whole, rounds=14, queries=7_000, shortened=shortened,
        generator_limited=generator_limited, run=f"runs/qps-{qps:g}",
    )  # fmt: skip


def found(*candidates: Candidate, require: dict[str, Any] | None = None) -> FindPeak:
    """What a search came to."""
    return FindPeak(
        require=require or QUALITY,
        metric="top1",
        within=0.05,
        capacity_qps=230.0,
        start_qps=230.0,
        candidates=candidates,
        ended="the bracket is within 5 %",
        folder="runs",
    )


def quality(qps: float, value: float, outcome: Outcome, *, shortened: bool = False) -> Candidate:
    """By its quality alone."""
    return candidate(qps, part(QUALITY, 0, value, outcome), shortened=shortened)


SOME = found(
    quality(100, 0.77, "pass"),
    quality(187.3, 0.75, "pass"),
    quality(195, 0.70, "undecided"),
    quality(400, 0.05, "fail", shortened=True),
)


def test_the_headline_is_the_rate_what_it_delivers_and_what_bounds_it() -> None:
    """In one sentence; without a peak, what the lowest rate delivers."""
    assert headline(SOME) == (
        "The peak is 187.3 queries a second: top-1 accuracy at 20ms is 75.0 % (73.5–76.5 %), "
        "required 70.0 % or more; 195 is undecided."
    )
    assert headline(found(quality(50, 0.5, "fail"), quality(100, 0.2, "fail"))) == (
        "No rate tried meets the requirement: at 50 queries a second top-1 accuracy at 20ms is "
        "50.0 % (49.0–51.0 %), required 70.0 % or more."
    )
    free = headline(found(quality(50, 0.8, "pass")))
    assert free.endswith("; nothing that was tried is too much.")


def test_the_terminal_shows_every_rate_and_how_it_ended() -> None:
    """And what the intervals hold, and warnings."""
    out = io.StringIO()
    print_peak(SOME, Console(file=out, width=120))
    text = " ".join(out.getvalue().split())
    assert "187.3/s pass 75.0 % 14 7,000" in text
    assert "400/s fail (short rounds) 5.0 %" in text
    assert (
        "answers about 230 queries a second; searched from 230; the bracket is within 5 %" in text
    )
    assert "intervals are of 99.5 %" in text
    noisy = found(quality(100, 0.6, "fail"), quality(200, 0.8, "pass"))
    out = io.StringIO()
    print_peak(noisy, Console(file=out, width=120))
    assert "warning: 200 passed though 100 did not (fail)" in " ".join(out.getvalue().split())


def test_several_requirements_have_a_column_each_and_the_plot_is_of_the_binding_one() -> None:
    """The part that does not pass at the upper end."""
    low = candidate(100, part(BOTH, 0, 0.77, "pass"), part(BOTH, 1, 9e6, "pass"))
    high = candidate(200, part(BOTH, 0, 0.76, "pass"), part(BOTH, 1, 30e6, "fail"))
    both = found(low, high, require=BOTH)
    out = io.StringIO()
    print_peak(both, Console(file=out, width=160))
    assert "top-1 accuracy at 20ms p99 latency rounds" in " ".join(out.getvalue().split())
    assert "p99 latency is 9 ms (8.82–9.18 ms), required 15 ms or less; 200 fails." in headline(
        both
    )
    drawn = peak(both)
    assert [row["value"] for row in drawn.data["rates"]] == [9.0, 30.0]
    assert drawn.data["required"] == [{"target": 15.0, "note": "required: 15 ms or less"}]
    assert peak(SOME).data["required"][0]["note"] == "required: 70 % or more"


def test_a_peak_that_the_generator_bounds_is_told() -> None:
    """Where the lowest rate that did not pass would have, had queries been issued on time."""
    good = quality(100, 0.8, "pass")
    late = candidate(200, part(QUALITY, 0, 0.6, "fail"), generator_limited=True)
    (warning,) = found(good, late).warnings
    assert warning.startswith("generator-limited: at 200 queries a second the requirement would")
    assert not found(good, quality(150, 0.6, "fail"), late).warnings


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_the_plot_is_a_file(tmp_path: Path, kind: str) -> None:
    """As its name says; a value that is not there leaves its point out."""
    never = Estimate(value=None, reason="too many queries have no answer")
    wanted = parse_requirement(BOTH)[1]
    part = Verdict(outcome="fail", requirement=wanted, target=15e6, estimate=never)
    bare = found(candidate(9, part), require={"latency": "p99 <= 15ms"})
    for one in (SOME, bare):
        file = write_peak_plot(one, tmp_path / "new" / f"peak.{kind}")
        begins = file.read_bytes()[:4]
        assert begins == (b"\x89PNG" if kind == "png" else b"<svg")


def test_a_plot_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """By its name, or where it cannot be written."""
    with pytest.raises(InputError, match=r"'peak.pdf' is no plot: give a file that ends in .svg"):
        write_peak_plot(SOME, "peak.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_peak_plot(SOME, tmp_path / "file" / "peak.svg")


def test_the_document_has_every_candidate_with_its_estimates() -> None:
    """Plain data, with the bracket."""
    document = SOME.to_dict()
    assert document["peak_qps"] == 187.3
    assert document["bracket"] == [187.3, 195]
    assert [one["outcome"] for one in document["candidates"]] == [
        "pass", "pass", "undecided", "fail",
    ]  # fmt: skip
    assert document["candidates"][0]["parts"][0]["estimate"]["value"] == 0.77
    assert document["candidates"][3]["shortened"] is True
