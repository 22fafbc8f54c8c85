"""What a forecast says follows from its values and their chances alone."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from tailmark.stats.forecast import Forecast, mixture

Floats = npt.NDArray[np.float64]


@st.composite
def forecasts(draw: st.DrawFn) -> Forecast:
    """A few values in hundredths, some of them without a chance."""
    values = draw(st.sets(st.integers(0, 100), min_size=1, max_size=8))
    parts = draw(st.lists(st.integers(0, 9), min_size=len(values), max_size=len(values)))
    chances = np.array(parts, dtype=float) if any(parts) else np.ones(len(parts))
    return Forecast(np.array(sorted(values)) / 100, chances / chances.sum())


QUALITIES = st.integers(0, 100).map(lambda q: q / 100)
OBSERVED = st.lists(QUALITIES, min_size=1, max_size=12).map(np.array)


def pairs(one: Forecast) -> list[tuple[float, float]]:
    """Each value with its chance."""
    return list(zip(one.values.tolist(), one.chances.tolist(), strict=True))


@given(forecasts(), QUALITIES)
def test_chances_are_sums_of_chances(one: Forecast, q: float) -> None:
    """At most and at least a quality: the chances of the values there, added up."""
    assert one.up_to(q) == pytest.approx(sum(c for v, c in pairs(one) if v <= q))
    assert one.at_least(q) == pytest.approx(sum(c for v, c in pairs(one) if v >= q))
    assert one.up_to(-0.01) == 0
    assert one.at_least(1.01) == 0


@given(forecasts(), st.integers(1, 100))
def test_a_quantile_is_the_first_value_that_holds_the_share(one: Forecast, percent: int) -> None:
    """At or below it lies the share or more, and below it less."""
    share = percent / 100
    found = one.quantile(share)
    assert found in one.values
    assert sum(c for v, c in pairs(one) if v <= found) >= share - 1e-9
    assert sum(c for v, c in pairs(one) if v < found) < share + 1e-9


@given(OBSERVED, st.integers(1, 99))
def test_a_forecast_of_what_was_seen_has_its_quantiles(seen: Floats, percent: int) -> None:
    """As numpy's inverted CDF has them, and its mean and spread."""
    one = Forecast.of(seen)
    expected = np.quantile(seen, percent / 100, method="inverted_cdf")
    slack = np.quantile(seen, max(0, percent / 100 - 1e-12), method="inverted_cdf")
    assert one.quantile(percent / 100) in (expected, slack)
    assert one.mean == pytest.approx(seen.mean())
    assert one.spread == pytest.approx(seen.std(), abs=1e-7)


@given(forecasts(), st.integers(1, 3))
def test_the_worst_of_a_few_rounds_is_the_mean_of_their_minima(one: Forecast, rounds: int) -> None:
    """Every way that up to three rounds can come, with its chance."""
    ways = itertools.product(pairs(one), repeat=rounds)
    expected = sum(min(v for v, _ in way) * math.prod(c for _, c in way) for way in ways)
    assert one.worst_of(rounds) == pytest.approx(expected)


def test_the_worst_of_many_rounds_is_what_simulation_says() -> None:
    """The mean of 20,000 minima of 50 rounds, within 4 of its standard errors."""
    random = np.random.default_rng(3)
    values = np.sort(random.random(200))
    chances = random.dirichlet(np.ones(200))
    worst = random.choice(values, p=chances, size=(20_000, 50)).min(axis=1)
    error = worst.std() / math.sqrt(len(worst))
    assert Forecast(values, chances).worst_of(50) == pytest.approx(worst.mean(), abs=4 * error)


@given(forecasts(), st.integers(1, 10**6))
def test_more_rounds_have_a_worse_worst(one: Forecast, rounds: int) -> None:
    """It falls from the mean towards the least value."""
    assert one.values[0] - 1e-12 <= one.worst_of(rounds + 1) <= one.worst_of(rounds) + 1e-12
    assert one.worst_of(1) == pytest.approx(one.mean)


# Against what came


