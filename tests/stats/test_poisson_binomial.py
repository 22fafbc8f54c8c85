"""A sum of independent gains has the distribution that its definition gives it."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tailmark.errors import InputError
from tailmark.stats.poisson_binomial import poisson_binomial, sum_of_groups

Floats = npt.NDArray[np.float64]

CHANCES = st.one_of(st.sampled_from([0.0, 1.0, 0.5]), st.floats(0, 1))


def enumerated(probability: list[float], gain: list[float]) -> dict[float, float]:
    """Every way to have the gains or not, its sum and its chance."""
    found: dict[float, float] = {}
    for had in itertools.product([0, 1], repeat=len(probability)):
        total = sum(g for g, h in zip(gain, had, strict=True) if h)
        chance = math.prod(p if h else 1 - p for p, h in zip(probability, had, strict=True))
        found[total] = found.get(total, 0.0) + chance
    return found


def convolved(probability: Floats) -> Floats:
    """One event after another."""
    found = np.ones(1)
    for p in probability:
        found = np.convolve(found, [1 - p, p])
    return found


def moments(values: Floats, chances: Floats) -> tuple[float, float]:
    """Mean and variance."""
    mean = float(values @ chances)
    return mean, float((values - mean) ** 2 @ chances)


# Events


@given(st.lists(CHANCES, max_size=10))
def test_it_is_what_enumeration_says(p: list[float]) -> None:
    """Of up to ten events, every outcome written out."""
    every = enumerated(p, [1.0] * len(p))
    expected = [every.get(float(k), 0.0) for k in range(len(p) + 1)]
    assert poisson_binomial(p) == pytest.approx(expected, abs=1e-14)


@given(st.integers(0, 10**6), st.integers(1, 400))
def test_it_is_one_convolution_after_another(seed: int, events: int) -> None:
    """Also past the size from which it is made by Fourier transforms, and with sure events."""
    random = np.random.default_rng(seed)
    p = np.clip(random.normal(random.random(), random.random(), events), 0, 1)
    assert poisson_binomial(p) == pytest.approx(convolved(p), abs=1e-14)


@pytest.mark.parametrize("events", [1, 31, 32, 33, 64, 65, 3578])
@pytest.mark.parametrize("p", [0.0, 0.001, 0.5, 0.97, 1.0])
def test_equal_events_are_binomial(events: int, p: float) -> None:
    """As scipy has it."""
    expected = binom.pmf(np.arange(events + 1), events, p)
    assert poisson_binomial(np.full(events, p)) == pytest.approx(expected, abs=1e-13)


@given(st.integers(0, 10**6), st.integers(0, 200))
def test_what_does_not_happen_is_the_mirror_image(seed: int, events: int) -> None:
    """Of n, k happen as often as n − k do not."""
    p = np.random.default_rng(seed).random(events)
    assert poisson_binomial(1 - p) == pytest.approx(poisson_binomial(p)[::-1], abs=1e-14)


def test_no_events_are_a_certain_nothing() -> None:
    """The sum over nothing is 0."""
    assert poisson_binomial([]).tolist() == [1.0]


def test_fifty_thousand_events_keep_their_moments() -> None:
    """Mean Σ p and variance Σ p (1 − p), a whole that adds up to 1, nothing below 0."""
    p = np.random.default_rng(1).beta(8, 1, 50_000)
    chances = poisson_binomial(p)
    mean, variance = moments(np.arange(len(chances), dtype=np.float64), chances)
    assert chances.sum() == pytest.approx(1, abs=1e-12)
    assert chances.min() >= 0
    assert mean == pytest.approx(p.sum(), rel=1e-12)
    assert variance == pytest.approx((p * (1 - p)).sum(), rel=1e-9)


@pytest.mark.parametrize("given", [[1.1], [-0.1], [math.nan], [[0.5]], 0.5, ["half"], None])
def test_what_are_no_probabilities_is_refused(given: object) -> None:
    """One sentence says what they are."""
    with pytest.raises(InputError, match=r"numbers from 0 to 1, shape \(events,\)"):
        poisson_binomial(given)  # type: ignore[arg-type]  # that is the point


# Gains


@given(
    st.lists(st.tuples(CHANCES, st.sampled_from([0.0, 1.0]), st.integers(0, 40)), max_size=8),
)
def test_groups_of_events_are_events_repeated(groups: list[tuple[float, float, int]]) -> None:
    """Gains of 1 are the same Poisson-binomial; gains of 0 add nothing."""
    p, gain, count = (
        (np.array(c, dtype=float) for c in zip(*groups, strict=True))
        if groups
        else (np.zeros(0),) * 3
    )
    sums, chances = sum_of_groups(p, gain, count)
    had = gain > 0
    every = poisson_binomial(np.repeat(p[had], count[had].astype(int)))
    expected = {float(k): chance for k, chance in enumerate(every)}
    assert chances.sum() == pytest.approx(1)
    assert chances == pytest.approx([expected[s] for s in sums], abs=1e-12)
    assert every.sum() - sum(expected[s] for s in sums) < 1e-12


@given(
    st.lists(
        st.tuples(st.floats(0.01, 0.99), st.sampled_from([0.25, 0.5, 0.75, 1.0])),
        min_size=1,
        max_size=10,
    )
)
def test_gains_on_the_lattice_are_exact(gains: list[tuple[float, float]]) -> None:
    """Quarters are, whatever the steps: enumeration says the same."""
    p, gain = map(list, zip(*gains, strict=True))
    sums, chances = sum_of_groups(np.array(p), np.array(gain), np.ones(len(p)))
    some = chances > 1e-12
    got = dict(zip(sums[some].tolist(), chances[some].tolist(), strict=True))
    expected = enumerated(p, gain)
    assert set(got) <= set(expected)
    for total, chance in expected.items():
        assert got.get(total, 0.0) == pytest.approx(chance, abs=1e-11)


@given(st.integers(0, 10**6), st.integers(1, 10))
def test_any_gains_are_nearly_what_enumeration_says(seed: int, count: int) -> None:
    """Nowhere does the distribution cross the true one moved by three steps of each gain."""
    random = np.random.default_rng(seed)
    p, gain = random.uniform(0.05, 0.95, count), random.random(count)
    sums, chances = sum_of_groups(p, gain, np.ones(count))
    step = sums[1] - sums[0]
    every = sorted(enumerated(p.tolist(), gain.tolist()).items())
    values = np.array([v for v, _ in every])
    true = np.cumsum([c for _, c in every])
    ours = np.cumsum(chances)
    slack = count * step
    for value in values:
        mine = ours[np.searchsorted(sums, [value - slack, value + slack], side="right") - 1]
        below = true[np.searchsorted(values, value, side="right") - 1]
        assert mine[0] * (sums[0] <= value - slack) <= below + 1e-9
        assert below <= mine[1] + 1e-9


@pytest.mark.parametrize("samples", [1, 20, 500, 5000])
@pytest.mark.parametrize("late", [0.3, 0.05, 1e-3])
def test_weighted_gains_keep_their_moments(samples: int, late: float) -> None:
    """The mean exactly, the variance within the lattice's thousandth (or its finest step)."""
    random = np.random.default_rng([samples, int(1000 * late)])
    levels = random.random(12)
    p = 1 - late * random.random(samples)
    gain = levels[random.integers(12, size=samples)]
    sums, chances = sum_of_groups(p, gain, np.ones(samples))
    mean, variance = moments(sums, chances)
    true = float((p * (1 - p) * gain**2).sum())
    assert mean == pytest.approx((p * gain).sum(), rel=1e-10)
    finest = float(p.sum()) / 256**2 / 4
    assert true * (1 - 1e-6) <= variance <= true + max(0.001 * true, finest)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from([0.3, 1.0]), st.floats(0, 9)), min_size=1)
)
def test_counts_that_are_not_whole_keep_the_mean(groups: list[tuple[float, float, float]]) -> None:
    """2.5 answers a round deliver 2.5 times what one does; and nobody delivers all of three."""
    p, gain, count = (np.array(column) for column in zip(*groups, strict=True))
    sums, chances = sum_of_groups(p, gain, count)
    assert sums @ chances == pytest.approx((p * gain * count).sum(), abs=1e-6)
    assert chances.min() >= 0


def test_nothing_to_gain_is_a_certain_nothing() -> None:
    """Neither of no gains, nor of worthless ones."""
    none = np.zeros(0)
    for parts in ((none, none, none), (np.array([0.5]), np.zeros(1), np.array([3.0]))):
        sums, chances = sum_of_groups(*parts)
        assert (sums.tolist(), chances.tolist()) == ([0.0], [1.0])


def test_what_is_sure_is_sure() -> None:
    """Events that always or never happen leave one outcome."""
    sums, chances = sum_of_groups(np.array([1.0, 0.0]), np.ones(2), np.array([40.0, 7.0]))
    assert dict(zip(sums.tolist(), chances.tolist(), strict=True))[40.0] == pytest.approx(1)
