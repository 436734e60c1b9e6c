# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.documents, by tools/runtime_copies.py.
"""Read TOML and JSON from untrusted sources, within limits.

The reader opens only regular files and reads no more than the size limit. It refuses integers
beyond the limit, NUL characters, duplicate keys in a table, and nesting beyond the limit. Numbers
are finite unless the caller accepts others.

A problem raises `DocumentError`, or ``OSError`` if the file cannot be opened. Callers convert both
to an error that names their file.
"""

from __future__ import annotations

import math
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any, BinaryIO

__all__ = [
    "DocumentError",
    "Limits",
    "kind_of",
    "parse_json",
    "parse_toml",
    "read_file",
    "read_json",
    "read_lines",
    "read_text",
    "read_toml",
    "reason_of",
]

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class DocumentError(ValueError):
    """A document breaks a rule; the message is a clause such as ``it is not JSON: ...``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a document.

    Attributes:
        size_bytes: Size of the file.
        values: Number of tables, lists, numbers and texts, estimated before parsing.
        depth: Nesting of tables and lists.
        is_finite: Whether infinity and NaN are refused.
        bits: Size of an integer, including its sign.
    """

    size_bytes: int = 2**20
    values: int = 200_000
    depth: int = 32
    is_finite: bool = True
    bits: int = 64


def reason_of(error: Exception) -> str:
    """Return the message of a read error, as a clause without a full stop.

    Args:
        error: An ``OSError`` or a `DocumentError`.
    """
    reason = error.strerror if isinstance(error, OSError) else None
    return (reason or str(error)).rstrip(".")


def read_file(path: str | os.PathLike[str], most_bytes: int) -> bytes:
    """Return the bytes of a regular file; refuse anything else before opening it.

    Args:
        path: The file; links are followed.
        most_bytes: Largest allowed size.

    Raises:
        OSError: The file does not exist or cannot be opened.
        DocumentError: It is not a regular file, or is too large.
    """
    with _opened(path, most_bytes) as stream:
        # Read a file that grows in the meantime only up to the limit.
        size = os.fstat(stream.fileno()).st_size
        data = stream.read(min(most_bytes, max(size, 2**20)) + 1)
    if len(data) > most_bytes:
        raise _too_large(len(data), most_bytes)
    return data


def read_lines(path: str | os.PathLike[str], most_bytes: int) -> Iterator[bytes]:
    """Yield the lines of a regular file of any size, each with its end; one is in memory at a time.

    Args:
        path: The file; links are followed.
        most_bytes: Largest allowed size of a line.

    Raises:
        OSError: The file does not exist or cannot be opened.
        DocumentError: It is not a regular file, or has a line that is too large.
    """
    with _opened(path, sys.maxsize) as stream:
        while line := stream.readline(most_bytes + 1):
            if len(line) > most_bytes:
                message = f"it has a line of more than {most_bytes:,} bytes"
                raise DocumentError(message)
            yield line


@contextmanager
def _opened(path: str | os.PathLike[str], most_bytes: int) -> Iterator[BinaryIO]:
    _check_status(_status_of(path), most_bytes)
    # Do not wait for a pipe that has replaced the file in the meantime.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0))
    with open(descriptor, "rb") as stream:
        _check_status(os.fstat(descriptor), most_bytes)
        yield stream


def _status_of(path: str | os.PathLike[str]) -> os.stat_result:
    try:
        return os.stat(path)
    except ValueError as error:
        message = "its name is not a valid file name"
        raise DocumentError(message) from error


