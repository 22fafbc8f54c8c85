"""Another Python interpreter at work for us, in an environment of its own.

There it has NumPy and its framework, and of tailmark what `boot` finds by path. Values cross as
JSON (`wire`), arrays as bytes in memory that both see (`region`): nothing is pickled, since the two
differ in what Python and NumPy they are.
"""
