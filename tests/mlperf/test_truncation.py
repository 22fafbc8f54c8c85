"""An accuracy log is cut as the official tool cuts it."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from tailmark.mlperf import rules
from tailmark.mlperf.truncation import hash_line, truncated


@given(size=st.integers(0, 30_000), seed=st.integers(0, 255))
def test_both_ends_stay(size: int, seed: int) -> None:
    """A short log is as it was; of a long one 4,096 bytes at each end, and a mark between."""
    log = bytes((seed + k * k) % 251 for k in range(size))
    cut = truncated(log)
    assert len(cut) <= rules.ACCURACY_LOG_BYTES
    if size < 4096:
        assert cut == log
    else:
        assert cut == log[:4096] + b"\n\n...\n\n" + log[size - 4096 :]
    assert hash_line(log) == f"hash={hashlib.sha256(log).hexdigest()}"
