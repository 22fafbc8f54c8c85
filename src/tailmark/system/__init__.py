"""What is measured: systems under test. Each sibling of `base` is one kind."""
