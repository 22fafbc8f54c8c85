"""Times as people write them and nanoseconds say the same thing."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.errors import InputError
from tailmark.units import Percentile, format_duration, parse_deadline, parse_duration

UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}


@given(st.integers(0, 10**12), st.sampled_from(list(UNITS)), st.sampled_from(["", " "]))
def test_a_whole_number_of_any_unit_is_read_exactly(number: int, unit: str, space: str) -> None:
    """An integer and a unit mean their product."""
    number //= UNITS[unit]  # a float64 holds each exactly
    assert parse_duration(f"{number}{space}{unit}") == number * UNITS[unit]
    assert parse_deadline(f" {number}{space}{unit.upper()} ") == number * UNITS[unit]


@given(st.floats(0, 1e13, allow_subnormal=False))
def test_what_is_printed_reads_back_to_three_digits(ns: float) -> None:
    """Printing keeps three significant digits, and what is printed can be typed in again."""
    again = parse_duration(format_duration(ns))
    assert again == pytest.approx(ns, rel=0.0051, abs=0.51)


@given(st.integers(0, 10**13), st.integers(0, 10**13))
def test_printing_keeps_the_order(a: int, b: int) -> None:
    """A longer time never prints as a shorter one."""
    small, large = sorted((a, b))
    assert parse_duration(format_duration(small)) <= parse_duration(format_duration(large))


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"),
        (12, "12 ns"),
        (999.6, "1 µs"),
        (5_062_000, "5.06 ms"),
        (20_000_000, "20 ms"),
        (1e9, "1 s"),
        (90e9, "90 s"),
        (math.inf, "never"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_a_time_prints_with_the_unit_that_suits_it(ns: float | None, text: str) -> None:
    """Three digits, no trailing zeros, and words where there is no number."""
    assert format_duration(ns) == text


def test_both_micro_signs_mean_microseconds() -> None:
    """Keyboards type U+00B5, Unicode prefers U+03BC; both are µ."""
    assert parse_duration("5\u00b5s") == parse_duration("5\u03bcs") == 5_000


@given(st.integers(0, 9999))
def test_a_percentile_prints_as_it_was_written(hundredths: int) -> None:
    """``p99.9`` is read as 99.9 and printed as ``p99.9``."""
    written = Percentile(hundredths / 100)
    assert parse_deadline(str(written)) == written
    assert parse_deadline(written) is written


def test_an_integer_deadline_is_nanoseconds() -> None:
    """Numbers from code are nanoseconds already."""
    assert parse_deadline(5_000_000) == 5_000_000


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("5", "has no unit: write 5ms"),
        ("-5ms", "is below zero"),
        ("5 parsecs", "unknown unit 'parsecs': use ns, us, ms, s or min"),
        ("soon", "write a number with a unit"),
        ("", "write a number with a unit"),
        ("5ms 3", "write a number with a unit"),
        ("nanms", "write a number with a unit"),
        ("9999999999s", "is too long: a deadline"),
        ("9" * 400 + "ms", "is less than 292 years"),
        ("p100", "is not a percentile"),
        ("p-x", "is not a percentile"),
        ("p", "is not a percentile"),
        ("p-1", "is not a percentile"),
    ],
)
def test_a_deadline_that_cannot_be_read_says_what_can(text: str, says: str) -> None:
    """The error shows the text and what would be right."""
    with pytest.raises(InputError) as caught:
        parse_deadline(text)
    assert repr(text) in str(caught.value)
    assert says in str(caught.value)


def test_a_number_below_zero_is_no_deadline() -> None:
    """Nor is one from code."""
    with pytest.raises(InputError, match="-1 ns is below zero"):
        parse_deadline(-1)


def test_a_number_beyond_the_largest_is_no_deadline() -> None:
    """What an int64 cannot hold is refused, and what it can is taken."""
    with pytest.raises(InputError, match=r"9223372036854775808 ns is too long: .*292 years"):
        parse_deadline(2**63)
    assert parse_deadline(2**63 - 1) == 2**63 - 1


def test_a_bare_number_is_no_duration() -> None:
    """YAML gives numbers, and a number alone has no unit."""
    with pytest.raises(InputError, match="5 has no unit: write 5ms or 5s"):
        parse_duration(5)
