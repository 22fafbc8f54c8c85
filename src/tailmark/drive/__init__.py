"""Hands queries to a system and stamps the clock.

`service` is a workload, a system and a decoder opened together; `closed_loop` drives one in this
process, `isolated` in a process of its own; `watchdog` notices a call that never returns.
"""
