"""The genuine LoadGen as what sends queries: each of its tests in a process of its own.

LoadGen half applies a second configuration in one process, ends the process when a callback raises,
and waits for ever for a response that never comes. So a test is a fresh process (`process` starts
it, `child` is it), no exception reaches a callback, and whoever does not answer in time is answered
for (`answering`). What LoadGen saw is in its own logs; what we saw is in the `ledger`; `rounds`
joins the two.
"""
