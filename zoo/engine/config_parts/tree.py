# SPDX-License-Identifier: Apache-2.0
"""Walk a config: every dict in it, with its dotted key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["iterate_dicts", "join_key"]


def join_key(parent: str, child: object) -> str:
    """Return ``parent.child``, or the child alone at the top.

    Args:
        parent: A dotted key, or ``""`` at the top.
        child: A key of a dict, or an index of a list.

    Example:
        >>> join_key(join_key("", "model"), 0)
        'model.0'
    """
    return f"{parent}.{child}" if parent else str(child)


def iterate_dicts(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(dotted key, dict)`` for a dict and every dict inside it, parents first.

    The dotted keys are those of ``--cfg-options``: an element of a list is its index.

    Args:
        node: A dict, list, tuple or leaf; dicts may be changed while walking.
        key: The dotted key of ``node`` itself.
    """
    if isinstance(node, dict):
        yield key, node
        for name, value in list(node.items()):
            yield from iterate_dicts(value, join_key(key, name))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from iterate_dicts(value, join_key(key, index))
