# SPDX-License-Identifier: Apache-2.0
"""Mutate documents by a seed: unexpected values and bytes."""

from __future__ import annotations

import copy
import datetime
import json
import math
import os
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["mutate_bytes", "mutate_value", "replace_file", "write_json", "write_toml"]

TEXTS = (
    *("", " ", "x", "a\nb", "a\tb", "\x1b[2J", "\x1b]0;t\x07", "\u202egnp", "\ufeff", "\u2028"),
    *("\x00", "\ud800", "\udcff", "\x9b31m", "é", "細胞", "e\u0301", "\U0001f52c", "\u200b"),
    *("../../etc/passwd", "/etc/passwd", "~nosuchuser/x", "a/b", "a\\b", "C:\\x", ".", "..", "con"),
    *("__main__", "os.system", "os:system", "zoo_x.y:Z", "zoo.a.B", "zoo_hostile", "sys", "1"),
    *("semantic", "instance", "true", "null", "NaN", "1e999", "-0", "0x10", "0,0,1", "from data"),
    *("https://", "package:", "package:../x", "file:///etc/passwd", "https://h/" + "x" * 300),
    *("x; python_version ~= 'a'", "x; " + "(" * 900, "x>=1,<2; extra == 'y'", "-e .", "a.b:c.d"),
    *("x" * 300, "x" * 5_000, "x/" * 200, "a." * 100, "é" * 200, "%s%n{0}", "$\\frac{", "]]>", '"'),
)
NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 255, 256, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, -(2**63), -(2**63) - 1),
    *(10**18, 10**19, 10**25, 10**400, -(10**400), 10**5_000, 0.5, -0.0, 1e-320, 1e308, 1e16),
    *(math.inf, -math.inf, math.nan, True, False),
)


def mutate_value(seed: Any, chance: random.Random) -> Any:
    """Return a copy of a document with one to three changes.

    Args:
        seed: A valid document.
        chance: Random generator.
    """
    value = copy.deepcopy(seed)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        value = _mutate_once(value, chance)
    return value


def _mutate_once(value: Any, chance: random.Random) -> Any:
    places = [place for place in _places(value) if place[0] is not None]
    if not places or chance.random() < 0.01:
        return _anything(chance)
    node, key = chance.choice(places)
    chance.choice(_CHANGES)(node, key, chance)
    return value


def _places(value: Any, node: Any = None, key: Any = None) -> Iterator[tuple[Any, Any]]:
    """Yield every container of the document with every key or index of it."""
    yield node, key
    if isinstance(value, dict):
        for name in list(value):
            yield from _places(value[name], value, name)
    elif isinstance(value, list):
        for index in range(min(len(value), 30)):
            yield from _places(value[index], value, index)


def _replace(node: Any, key: Any, chance: random.Random) -> None:
    node[key] = _anything(chance)


def _drop(node: Any, key: Any, chance: random.Random) -> None:
    del node[key]


def _double(node: Any, key: Any, chance: random.Random) -> None:
    if isinstance(node, list):
        node.insert(key, copy.deepcopy(node[key]))
    else:
        node[f"{key}{chance.choice(('', '_', ' ', 's', chr(0x301)))}2"] = copy.deepcopy(node[key])


def _rename(node: Any, key: Any, chance: random.Random) -> None:
    if isinstance(node, dict):
        node[chance.choice((key[:-1], key.upper(), *TEXTS))] = node.pop(key)


def _add(node: Any, key: Any, chance: random.Random) -> None:
    if isinstance(node, dict):
        node[chance.choice(TEXTS)] = _anything(chance)
    else:
        node.append(_anything(chance))


def _wrap(node: Any, key: Any, chance: random.Random) -> None:
    for _ in range(chance.choice((1, 1, 2, 20, 100))):
        node[key] = [node[key]] if chance.random() < 0.6 else {"x": node[key]}


def _overgrow(node: Any, key: Any, chance: random.Random) -> None:
    times, value = chance.choice((10, 300, 3_000)), node[key]
    if isinstance(value, list) and any(isinstance(part, (dict, list)) for part in value):
        node[key] = value * min(times, 300)
    elif isinstance(value, list):
        node[key] = (value or [0]) * times
    elif isinstance(value, str):
        node[key] = (value or "x") * times
    elif isinstance(value, dict):
        node[key] = {**value, **{f"k{number}": number for number in range(times)}}
    else:
        node[key] = [value] * times


