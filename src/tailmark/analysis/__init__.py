"""Runs in, findings out. Knows nothing of systems, clocks or how findings are shown."""
