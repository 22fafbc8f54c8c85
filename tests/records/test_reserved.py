"""Room on the disk is taken before it is written to."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from tailmark.records.reserved import reserved
from tailmark.workload.digits import Digits
from tailmark.workload.prepared import PreparedOnce


def test_the_room_is_there(tmp_path: Path) -> None:
    """Not only as a length, and what is written is read."""
    held = reserved(tmp_path / "a.npy", np.float32, (1000, 1000))
    assert (tmp_path / "a.npy").stat().st_blocks * 512 >= 4_000_000
    held[999] = 7
    assert np.load(tmp_path / "a.npy")[999].tolist() == [7] * 1000
    assert reserved(tmp_path / "b.npy", np.float32, (0, 3)).shape == (0, 3)


def test_without_room_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And inputs are prepared by whoever needs them."""

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        reserved(tmp_path / "a.npy", np.float32, (10,))
    digits = Digits()
    _, workload = PreparedOnce(tmp_path).of(digits, "inference")
    assert workload is digits
    assert list(tmp_path.iterdir()) == []
