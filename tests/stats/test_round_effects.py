"""The model of what a round shares: it finds what is there, and nothing where nothing is.

Simulated figures are held to rules that a sound method fails once in a thousand seeds or less, and
the seeds are fixed.
"""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr, ndtri
from scipy.stats import binom

from tailmark.stats.forecast import Forecast
from tailmark.stats.poisson_binomial import poisson_binomial
from tailmark.stats.round_effects import Groups, RoundEffects, shrunk

Floats = npt.NDArray[np.float64]

CORRECT = 0.8
"""The share of samples that are answered rightly."""


def punctualities(random: np.random.Generator, samples: int) -> Floats:
    """Each sample's probability of being on time, 0.9 on average."""
    found: Floats = random.beta(9, 1, samples)
    return found


def correctness(samples: int) -> Floats:
    """The first samples are answered rightly."""
    right: Floats = (np.arange(samples) < CORRECT * samples).astype(np.float64)
    return right


def measured(random: np.random.Generator, p: Floats, rounds: int, spread: float) -> Floats:
    """Who was on time, under the model; shape (rounds, samples)."""
    shared = spread * random.standard_t(10, (rounds, 1))
    hits: Floats = (random.random((rounds, len(p))) < ndtr(ndtri(p) + shared)).astype(np.float64)
    return hits


def gathered(p: Floats, right: Floats) -> Groups:
    """Every sample once a round."""
    return Groups.gathered(p, right, np.ones(len(p)), float(len(p)))


def fitted(hits: Floats, seed: int = 0) -> RoundEffects:
    """The model, learnt as a prediction learns it."""
    rounds, samples = hits.shape
    right = correctness(samples)
    p = shrunk(hits.sum(axis=0), np.full(samples, float(rounds)))
    return RoundEffects.fit(gathered(p, right), hits @ right / samples, seed=seed)


def truth(p: Floats, spread: float) -> Forecast:
    """A round's quality under the model, were all of it known."""
    law = RoundEffects(
        groups=gathered(p, correctness(len(p))), location=0, spread=spread, draws=np.zeros((1, 2))
    )
    return law.forecast


# Each sample's own probability


def test_shrinking_keeps_what_all_samples_have_in_common() -> None:
    """The grand mean stays, to within half an answer."""
    random = np.random.default_rng(1)
    for rounds in (2, 5, 100):
        hits = random.binomial(rounds, punctualities(random, 300)).astype(np.float64)
        sent = np.full(300, float(rounds))
        assert abs(shrunk(hits, sent).mean() - hits.mean() / rounds) < 1 / hits.size


@given(st.integers(0, 10**6), st.integers(2, 40))
def test_shrinking_draws_towards_the_mean_and_keeps_the_order(seed: int, rounds: int) -> None:
    """No estimate leaves the stretch between a sample's own share and the common one."""
    random = np.random.default_rng(seed)
    hits = random.binomial(rounds, random.beta(9, 1, 30)).astype(np.float64)
    found = shrunk(hits, np.full(30, float(rounds)))
    common = (hits.sum() + 0.5) / (30 * rounds + 1)
    own = hits / rounds
    assert (np.minimum(own, common) - 1e-12 <= found).all()
    assert (found <= np.maximum(own, common) + 1e-12).all()
    order = np.argsort(hits, kind="stable")
    assert (np.diff(found[order]) >= -1e-12).all()
    assert ((found > 0) & (found < 1)).all()


def test_few_rounds_borrow_more_and_many_nothing() -> None:
    """The same shares on time are drawn less towards the mean the more rounds they rest on."""
    shares = np.repeat([0.5, 0.75, 1.0], [10, 20, 70])
    drawn = [
        np.abs(shrunk(shares * rounds, np.full(100, float(rounds))) - shares).mean()
        for rounds in (4, 16, 64, 4096)
    ]
    assert drawn[0] > 2 * drawn[1] > 4 * drawn[2] > 0
    assert drawn[3] < 1e-3


def test_shrunk_probabilities_are_nearer_to_the_truth() -> None:
    """Of five rounds, the mean squared error is less than half of that of bare shares."""
    random = np.random.default_rng(2)
    p = punctualities(random, 2000)
    hits = random.binomial(5, p).astype(np.float64)
    found = shrunk(hits, np.full(2000, 5.0))
    assert ((found - p) ** 2).mean() < 0.5 * ((hits / 5 - p) ** 2).mean()


