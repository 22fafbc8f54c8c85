"""Systems for the samples of `Digits`, good and bad, in processes of their own."""

import time
from typing import Any

import numpy as np

_asked: list[int] = []


def _sum(batch: Any) -> int:
    return int(np.asarray(batch, dtype=np.float64).sum() * 16)


def plain(batch: Any) -> Any:
    """A label by the image's brightness."""
    scores = np.zeros((len(batch), 10), dtype=np.float32)
    scores[:, _sum(batch) % 10] = 1
    return scores


def shifted(batch: Any) -> Any:
    """The same, one higher."""
    return np.roll(plain(batch), 1, axis=1)


def soon_broken(batch: Any) -> Any:
    """Answers as long as it is only looked at."""
    _asked.append(1)
    if len(_asked) > 362:
        raise RuntimeError("its memory is gone")
    return plain(batch)


def slow_if_odd(batch: Any) -> Any:
    """Some samples take long."""
    if _sum(batch) % 2:
        time.sleep(0.002)
    return plain(batch)


def failing_if_odd(batch: Any) -> Any:
    """Those are not answered here."""
    if _sum(batch) % 2:
        raise ValueError("too hard")
    return plain(batch)
