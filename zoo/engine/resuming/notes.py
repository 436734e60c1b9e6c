# SPDX-License-Identifier: Apache-2.0
"""What a signal's handler has to say, said by a thread: a handler must not write itself.

It may have interrupted a write of the same thread. Python refuses a second one into the same
stream, and logging prints that refusal with its traceback.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

__all__ = ["speaking"]

_MOST_S = 5.0  # a terminal that takes no text, such as one that Ctrl-S has stopped


@contextmanager
def speaking(note: Callable[[str], None]) -> Iterator[Callable[[str], None]]:
    """Yield a function for handlers that lets another thread pass a text on, soon and in order.

    At the end of the block, all texts have been passed on.

    Args:
        note: Receives the texts; it may log or print.
    """
    texts: SimpleQueue[str | None] = SimpleQueue()  # `put` may interrupt another `put`

    def speak() -> None:
        while (text := texts.get()) is not None:
            note(text)

    # A daemon, so that a note which cannot be written keeps no process alive.
    thread = threading.Thread(target=speak, name="zoo notes", daemon=True)
    thread.start()
    try:
        yield texts.put
    finally:
        texts.put(None)
        thread.join(_MOST_S)
