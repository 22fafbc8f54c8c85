"""For tests, ours and those of plug-ins.

A clock that does not wait, systems whose latencies are known, and checks every plug-in passes.
"""

from tailmark.testing.clock import VirtualClock
from tailmark.testing.conformance import (
    check_decoder,
    check_metric,
    check_scenario,
    check_stopping_rule,
    check_system,
    check_workload,
)
from tailmark.testing.systems import FaultySystem, LawfulSystem

__all__ = [
    "FaultySystem",
    "LawfulSystem",
    "VirtualClock",
    "check_decoder",
    "check_metric",
    "check_scenario",
    "check_stopping_rule",
    "check_system",
    "check_workload",
]