def test_shrinking_is_the_posterior_of_the_law_that_made_the_samples() -> None:
    """Of 200,000 samples from a beta law the prior is found, and (hits + a) / (sent + a + b)."""
    random, a, b, rounds = np.random.default_rng(11), 1.5, 0.5, 4.0
    hits = random.binomial(4, random.beta(a, b, 200_000)).astype(np.float64)
    found = shrunk(hits, np.full(len(hits), rounds))
    assert found == pytest.approx((hits + a) / (rounds + a + b), abs=0.005)


# The answers of a round


@given(st.integers(0, 10**6), st.integers(1, 800), st.sampled_from(["right", "weighted", "noisy"]))
def test_gathering_keeps_the_mean_and_nearly_the_variance(
    seed: int, samples: int, kind: str
) -> None:
    """However many kinds of answers there are, what is computed with is at most some hundred."""
    random = np.random.default_rng(seed)
    p = random.beta(random.uniform(0.5, 20), 1, samples).clip(1e-6, 1 - 1e-6)
    gain = correctness(samples) if kind == "right" else random.random(samples)
    right = random.random(samples) if kind == "noisy" else np.ones(samples)
    gain = np.ones(samples) if kind == "noisy" else gain
    count = random.integers(1, 4, samples).astype(np.float64)
    groups = Groups.gathered(p, gain, count, float(count.sum()), right)
    assert len(groups.gain) <= 256
    assert groups.count.sum() == pytest.approx(count.sum())
    sure = p * right
    mean = groups.probability * groups.right * groups.gain
    assert groups.count @ mean == pytest.approx((count * sure * gain).sum(), rel=1e-9)
    own = float((count * sure * (1 - sure) * gain**2).sum())
    q = groups.probability * groups.right
    assert groups.count @ (q * (1 - q) * groups.gain**2) == pytest.approx(own, rel=0.05, abs=1e-3)


def test_a_forecast_without_a_shared_effect_is_the_exact_poisson_binomial() -> None:
    """Sixty different probabilities: every chance is that of the product of their polynomials."""
    random = np.random.default_rng(4)
    p = random.uniform(0.2, 0.999, 60)
    law = RoundEffects.independent(gathered(p, correctness(60)), rounds=50)
    exact = poisson_binomial(p[correctness(60) > 0])
    for k, chance in enumerate(exact):
        assert law.forecast.up_to(k / 60) == pytest.approx(exact[: k + 1].sum(), abs=1e-9), chance


def test_the_draws_and_the_forecast_are_of_one_law() -> None:
    """Quantiles, chances and means made for the draws agree with the exact ones, to half a step."""
    p = punctualities(np.random.default_rng(5), 200)
    law = RoundEffects(
        groups=gathered(p, correctness(200)),
        location=0.1,
        spread=0.4,
        draws=np.array([[0.1, 0.4]]),
    )
    for level in (0.01, 0.05, 0.5, 0.95):
        drawn = law.quantiles(np.array([level]))
        assert drawn == pytest.approx(law.forecast.quantile(level), abs=0.75 / 200)
    for target in (0.5, 0.6, 0.7):
        assert law.at_least(target) == pytest.approx(law.forecast.at_least(target), abs=0.02)
    assert law.means == pytest.approx(law.forecast.mean, abs=1e-6)


# Recovery


def test_it_finds_the_spread_and_the_tail_that_made_the_rounds() -> None:
    """100 rounds of 500 samples, spread 0.5: back within 30 %, and its 5 % tail within 6 points.

    The fitted spread's own standard error is 8 % and the tail's 2 points (150 simulations), so the
    limits lie at 3 of them and more; the means over six runs are held to tighter ones.
    """
    random = np.random.default_rng(6)
    p = punctualities(random, 500)
    tail = truth(p, 0.5).quantile(0.05)
    found = [fitted(measured(random, p, 100, 0.5)) for _ in range(6)]
    spreads = np.array([one.spread for one in found])
    tails = np.array([one.forecast.quantile(0.05) for one in found])
    assert np.abs(spreads - 0.5).max() < 0.15
    assert spreads.mean() == pytest.approx(0.5, abs=0.06)
    assert np.abs(tails - tail).max() < 0.06
    assert tails.mean() == pytest.approx(tail, abs=0.02)


