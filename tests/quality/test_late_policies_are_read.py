"""Late policies as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.errors import InputError
from tailmark.quality.late import Policy, parse_policy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fail", Policy("fail")),
        ("drop", Policy("drop")),
        ("stale", Policy("stale")),
        ("fallback", Policy("fallback")),
        ("penalty", Policy("penalty")),
        ("linear:5ms", Policy("linear", 5_000_000)),
        ("exponential:1.5s", Policy("exponential", 1_500_000_000)),
        (" exponential : 1 ns ", Policy("exponential", 1)),
    ],
)
def test_each_is_read(text: str, expected: Policy) -> None:
    """By its name, with a time where its worth fades."""
    assert parse_policy(text) == expected


@given(
    kind=st.sampled_from(["linear", "exponential"]),
    fade=st.one_of(st.integers(1, 10**14), st.integers(1, 10**6).map(lambda ms: ms * 10**6)),
)
def test_what_is_printed_reads_as_the_same(kind: str, fade: int) -> None:
    """To the nanosecond, in whatever unit suits it."""
    policy = parse_policy(f"{kind}:{fade}ns")
    assert policy.fade_ns == fade
    assert parse_policy(str(policy)) == policy


def test_it_is_printed_as_it_is_written() -> None:
    """In the unit that suits the time."""
    assert [str(parse_policy(text)) for text in ("fail", "linear:5000us", "exponential:90s")] == [
        "fail",
        "linear:5ms",
        "exponential:90s",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "on_late '' is no late policy: fail, drop"),
        ("fial", r"on_late 'fial' is no late policy \(did you mean 'fail'\?\): fail, drop, stale"),
        ("lineer:5ms", r"'lineer:5ms' is no late policy \(did you mean 'linear'\?\)"),
        (":5ms", "on_late ':5ms' is no late policy"),
        (5, "on_late 5 is no late policy"),
        ("linear", "on_late 'linear' does not say how long .*: write linear:5ms"),
        ("exponential: ", "'exponential: ' does not say how long .*: write exponential:5ms"),
        ("fail:5ms", "on_late 'fail:5ms' has a time and 'fail' takes none: write fail"),
        ("penalty:", "on_late 'penalty:' has a time and 'penalty' takes none: write penalty"),
        ("linear:0ms", "'linear:0ms' leaves no time to fade: write linear:5ms, or fail"),
        ("linear:0.4ns", "'linear:0.4ns' leaves no time to fade"),
        ("linear:-5ms", "'-5ms' is below zero: the time of 'linear' is zero or more"),
        ("linear:5", "'5' has no unit: write 5ms or 5s"),
        ("linear:5parsec", "unknown unit 'parsec': use ns, us, ms, s or min"),
        ("linear:soon", "'soon' is not the time of 'linear': write a number with a unit"),
        ("linear:1ms:2ms", "'1ms:2ms' is not the time of 'linear'"),
        ("linear:999999999999s", "too long: the time of 'linear' is less than 292 years"),
        ("linear:" + "9" * 400 + "s", "too long"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(text: str, says: str) -> None:
    """The value, what is allowed, the way out."""
    with pytest.raises(InputError, match=says) as error:
        parse_policy(text)
    assert "\n" not in str(error.value)