def kind_of(path: str | os.PathLike[str]) -> str | None:
    """Return what is at a path instead of a regular file, such as ``a named pipe``, or None.

    Args:
        path: The file, which may not be there; links are followed.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return None
    return None if stat.S_ISREG(mode) else _kind_of_mode(mode)


def _kind_of_mode(mode: int) -> str:
    return next((name for fits, name in _KINDS if fits(mode)), "something else")


def _check_status(status: os.stat_result, most_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        message = f"it is {_kind_of_mode(status.st_mode)}, expected a regular file"
        raise DocumentError(message)
    if status.st_size > most_bytes:
        raise _too_large(status.st_size, most_bytes)


def _too_large(found: int, most: int) -> DocumentError:
    return DocumentError(f"it has {found:,} bytes, expected at most {most:,}")


def read_text(data: bytes) -> str:
    """Return UTF-8 as text, without the byte order mark that some editors write.

    Args:
        data: The whole file.

    Raises:
        DocumentError: It is not UTF-8, or contains a NUL.
    """
    if data[:2] in _UTF16:
        message = "it is UTF-16 text, expected UTF-8"
        raise DocumentError(message)
    if b"\0" in data:
        message = f"it holds a NUL at byte {data.index(0)}, expected UTF-8 text"
        raise DocumentError(message)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"it is not UTF-8 text: byte {error.start} is 0x{data[error.start]:02x}"
        raise DocumentError(message) from error


def read_toml(path: str | os.PathLike[str], limits: Limits) -> dict[str, Any]:
    """Return the TOML in a file; raises as `read_file` and `parse_toml` do.

    Args:
        path: A regular file.
        limits: Limits of the document.
    """
    return parse_toml(read_file(path, limits.size_bytes), limits)


def read_json(path: str | os.PathLike[str], limits: Limits) -> Any:
    """Return the JSON in a file; raises as `read_file` and `parse_json` do.

    Args:
        path: A regular file.
        limits: Limits of the document.
    """
    return parse_json(read_file(path, limits.size_bytes), limits)


def parse_toml(data: bytes, limits: Limits) -> dict[str, Any]:
    """Return the content of a TOML document.

    Args:
        data: The whole document, UTF-8.
        limits: Limits of the document.

    Raises:
        DocumentError: It is not valid, or exceeds a limit.
    """
    import tomllib

    text = _sized_text(data, limits)
    _check_dotted_keys(text, limits)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = f"it is not valid TOML: {error}"
        raise DocumentError(message) from error
    except RecursionError as error:
        raise _too_deep(limits) from error
    except (ValueError, OverflowError) as error:  # a number with too many digits
        raise _no_integer(limits) from error
    _check_values(values, limits)
    return values


def parse_json(data: bytes, limits: Limits) -> Any:
    """Return the content of a JSON document.

    Args:
        data: The whole document, UTF-8.
        limits: Limits of the document.

    Raises:
        DocumentError: It is not valid, or exceeds a limit.
    """
    import json  # here: a listing without --legacy does not need it

    text = _sized_text(data, limits)
    try:
        values = json.loads(text, object_pairs_hook=_table)
    except json.JSONDecodeError as error:
        message = f"it is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        raise DocumentError(message) from error
    except RecursionError as error:
        raise _too_deep(limits) from error
    except DocumentError:
        raise
    except ValueError as error:  # an integer with too many digits
        raise _no_integer(limits) from error
    _check_values(values, limits)
    return values


def _sized_text(data: bytes, limits: Limits) -> str:
    if len(data) > limits.size_bytes:
        raise _too_large(len(data), limits.size_bytes)
    # An upper bound (texts may contain these bytes too) that is much faster than parsing.
    values = data.count(b",") + data.count(b"[") + data.count(b"{") + data.count(b"=")
    if values > limits.values:
        message = f"it holds about {values:,} values, expected at most {limits.values:,}"
        raise DocumentError(message)
    return read_text(data)


def _check_dotted_keys(text: str, limits: Limits) -> None:
    """Refuse a key with very many parts: ``tomllib`` needs time quadratic in their number."""
    if not any(line.count(".") >= limits.depth for line in text.splitlines()):
        return  # a key is in one line; the search below takes as long as parsing does
    import re

    part = r"""(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
    # Match only where a key can start: matching from every quote in a text would be quadratic too.
    many = rf"(?:\A|(?<=[\s\[{{,])){part}(?:[ \t]*+\.[ \t]*+{part}){{{limits.depth}}}"
    if re.search(many, text):
        raise _too_deep(limits)


def _table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        message = f"it has the key {twice!r:.80} twice in the same table"
        raise DocumentError(message)
    return table


def _too_deep(limits: Limits) -> DocumentError:
    return DocumentError(f"it is nested too deeply, expected at most {limits.depth} levels")


def _no_integer(limits: Limits) -> DocumentError:
    return DocumentError(f"it holds an integer beyond {limits.bits} bits")


def _check_values(values: Any, limits: Limits) -> None:
    level: list[Any] = [[values]]
    for _ in range(limits.depth + 1):
        below: list[Any] = []
        for node in level:
            is_table = isinstance(node, dict)
            for part in chain(node, node.values()) if is_table else node:
                if type(part) in (dict, list):
                    below.append(part)
                else:
                    _check_value(part, limits)
        if not below:
            return
        level = below
    raise _too_deep(limits)


def _check_value(value: Any, limits: Limits) -> None:
    kind = type(value)
    if kind is str and "\0" in value:
        message = f"it holds a NUL in the text {value!r:.80}"
    elif kind is int and (value if value >= 0 else ~value).bit_length() >= limits.bits:
        raise _no_integer(limits)
    elif kind is float and limits.is_finite and not math.isfinite(value):
        message = f"it holds the number {value}, expected finite ones"
    else:
        return
    raise DocumentError(message)