@given(forecasts(), OBSERVED)
def test_the_score_is_the_integral_of_squared_differences(one: Forecast, came: Floats) -> None:
    """CRPS = mean over what came of ∫ (F(x) − 1[x ≥ y])² dx, on a grid that its steps lie on."""
    edges = np.arange(-100, 201) / 100
    middle = (edges[:-1] + edges[1:]) / 2
    ours = np.array([one.up_to(x) for x in middle])
    expected = np.mean([((ours - (middle >= y)) ** 2).sum() * 0.01 for y in came])
    assert one.distance(came) == pytest.approx(expected, abs=1e-12)


@given(forecasts(), OBSERVED)
def test_the_score_is_how_far_draws_are_less_how_far_apart(one: Forecast, came: Floats) -> None:
    """CRPS = E|X − y| − E|X − X'| / 2 (Gneiting & Raftery 2007), as scoring libraries have it."""
    v, c = one.values, one.chances
    apart = c @ np.abs(v[:, None] - v) @ c
    expected = np.mean([c @ np.abs(v - y) for y in came]) - apart / 2
    assert one.distance(came) == pytest.approx(expected, abs=1e-12)


@given(forecasts(), OBSERVED, st.sampled_from([2.0**-10, 8.0, 2.0**20]))
def test_scores_scale_with_the_values(one: Forecast, came: Floats, factor: float) -> None:
    """CRPS is in the values' unit; the divergence has none."""
    scaled = Forecast(factor * one.values, one.chances)
    assert scaled.distance(factor * came) == pytest.approx(factor * one.distance(came))
    assert scaled.divergence(factor * came) == one.divergence(came)


@given(QUALITIES)
def test_certainty_of_what_came_scores_nothing(q: float) -> None:
    """And the divergence is 0 too."""
    sure = Forecast.of(np.array([q]))
    assert sure.distance(np.array([q, q])) == 0
    assert sure.divergence(np.array([q, q])) == 0


def test_the_best_forecast_is_the_truth() -> None:
    """The score is proper: of forecasts moved or stretched, none beats the law that came."""
    random = np.random.default_rng(5)
    came = random.normal(0.7, 0.02, 5000)
    truth = Forecast.of(random.normal(0.7, 0.02, 5000)).distance(came)
    for centre, spread in ((0.71, 0.02), (0.69, 0.02), (0.7, 0.01), (0.7, 0.04)):
        assert truth < Forecast.of(random.normal(centre, spread, 5000)).distance(came)


@given(forecasts(), OBSERVED)
def test_the_divergence_is_from_nothing_to_one(one: Forecast, came: Floats) -> None:
    """In bits; of what came from itself it is 0."""
    assert -1e-12 <= one.divergence(came) <= 1 + 1e-12
    assert Forecast.of(came).divergence(came) == pytest.approx(0, abs=1e-12)


def test_what_shares_nothing_is_one_bit_away() -> None:
    """Values apart by more than a bin."""
    assert Forecast.of(np.array([0.1, 0.2])).divergence(np.array([0.8, 0.9])) == pytest.approx(1)


@given(st.lists(st.integers(0, 19), min_size=1), st.lists(st.integers(0, 19), min_size=1))
def test_the_divergence_is_scipy_s(ours: list[int], came: list[int]) -> None:
    """Squared, to base 2, of the shares of 20 bins, where both reach over all of them."""
    ours, came = [*ours, 0, 19], [*came, 0, 19]
    one = Forecast.of(np.array(ours, dtype=float))
    shares = [np.bincount(x, minlength=20) / len(x) for x in (ours, came)]
    expected = jensenshannon(*shares, base=2) ** 2
    assert one.divergence(np.array(came, dtype=float)) == pytest.approx(expected, abs=1e-9)


# Mixtures


@given(st.lists(st.tuples(forecasts(), st.integers(1, 5)), min_size=1, max_size=4), QUALITIES)
def test_a_mixture_has_the_mean_chances(parts: list[tuple[Forecast, int]], q: float) -> None:
    """P(quality ≤ q) is the weighted mean of the parts'."""
    weights = np.array([w for _, w in parts], dtype=float)
    weights /= weights.sum()
    one = mixture([part for part, _ in parts], weights)
    assert (np.diff(one.values) > 0).all()
    assert one.chances.sum() == pytest.approx(1)
    expected = sum(w * part.up_to(q) for w, (part, _) in zip(weights, parts, strict=True))
    assert one.up_to(q) == pytest.approx(expected)
