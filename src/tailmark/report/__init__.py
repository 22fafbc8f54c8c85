"""Shows findings: as text, as one HTML page, as plots. Computes nothing."""
