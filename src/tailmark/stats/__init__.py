"""Arrays in, estimates out. Knows nothing of runs, models or files."""
