# SPDX-License-Identifier: Apache-2.0
"""Change code at the places of its syntax tree; everything else, comments too, stays as it is."""

from __future__ import annotations

import ast
import warnings
from typing import Any

__all__ = ["Code", "parse"]


def parse(text: str) -> ast.Module | str:
    """Return the syntax tree of a text, or a clause that says why there is none.

    Args:
        text: Code of Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts that are not ours
            return ast.parse(text)
    except SyntaxError as error:
        return f"it is not Python: line {error.lineno or 1}"
    except (RecursionError, MemoryError, ValueError):
        return "it is nested too deeply to be read"


class Code:
    """A text with its changes.

    Args:
        text: Code of Python, its lines ended by a newline.
    """

    def __init__(self, text: str) -> None:
        self._bytes = text.encode()  # columns of a tree count bytes
        self._starts = [0]
        for line in self._bytes.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)
        self._edits: dict[tuple[int, int], bytes] = {}

    def replace(self, node: Any, text: str) -> None:
        """Replace an expression or a statement.

        Args:
            node: Of the tree of this text.
            text: What takes its place.
        """
        self._edits[self._span(node)] = text.encode()

    def remove(self, node: ast.stmt) -> None:
        """Remove a statement, with its line if nothing else is on it.

        Args:
            node: Of the tree of this text.
        """
        start, end = self._span(node)
        self._remove(start, end)

    def remove_decorator(self, node: ast.expr) -> None:
        """Remove a decorator with its ``@``.

        Args:
            node: Of the tree of this text.
        """
        start, end = self._span(node)
        self._remove(self._bytes.rindex(b"@", 0, start), end)

    def _remove(self, start: int, end: int) -> None:
        after = self._bytes[end : self._end_of_line(end)]
        if after.lstrip().startswith(b";"):
            end += after.index(b";") + 1
            after = self._bytes[end : self._end_of_line(end)]
        line = self._bytes.rfind(b"\n", 0, start) + 1
        if not after.strip() and not self._bytes[line:start].strip():
            start, end = line, min(self._end_of_line(end) + 1, len(self._bytes))
        elif after.strip():
            end += len(after) - len(after.lstrip())
        self._edits[start, end] = b""

    def _end_of_line(self, place: int) -> int:
        end = self._bytes.find(b"\n", place)
        return len(self._bytes) if end < 0 else end

    def _span(self, node: Any) -> tuple[int, int]:
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self) -> str:
        """Return the text with its changes; one inside another is left out."""
        parts, place = [], 0
        for (start, end), new in sorted(self._edits.items(), key=lambda each: each[0]):
            if start >= place:
                parts += [self._bytes[place:start], new]
                place = end
        return b"".join([*parts, self._bytes[place:]]).decode()
