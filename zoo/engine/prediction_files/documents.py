# SPDX-License-Identifier: Apache-2.0
"""A JSON object written and read row by row: its long lists are never in memory as a whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from zoo.documents import DocumentError, Limits, parse_json, read_lines

__all__ = ["read_object", "write_object"]


def write_object(stream: BinaryIO, values: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Write the bytes that `json.dumps` returns for an object, and a line's end.

    Args:
        stream: An open file.
        values: Key -> value, at least one; an iterator becomes a list, row by row.
        indent: As for `json.dumps`; without it, no space is wasted.
    """
    colon = ":" if indent is None else ": "
    dumps = partial(json.dumps, indent=indent, separators=(",", colon), allow_nan=False)
    breaks = ["" if indent is None else "\n" + " " * indent * depth for depth in range(3)]
    before = "{"
    for key, value in values.items():
        stream.write(f"{before}{breaks[1]}{dumps(key)}{colon}".encode())
        if isinstance(value, Iterator):
            for text in _rows(value, dumps, breaks):
                stream.write(text.encode())
        else:
            stream.write(dumps(value).replace("\n", breaks[1]).encode())
        before = ","
    stream.write(f"{breaks[0]}}}\n".encode())


def read_object(path: Path, key: str, limits: Limits, take: Callable[[Any], None]) -> Any:
    """Return what `write_object` has written with ``indent=2``, but a long list of objects.

    Args:
        path: The file. Of one with other spaces and breaks, the list is returned with the rest.
        key: That of the list; what is returned has an empty one there.
        limits: Those of each row, and of all that is returned.
        take: Called with each row of the list.

    Raises:
        OSError: It cannot be opened.
        DocumentError: It is not JSON, or exceeds a limit.
    """
    begin = f"  {json.dumps(key)}: [\n".encode()
    rest, row, is_row = bytearray(), bytearray(), False
    for line in read_lines(path, limits.size_bytes):
        is_row = is_row and not line.startswith(b"  ]")
        part = row if is_row else rest
        part += line
        if len(part) > limits.size_bytes:
            message = f"it has more than {limits.size_bytes:,} bytes"
            raise DocumentError(message)
        if is_row and line.rstrip(b",\n") == b"    }":
            take(parse_json(bytes(row.rstrip(b",\n")), limits))
            row.clear()
        is_row = is_row or line == begin
    return parse_json(bytes(rest), limits)


def _rows(rows: Iterator[Any], dumps: Callable[[Any], str], breaks: list[str]) -> Iterator[str]:
    before = "["
    for row in rows:
        yield f"{before}{breaks[2]}" + dumps(row).replace("\n", breaks[2])
        before = ","
    yield "[]" if before == "[" else f"{breaks[1]}]"
