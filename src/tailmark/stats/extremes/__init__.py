"""Latencies rarer than any seen: peaks over a threshold, and how far they may be followed."""
