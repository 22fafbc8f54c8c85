"""The distribution of how many of n unlike events happen: by halves and FFT, and three other ways.

The peers are the textbook's convolution, one event at a time; Hong's (2013) discrete Fourier
transform of the characteristic function; and, where it is installed, the package fast-poibin.
"""

import importlib.util
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import numpy.typing as npt

from tailmark.stats.poisson_binomial import poisson_binomial

SIZES = {3_578: 9, 50_000: 3}  # events, and turns
TURN_SECONDS = 0.2
GOAL_EVENTS = 50_000
GOAL_SECONDS = 0.1
SAME = 1e-12

Floats = npt.NDArray[np.float64]
Way = Callable[[Floats], Floats]


def convolution(probabilities: Floats) -> Floats:
    """One event at a time, in place; exact but for rounding."""
    events = len(probabilities)
    found, shifted = np.zeros(events + 1), np.zeros(events + 1)
    found[0] = 1.0
    for k, p in enumerate(probabilities, 1):
        np.multiply(found[:k], p, out=shifted[1 : k + 1])
        found[: k + 1] *= 1 - p
        found[1 : k + 1] += shifted[1 : k + 1]
    return found


def fourier(probabilities: Floats) -> Floats:
    """The characteristic function at n + 1 angles, transformed back (half of them: it is real)."""
    events = len(probabilities)
    angle = 2 * np.pi * np.arange((events + 1) // 2 + 1) / (events + 1)
    turned = np.exp(-1j * angle) - 1
    product = np.ones(len(angle), dtype=np.complex128)
    factor = np.empty_like(product)
    for p in probabilities:
        np.multiply(turned, p, out=factor)
        factor += 1
        product *= factor
    return np.fft.irfft(product, events + 1)


def installed() -> dict[str, Way]:
    """The package, compiled before anything is timed; nothing where it is not installed."""
    if importlib.util.find_spec("fast_poibin") is None:
        return {}
    from fast_poibin import PoiBin

    def package(probabilities: Floats) -> Floats:
        return np.asarray(PoiBin(probabilities).pmf)

    for events in SIZES:
        package(np.random.default_rng(1).random(events))
    return {"fast-poibin (Numba, compiled before)": package}


def timed(call: Callable[[], Floats]) -> list[float]:
    """The seconds of each call, of as many as fit into a turn."""
    took: list[float] = []
    while sum(took) < TURN_SECONDS:
        begin = time.perf_counter()
        call()
        took.append(time.perf_counter() - begin)
    return took


def compare(ways: dict[str, Way], events: int, turns: int) -> float:
    """Print the seconds of every way, in turn; those of ours."""
    probabilities = np.random.default_rng(0).beta(9, 1, events)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    off = dict.fromkeys(ways, 0.0)
    exact = convolution(probabilities)
    for _ in range(turns):
        for name, way in ways.items():
            found = way(probabilities)
            off[name] = max(off[name], float(np.abs(found - exact).max()))
            spent[name] += timed(partial(way, probabilities))
    ours, *_ = (median(took) for took in spent.values())
    print(
        f"{events:,} events; medians of all calls in {turns} turns of {TURN_SECONDS} s or one call"
    )
    print(f"{'':<46}{'seconds':>10}{'ratio':>11}{'differs by':>13}")
    for name, took in spent.items():
        least = median(took)
        print(f"{name:<46}{least:>10.4f}{least / ours:>10,.1f}×{off[name]:>13.1e}")
    same = max(off.values()) <= SAME
    print(f"all ways within {SAME:g} of the convolution: {'met' if same else 'NOT met'}\n")
    return ours


def main() -> None:
    """Measure and print."""
    package = installed()
    ways: dict[str, Way] = {
        "tailmark: poisson_binomial": poisson_binomial,
        "convolution, one event at a time": convolution,
        "transform of the characteristic function": fourier,
        **package,
    }
    if not package:
        print("fast-poibin is not installed (pip install fast-poibin), so it is left out\n")
    took = {events: compare(ways, events, turns) for events, turns in SIZES.items()}
    met = "met" if took[GOAL_EVENTS] < GOAL_SECONDS else "NOT met"
    print(f"goal < {GOAL_SECONDS} s at {GOAL_EVENTS:,} events: {met}")


if __name__ == "__main__":
    main()
