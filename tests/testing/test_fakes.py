"""The fakes do exactly what they are told."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailmark.testing import FaultySystem, LawfulSystem, VirtualClock


@given(st.lists(st.integers(0, 10**12), max_size=10))
def test_a_virtual_clock_moves_as_it_is_told_and_waits_for_nothing(steps: list[int]) -> None:
    """Sleeping is moving on; no moment is zero."""
    clock = VirtualClock()
    start = clock.now_ns()
    assert start > 0
    for i, step in enumerate(steps):
        (clock.sleep_ns if i % 2 else clock.advance)(step)
    assert clock.now_ns() - start == sum(steps)


def test_a_virtual_clock_never_goes_back() -> None:
    """It is monotonic, as the real one is."""
    with pytest.raises(ValueError, match="cannot move by -1 ns"):
        VirtualClock().advance(-1)


def test_a_lawful_system_takes_the_laws_time_and_begins_anew_when_opened() -> None:
    """The same draws each time."""
    clock = VirtualClock()
    system = LawfulSystem(
        clock=clock, law=lambda random: random.uniform(0, 1e6), answer=lambda batch: batch, seed=5
    )
    draws = np.random.default_rng(5).uniform(0, 1e6, size=4)
    for _ in range(2):
        predictor = system.open()
        for draw in draws:
            before = clock.now_ns()
            predictor.predict(np.zeros(1))
            assert clock.now_ns() - before == round(draw)


def test_a_faulty_system_misbehaves_on_the_chosen_calls_only() -> None:
    """It raises an exception and gives anything else."""
    faults: dict[int, Any] = {1: OSError("x"), 2: "odd"}
    predictor = FaultySystem(answer=lambda batch: batch, faults=faults.get).open()
    assert predictor.predict("a") == "a"  # type: ignore[arg-type] # whatever is given
    with pytest.raises(OSError, match="x"):
        predictor.predict("b")  # type: ignore[arg-type]
    assert predictor.predict("c") == "odd"  # type: ignore[arg-type]
    assert predictor.predict("d") == "d"  # type: ignore[arg-type]
