"""LoadGen's own log formats: read and written, whoever made them. Knows nothing of runs."""
