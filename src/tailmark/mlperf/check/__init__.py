"""A submission's directory held against MLPerf's rules: one file a family of rules."""
