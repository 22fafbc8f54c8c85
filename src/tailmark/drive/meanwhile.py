"""Something done again and again beside a block, by a thread of its own."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def meanwhile(look: Callable[[], None], every_s: float, name: str) -> Iterator[None]:
    """Look every so many seconds, until the block ends; no thread is left behind.

    Args:
        look: What is done.
        every_s: The pause before each.
        name: Of the thread.
    """
    over = threading.Event()

    def go_on() -> None:
        while not over.wait(every_s):
            look()

    thread = threading.Thread(target=go_on, name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
