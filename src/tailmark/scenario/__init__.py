"""When queries are sent. Each sibling of `base` is one scenario: a pure schedule, no clock."""
