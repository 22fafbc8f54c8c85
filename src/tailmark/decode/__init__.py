"""From a model's raw output to an answer a metric can grade. Each sibling of `base` is one way."""
