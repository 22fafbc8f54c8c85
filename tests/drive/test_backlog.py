"""Outputs that wait to be decoded are decoded once each, whoever settles."""

import threading
from typing import Any

import numpy as np

from tailmark.drive.backlog import Backlog
from tailmark.drive.recording import Recording
from tailmark.testing import VirtualClock

ROWS = 400


def test_several_threads_settle_and_each_output_is_decoded_once() -> None:
    """Also where one finds that another came first."""
    recording, seen = Recording(ROWS), []

    def decode(raw: Any, sample: int) -> int:
        seen.append(raw)
        return sample

    order = np.arange(ROWS, dtype=np.int32)
    backlog = Backlog(recording, order, decode, int, 8, VirtualClock().now_ns)
    broken: list[BaseException] = []

    def work(first: int) -> None:
        try:
            for row in range(first, ROWS, 4):
                backlog.append((row, row))
                backlog.settle()
        except BaseException as cause:  # noqa: BLE001 - told by the test
            broken.append(cause)

    workers = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert not broken
    assert sorted(seen) == list(range(ROWS))
    assert list(recording.output_id) == list(range(ROWS))


def test_who_settles_returns_when_what_another_took_is_decoded_too() -> None:
    """So a system that writes into its arrays again does not spoil them."""
    recording = Recording(1)
    begun, go_on = threading.Event(), threading.Event()

    def decode(_raw: Any, sample: int) -> int:
        begun.set()
        assert go_on.wait(10)
        return sample + 7

    backlog = Backlog(recording, np.zeros(1, dtype=np.int32), decode, int, 8, VirtualClock().now_ns)
    backlog.append((0, None))
    first = threading.Thread(target=backlog.settle)
    first.start()
    assert begun.wait(10)
    told: list[int] = []

    def second() -> None:
        backlog.settle()
        told.append(recording.output_id[0])

    other = threading.Thread(target=second)
    other.start()
    go_on.set()
    first.join()
    other.join()
    assert told == [7]
