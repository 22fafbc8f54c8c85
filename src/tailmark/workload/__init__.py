"""What is asked: samples with their references. Each sibling of `base` is one kind."""
