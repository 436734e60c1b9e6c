# SPDX-License-Identifier: Apache-2.0
"""Compute how large the values of a pickle are once everything shared in them is written out.

Forty nested tuples, each containing the previous one twice, take 200 bytes; hashing or printing
them takes years and cannot be interrupted. So the opcodes are read first, without building
anything. Neither torch nor fickling, which finds code in pickles, checks sizes.
"""

from __future__ import annotations

import pickletools
from contextlib import suppress
from typing import Any, BinaryIO

__all__ = ["check_sizes"]

_MOST_VALUES = 10_000_000
_MARK: list[Any] = []
_LEAF: list[Any] = []  # any value without contents
_CONTAINERS = frozenset({"EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "EMPTY_TUPLE"})
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_FILLS = frozenset({"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"})


def check_sizes(stream: BinaryIO) -> None:
    """Raise if a pickle has far more values than opcodes, or a value that contains itself.

    Args:
        stream: At the beginning of a pickle; it is read to that pickle's end.

    Raises:
        ValueError: There are too many values, or one contains itself.
    """
    nodes: list[list[Any]] = []
    with suppress(ValueError, LookupError, TypeError, OverflowError, MemoryError):
        _read_graph(stream, nodes)  # a damaged pickle runs as far as it can be read
    _check_graph(nodes)


def _read_graph(stream: BinaryIO, nodes: list[list[Any]]) -> None:
    """Add a list for each container, with the values that it contains."""
    stack: list[list[Any]] = []
    memo: dict[int, list[Any]] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name == "MARK":
            stack.append(_MARK)
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in _PUTS:
            memo[int(str(argument))] = stack[-1]
        elif name in _GETS:
            stack.append(memo[int(str(argument))])
        elif name in _FILLS:
            held = _popped(stack, opcode.stack_before[1:])
            stack[-1].extend(held)
        elif opcode.stack_before or name in _CONTAINERS:
            held = _popped(stack, opcode.stack_before)
            for _ in opcode.stack_after:
                stack.append(held)
            nodes.append(held)
        else:
            stack += [_LEAF] * len(opcode.stack_after)


def _popped(stack: list[list[Any]], kinds: list[Any]) -> list[Any]:
    """Take the arguments of an opcode from the stack, down to the mark if it takes that many."""
    if pickletools.markobject in kinds:
        start = len(stack) - 1
        while stack[start] is not _MARK:
            start -= 1
    else:
        start = len(stack) - len(kinds)
    if start < 0:
        raise LookupError
    taken = stack[start:]
    del stack[start:]
    return [one for one in taken if one is not _MARK]


def _check_graph(nodes: list[list[Any]]) -> None:
    most = _MOST_VALUES + len(nodes)
    sizes = {id(_LEAF): 1}
    begun: set[int] = set()
    for root in nodes:
        todo = [root]
        while todo:
            node = todo[-1]
            if id(node) in sizes:
                todo.pop()
                continue
            uncounted = [one for one in node if id(one) not in sizes]
            if uncounted and id(node) in begun:
                message = "one of its values contains itself"
                raise ValueError(message)
            begun.add(id(node))
            todo += uncounted
            if not uncounted:
                sizes[id(node)] = 1 + sum(sizes[id(one)] for one in node)
                if sizes[id(node)] > most:
                    message = f"its values are more than {most:,} when written out"
                    raise ValueError(message)
