"""For tests, ours and those of plug-ins.

A clock that does not wait, systems whose latencies are known, and checks every plug-in passes.
"""

from tailmark.testing.clock import VirtualClock
from tailmark.testing.conformance import (
    check_batches,
    check_conversion,
    check_decoder,
    check_metric,
    check_responder,
    check_scenario,
    check_stopping_rule,
    check_system,
    check_workload,
)
from tailmark.testing.systems import FaultySystem, LawfulSystem, RespondingSystem

__all__ = [
    "FaultySystem",
    "LawfulSystem",
    "RespondingSystem",
    "VirtualClock",
    "check_batches",
    "check_conversion",
    "check_decoder",
    "check_metric",
    "check_responder",
    "check_scenario",
    "check_stopping_rule",
    "check_system",
    "check_workload",
]
