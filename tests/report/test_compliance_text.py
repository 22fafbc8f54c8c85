"""What checks of compliance found, as people read it."""

import io
from typing import Any

from rich.console import Console

from tailmark.analysis.agreement import Agreement, Differing
from tailmark.analysis.caching import Caching
from tailmark.analysis.compliance import Check, Compliance, Condition, of_answers, of_times
from tailmark.report.compliance_text import headline, print_compliance
from tailmark.stats.estimate import Estimate


def agreeing(**changes: Any) -> Agreement:
    """Of ten samples, all alike."""
    held: dict[str, Any] = {
        "samples": 10,
        "compared": 10,
        "passes": 50,
        "answers": 50,
        "openings": (2, 1),
        "unanswered": 0,
        "differ": 0,
        "whole_differ": 0,
        "restless": 0,
        "whole_restless": 0,
        "p_value": 1.0,
        "cause": None,
        "rounds_to_decide": None,
        "found": (),
    }
    return Agreement(**{**held, **changes})


def condition(name: str, quality: float, **changes: Any) -> Condition:
    """Beside passes with a quality of 80 %."""
    return Condition(
        name=name,
        run=name,
        agreement=agreeing(**changes),
        quality=Estimate(value=quality),
        accuracy=Estimate(value=0.8),
    )


def differing(count: int) -> tuple[Differing, ...]:
    """So many samples, all of them 3 alone and 5 there."""
    return tuple(
        Differing(
            index=i, id=f"cat{i}.png", accuracy=(("3", 5),), given=(("5", 5),), restless=False
        )
        for i in range(count)
    )


CAUGHT = of_answers(
    "batch",
    "did",
    "make answers independent",
    [
        condition("batches of 2", 0.8),
        condition(
            "batches of 3", 0.7, differ=7, cause="conditions", p_value=1e-4, found=differing(7)
        ),
        condition("batches of 4", 0.796, differ=6, cause="conditions", p_value=1e-3),
    ],
)
CACHING = Caching(
    ratio=Estimate(value=0.97, low=0.95, high=0.99, n=20),
    first_ns=4e6,
    again_ns=3.9e6,
    samples=480,
    repeats=1440,
    workload=500,
    samples_to_decide=None,
)


def text(*checks: Check, metric: str | None = "top1", width: int = 100) -> str:
    """As it is printed, with the lines joined again."""
    console = Console(file=io.StringIO(), width=width, highlight=False)
    print_compliance(
        Compliance(system={}, checks=checks, metric=metric, warnings=("mind this",)), console
    )
    printed = console.file
    assert isinstance(printed, io.StringIO)
    return " ".join(printed.getvalue().split())


def test_the_headline_counts_and_names() -> None:
    """What passes, and what does not."""
    passing = of_times("did", CACHING)
    found = Compliance(system={}, checks=(passing, CAUGHT), metric=None)
    assert headline(found) == "FAIL – 1 of 2 checks pass; fail: batch."
    alone = Compliance(system={}, checks=(passing,), metric=None)
    assert headline(alone) == "PASS – 1 of 1 checks pass."


def test_samples_that_differ_are_named_with_their_answers() -> None:
    """The first five, under the condition where most differ; and what to do."""
    said = text(CAUGHT)
    assert "7 of 10 samples differ because of batches of 3 (p = 0.0001)" in said
    assert "others differ because of batches of 4" in said
    assert "quality 80.00 % and 70.00 %, beyond MLPerf's 1 %" in said
    assert "sample cat0.png 3 ×5 alone, 5 ×5 there" in said
    assert "cat4.png" in said
    assert "cat5.png" not in said
    assert "and 2 more" in said
    assert "→ make answers independent" in said
    assert "warning: mind this" in said


def test_every_condition_has_a_row() -> None:
    """With its counts, and the quality where there is one."""
    said = text(CAUGHT)
    assert "batch: batches of 2 pass 10 50 0 0 0 80.00 %" in said
    assert "batch: batches of 3 fail 10 50 7 0 0 70.00 %" in said
    assert "80.00 %" not in text(
        of_answers("load", "did", "mend", [condition("load", 0.8)]), metric=None
    )


def test_times_have_a_ratio() -> None:
    """And an interval, and the limit."""
    said = text(of_times("did", CACHING))
    assert "test04 pass 480 4 ms 3.9 ms 0.970 (0.950–0.990)" in said
    assert "may take 0.909 or more (10 % faster)" in said


def test_chance_is_said_once_for_all_conditions() -> None:
    """The accuracy passes are the same for all of them."""
    both = [
        condition(name, 0.8, differ=2, restless=4, cause="chance", p_value=0.5)
        for name in ("batches of 2", "batches of 3")
    ]
    said = text(of_answers("batch", "did", "mend", both))
    assert said.count("the accuracy passes disagree on 4 samples among themselves") == 1
    assert "make the system repeatable" in said


def test_what_is_undecided_says_what_would_decide() -> None:
    """More rounds, or measuring what could not be measured."""
    unsure = condition(
        "performance run", 0.8, differ=1, cause="unknown", p_value=0.2, rounds_to_decide=40
    )
    assert "about 40 rounds would tell: --rounds 40" in text(of_answers("test01", "", "", [unsure]))
    refused = of_answers("batch", "", "", [], ["batches of 2 cannot be measured: it raised"])
    assert refused.outcome == "undecided"
    said = text(refused)
    assert "batches of 2 cannot be measured: it raised" in said
    assert "leave batch out by --only" in said


def test_nothing_compared_is_no_pass() -> None:
    """Where no sample was answered, nothing is known."""
    nothing = of_answers("test01", "", "", [condition("performance run", 0.0, compared=0)])
    assert nothing.outcome == "undecided"
    assert "nothing to compare" in nothing.says
