"""Hands queries to a system and stamps the clock.

`service` is a workload, a system and a decoder opened together, here or in a process of its own
(`isolated`); `serving` is what a worker does with a batch. Who sends: `closed_loop` waits for
answers, `one_worker` serves a queue in the issuing thread, `pool` by several threads, `responding`
hands over to a system that answers when it likes, `loadgen` has MLPerf's generator send. `driver`
chooses among them; `recording` is a round in the making; `watchdog` notices a call that never
returns.
"""
