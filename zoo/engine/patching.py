# SPDX-License-Identifier: Apache-2.0
"""Replace attributes of other packages for a while, and always restore them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["exchanged", "freeing_managers"]

_ABSENT = object()


@contextmanager
def exchanged(owner: Any, **values: Any) -> Iterator[None]:
    """Set ``values`` as attributes of a class or module; on leaving, restore what was there.

    Works on what ``owner`` itself holds (a `classmethod` stays one), and may be nested.

    Args:
        owner: A class or a module.
        values: Attribute -> its value inside the block.

    Example:
        >>> class Greeter:
        ...     word = "hello"
        >>> with exchanged(Greeter, word="goodbye"):
        ...     Greeter.word
        'goodbye'
        >>> Greeter.word
        'hello'
    """
    before = {name: vars(owner).get(name, _ABSENT) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is _ABSENT:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


@contextmanager
def freeing_managers() -> Iterator[None]:
    """Release the lock of mmengine's named instances if the block fails.

    A constructor that raises inside ``get_instance`` leaves that lock held by its thread, and every
    other thread that builds anything would wait forever.

    Source:
        ``ManagerMixin.get_instance`` of mmengine 0.10.
    """
    try:
        yield
    except BaseException:
        lock: Any = getattr(sys.modules.get("mmengine.utils.manager"), "_lock", None)
        while lock is not None and lock._is_owned():
            lock.release()
        raise
