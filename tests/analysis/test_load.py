"""A run's load is said as one would say it."""

from typing import Any

import pytest

from tailmark.analysis.load import load_words

SAID: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "an unknown scenario"),
    "an importer's": ({"scenario": {"kind": "whatever", "tries": 3}}, "whatever, tries 3"),
    "plain": ({"scenario": {"kind": "single-stream", "queries": None}}, "single-stream"),
    "so many": (
        {"scenario": {"kind": "single-stream", "queries": 5000}},
        "single-stream, 5,000 queries",
    ),
    "server": (
        {
            "scenario": {
                "kind": "server",
                "target_qps": 90.0,
                "arrivals": "poisson",
            },
            "system": {"workers": 2, "batch": 8, "batch_wait_ns": 2_000_000, "max_outstanding": 9},
        },
        "server, 90 queries/s, 2 workers, batches of up to 8 within 2 ms, at most 9 outstanding",
    ),
    "even": (
        {"scenario": {"kind": "server", "target_qps": 30, "arrivals": "constant"}},
        "server, 30 queries/s, evenly spaced",
    ),
    "multi-stream": (
        {"scenario": {"kind": "multi-stream", "samples_per_query": 8}},
        "multi-stream, 8 samples a query",
    ),
    "offline": ({"scenario": {"kind": "offline", "samples": 2000}}, "offline, 2,000 samples"),
    "replay": (
        {"scenario": {"kind": "replay", "trace": "a.csv", "scale": 2.0}},
        "replay, a.csv, 2 times its rate",
    ),
    "burst": (
        {
            "scenario": {
                "kind": "burst",
                "base_qps": 5,
                "burst_qps": 50,
                "length": "1s",
                "every": "10s",
            }
        },
        "burst, 5 queries/s and 50 for 1s every 10s",
    ),
    "ramp": (
        {"scenario": {"kind": "ramp", "from_qps": 1, "to_qps": 9, "duration": "60s"}},
        "ramp, 1 to 9 queries/s, for 60s",
    ),
    "loadgen": (
        {"scenario": {"kind": "offline"}, "engine": {"kind": "loadgen"}},
        "offline, sent by LoadGen",
    ),
}


@pytest.mark.parametrize("name", list(SAID))
def test_a_load_in_words(name: str) -> None:
    """Only what was given is said."""
    experiment, said = SAID[name]
    assert load_words(experiment) == said
