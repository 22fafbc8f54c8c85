"""MLPerf submissions: packaged, checked, and held against the compliance tests."""
