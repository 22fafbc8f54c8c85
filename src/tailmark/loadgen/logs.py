"""The door to LoadGen's logs: each of the four files of a test, read as far as it can be.

Logs are old (version 0.5) or new, and in practice cut short, garbled in places and no valid JSON.
Every reader takes them line by line, and says how many lines it could not read (``unread``).
"""

from tailmark.loadgen.accuracy import Accuracy, read_accuracy
from tailmark.loadgen.detail import Detail, Entry, read_detail
from tailmark.loadgen.summary import SCENARIOS, Summary, read_summary, scenario_named
from tailmark.loadgen.trace import Trace, read_trace

__all__ = [
    "ACCURACY",
    "DETAIL",
    "SCENARIOS",
    "SUMMARY",
    "TRACE",
    "Accuracy",
    "Detail",
    "Entry",
    "Summary",
    "Trace",
    "read_accuracy",
    "read_detail",
    "read_summary",
    "read_trace",
    "scenario_named",
]

SUMMARY = "mlperf_log_summary.txt"
DETAIL = "mlperf_log_detail.txt"
ACCURACY = "mlperf_log_accuracy.json"
TRACE = "mlperf_log_trace.json"
"""What the files are called."""