def _swap(node: Any, key: Any, chance: random.Random) -> None:
    other = chance.choice(list(node) if isinstance(node, dict) else range(len(node)))
    node[key], node[other] = node[other], node[key]


def _nudge(node: Any, key: Any, chance: random.Random) -> None:
    value = node[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or abs(value) > 10**300:
        return _replace(node, key, chance)
    node[key] = chance.choice((value + 1, value - 1, -value, value * 10**6, float(value) + 0.5))
    return None


_CHANGES: tuple[Callable[[Any, Any, random.Random], None], ...] = (
    *(_replace, _replace, _replace, _drop, _double, _rename, _add, _wrap, _overgrow, _swap, _nudge),
)


def _anything(chance: random.Random) -> Any:
    """Return a value of any kind."""
    kind = chance.randrange(10)
    if kind < 4:
        return chance.choice(TEXTS)
    if kind < 7:
        return chance.choice(NUMBERS)
    if kind == 7:
        return chance.choice((None, [], {}, [[]], [None], {"": ""}, [["semantic"]]))
    if kind == 8:
        return chance.choice(
            (datetime.date(2020, 1, 2), datetime.time(1, 2), datetime.datetime(1, 1, 1))
        )
    value: Any = chance.choice(TEXTS)
    for _ in range(chance.choice((3, 30, 70, 400))):
        value = [value]
    return value


@contextmanager
def _any_digits() -> Iterator[None]:
    """Allow writing integers of any length, to test reading them."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def write_json(value: Any, chance: random.Random) -> bytes:
    """Return the value as JSON, in one of several layouts.

    Args:
        value: Content of the document.
        chance: Random generator.
    """
    indent, is_ascii = chance.choice((None, 1)), chance.random() < 0.5
    with _any_digits():
        text = json.dumps(value, default=str, indent=indent, ensure_ascii=is_ascii)
    return text.encode("utf-8", "surrogatepass")


def write_toml(value: Any) -> bytes:
    """Return the value as TOML; values that TOML lacks become an invalid word.

    Args:
        value: Content of the document.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10 * limit)  # of this writer only: what reads it has the usual one
    try:
        if not isinstance(value, dict):
            return _toml(value).encode("utf-8", "surrogatepass")
        lines = [f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()]
        return "\n".join(lines).encode("utf-8", "surrogatepass")
    finally:
        sys.setrecursionlimit(limit)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    with _any_digits():
        return json.dumps(value)


_TOKENS = (
    *(b"[", b"]", b"{", b"}", b'"', b"'", b'"""', b"\\", b",", b":", b"=", b"\n", b"\0", b"\xff"),
    *(b"[" * 3_000, b'{"a":' * 3_000, b"a." * 3_000, b"9" * 500, b"9" * 5_000, b"0x" + b"f" * 999),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"NaN", b"1e999", b"\x1b[2J", b"#", b"\r"),
)


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return the bytes with one to three bytes or ranges changed.

    Args:
        data: Bytes of a document.
        chance: Random generator.
    """
    for _ in range(chance.choice((1, 1, 2, 3))):
        data = chance.choice(_BYTE_CHANGES)(data, chance)
    return data


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 4, 64)) if changed else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(_TOKENS) + data[at:]


def _remove(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + data[at + chance.choice((1, 2, 8, 64)) :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    piece = data[at : at + chance.choice((1, 8, 64, 512))]
    return data[:at] + piece * chance.choice((2, 3, 200)) + data[at:]


def _shuffle_lines(data: bytes, chance: random.Random) -> bytes:
    lines = data.split(b"\n")
    chance.shuffle(lines)
    return b"\n".join(lines)


def _recode(data: bytes, chance: random.Random) -> bytes:
    text = data.decode("utf-8", "replace")
    return text.encode(
        chance.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7")), "replace"
    )


_BYTE_CHANGES = (_flip, _flip, _cut, _insert, _insert, _remove, _repeat, _shuffle_lines, _recode)


def replace_file(path: Path, chance: random.Random) -> str:
    """Replace a document with something that is not a text file; return its description.

    Args:
        path: The document.
        chance: Random generator.
    """
    kind = chance.choice(
        ("nothing", "empty", "folder", "pipe", "loop", "broken", "device", "sparse")
    )
    path.unlink(missing_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind in ("loop", "broken", "device"):
        path.symlink_to({"loop": path.name, "broken": "gone", "device": "/dev/zero"}[kind])
    elif kind != "nothing":
        with path.open("wb") as stream:
            stream.truncate(0 if kind == "empty" else 6 * 2**30)
    return kind