def test_independent_rounds_show_hardly_any_effect() -> None:
    """The spread is small, and what is forecast is close to the exact Poisson-binomial."""
    random = np.random.default_rng(7)
    p = punctualities(random, 300)
    exact = truth(p, 0.0)
    for _ in range(5):
        one = fitted(measured(random, p, 100, 0.0))
        assert one.spread < 0.12
        for level in (0.05, 0.5, 0.95):
            assert one.forecast.quantile(level) == pytest.approx(exact.quantile(level), abs=0.011)


def test_the_draws_cover_the_true_tail() -> None:
    """95 % of them held the 5 % quantile in 93 % of 30 runs, unless by bad luck of one in 1,000.

    Qualities come in steps of one answer, so half of one is allowed at either end.
    """
    random = np.random.default_rng(8)
    p = punctualities(random, 100)
    tail, runs, held = truth(p, 0.4).quantile(0.05), 30, 0
    for seed in range(runs):
        drawn = fitted(measured(random, p, 40, 0.4), seed)
        low, high = np.quantile(drawn.quantiles(np.full(len(drawn.draws), 0.05)), [0.025, 0.975])
        held += low - 0.005 <= tail <= high + 0.005
    assert held >= binom.ppf(0.001, runs, 0.93)


def test_the_same_seed_gives_the_same_draws() -> None:
    """And another one others."""
    hits = measured(np.random.default_rng(9), np.full(50, 0.9), 20, 0.3)
    assert (fitted(hits, 1).draws == fitted(hits, 1).draws).all()
    assert (fitted(hits, 1).draws != fitted(hits, 2).draws).any()


def test_more_rounds_are_surer() -> None:
    """The draws of 200 rounds lie closer together than those of 20."""
    random = np.random.default_rng(10)
    p = punctualities(random, 100)
    wide, narrow = (
        np.ptp(np.quantile(fitted(measured(random, p, n, 0.4)).means, [0.025, 0.975]))
        for n in (20, 200)
    )
    assert narrow < 0.6 * wide


# Where there is little to learn from


DEGENERATE = {
    "all on time": np.ones((10, 20)),
    "none on time": np.zeros((10, 20)),
    "one sample": np.array([[0.0], [1.0], [1.0]]),
    "one sample, always": np.ones((4, 1)),
    "two rounds": np.array([[1.0, 0, 1, 1, 1], [0.0, 1, 1, 1, 0]]),
    "two equal rounds": np.array([[1.0, 0, 1, 1, 1]] * 2),
    "all or nothing": np.repeat([[1.0], [0.0]], 10, axis=0).repeat(20, axis=1),
    "one bad round": np.vstack([np.ones((29, 20)), np.zeros((1, 20))]),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_poor_rounds_are_borne(name: str) -> None:
    """No warning, nothing that is no number, all of it from 0 to 1 and in order."""
    one = fitted(DEGENERATE[name])
    count = len(one.draws)
    for numbers in (
        one.means,
        one.quantiles(np.full(count, 0.05)),
        one.quantiles(np.full(count, 1e-4)),
        one.at_least(0.5),
        one.forecast.values,
        one.forecast.chances,
    ):
        assert np.isfinite(numbers).all()
        assert (numbers >= -1e-12).all()
        assert (numbers <= 1 + 1e-9).all()
    low = one.quantiles(np.full(count, 0.05))
    assert (low <= one.quantiles(np.full(count, 0.5)) + 1e-9).all()
    assert one.forecast.chances.sum() == pytest.approx(1)


@pytest.mark.parametrize("gain", [0.0, 0.37, 1.0])
@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_alike_answers_are_borne_whatever_they_are_worth(gain: float, p: float) -> None:
    """Also if they are never right: the forecast is of their worth, by either model."""
    groups = Groups.gathered(np.full(30, p), np.full(30, gain), np.ones(30), 30.0)
    one = RoundEffects.fit(groups, np.full(8, p * gain))
    none = RoundEffects.independent(groups, rounds=8)
    for law in (one, none):
        assert np.isfinite(law.quantiles(np.full(len(law.draws), 0.05))).all()
        assert law.forecast.mean == pytest.approx(p * gain, abs=0.02)
