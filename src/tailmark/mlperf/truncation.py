"""An accuracy log as it is handed in: hashed whole, then only its two ends.

As `truncate_accuracy_log.py` of mlcommons/inference does it.
"""

import hashlib

from tailmark.mlperf import rules
from tailmark.mlperf.check.accuracy import CUT


def truncated(log: bytes) -> bytes:
    """The first and the last 4,096 bytes, if it has as many."""
    ends = rules.VIEWABLE_BYTES
    if len(log) < ends:
        return log
    return log[:ends] + CUT.encode() + log[-ends:]


def hash_line(log: bytes) -> str:
    """The line of ``accuracy.txt`` that says which log it was."""
    return f"hash={hashlib.sha256(log).hexdigest()}"
