"""How one model file becomes another. Each sibling of `base` is one conversion or rewriting."""
