# SPDX-License-Identifier: Apache-2.0
"""What a config may call: functions and methods that compute data from data and touch nothing."""

from __future__ import annotations

import ast
import copy
import math
import operator
import posixpath
import re
from collections.abc import Callable, Mapping
from typing import Any

__all__ = [
    "BINARY",
    "COMPARISONS",
    "FUNCTIONS",
    "IN_PLACE",
    "METHODS",
    "UNARY",
    "NotDataError",
    "call_method",
    "check_expanded",
    "check_size",
]

_MOST_ITEMS = 100_000
_MOST_PARTS = 1_000_000
_LARGEST_EXPONENT = 64
_WIDE = re.compile(r"\d{4,}|\*|:[^{}]*\{")  # a width that makes a short text long


class NotDataError(Exception):
    """An expression that is more than data: its text says what it is."""


def check_size(value: Any) -> Any:
    """Return a value, unless it is too long to be part of a config.

    Args:
        value: Any value.

    Raises:
        NotDataError: It has more than 100,000 items or characters, or is a huge number.
    """
    if isinstance(value, (str, bytes, list, tuple, dict, set, range)) and len(value) > _MOST_ITEMS:
        message = f"a value with {len(value)} items"
        raise NotDataError(message)
    if isinstance(value, int) and value.bit_length() > 1024:
        message = "a number of more than 1024 bits"
        raise NotDataError(message)
    return value


def check_expanded(values: Any) -> None:
    """Refuse values that are small as they are shared, and huge once they are written out.

    Args:
        values: Any values of plain types.

    Raises:
        NotDataError: They would have more than a million parts, or contain themselves.
    """
    if _expanded(values, {}) > _MOST_PARTS:
        message = "values of more than a million parts"
        raise NotDataError(message)


def _expanded(value: Any, known: dict[int, int]) -> int:
    """Return the number of parts of a value; each shared part is counted where it is used."""
    if not isinstance(value, (dict, list, tuple, set)):
        return 1
    count = known.get(id(value))
    if count is None:
        known[id(value)] = -1
        parts = value.values() if isinstance(value, dict) else value
        count = known[id(value)] = 1 + sum(_expanded(part, known) for part in parts)
    if count == -1:
        message = "a value that contains itself"
        raise NotDataError(message)
    return count


def _times(left: Any, right: Any) -> Any:
    for sequence, count in ((left, right), (right, left)):
        is_repeated = isinstance(sequence, (str, bytes, list, tuple)) and isinstance(count, int)
        if is_repeated and len(sequence) * count > _MOST_ITEMS:
            message = f"a value with {len(sequence) * count} items"
            raise NotDataError(message)
    return check_size(left * right)


def _power(left: Any, right: Any) -> Any:
    if abs(right) > _LARGEST_EXPONENT:
        message = f"a power of {right}"
        raise NotDataError(message)
    return left**right


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, (str, bytes)):
        filled = list(right) if isinstance(right, tuple) else [right]
        longest = max((len(str(each)) for each in filled), default=0)
        _check_length(len(left) + str(left).count("%") * longest)
        return _checked_format(left) % right
    return left % right


def _check_length(count: int) -> None:
    """Refuse a text before it is made."""
    if count > _MOST_ITEMS:
        message = f"a value with {count} items"
        raise NotDataError(message)


def _check_grown(text: str, name: str, values: list[Any]) -> None:
    """Refuse what a method would make of short texts, before it does."""
    if name == "join" and values:
        parts = list(values[0])
        _check_length(sum(len(text) + len(str(each)) for each in parts))
    elif name == "replace" and len(values) > 1:
        _check_length(len(text) + text.count(str(values[0])) * len(str(values[1])))
    elif name == "format":
        _check_length(len(text) + text.count("{") * max((len(str(v)) for v in values), default=0))


def _checked_format(text: Any) -> Any:
    if _WIDE.search(str(text)):
        message = "a text with a wide field"
        raise NotDataError(message)
    return text


def _format(text: str, *values: Any, **named: Any) -> str:
    if re.search(r"\{[^}]*[.\[]", text.partition(":")[0]) and "{" in text:
        message = "a format that looks into its values"
        raise NotDataError(message)
    return str(_checked_format(text)).format(*values, **named)


BINARY: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _times,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: _remainder,
    ast.Pow: _power,
    ast.BitOr: operator.or_,
}
"""Operators of two values."""

IN_PLACE: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.iadd,
    ast.BitOr: operator.ior,
}
"""Operators that change a list, dict or set itself."""

UNARY: Mapping[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
"""Operators of one value."""

COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda left, right: left in right,
    ast.NotIn: lambda left, right: left not in right,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}
"""Comparisons."""

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{kind.__name__: kind for kind in (dict, list, tuple, set, int, float, str, bool)},
    **{each.__name__: each for each in (len, min, max, sum, abs, round, sorted, range, any, all)},
    "reversed": lambda values: list(reversed(values)),
    "zip": lambda *values: list(zip(*values, strict=False)),
    "enumerate": lambda values, start=0: list(enumerate(values, start)),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "math.ceil": math.ceil,
    "math.floor": math.floor,
    "math.sqrt": math.sqrt,
    "math.log": math.log,
    "os.path.join": posixpath.join,
    "os.path.basename": posixpath.basename,
    "os.path.dirname": posixpath.dirname,
    "os.path.splitext": posixpath.splitext,
}
"""Functions by their full names; paths are texts, and no file is looked at."""

METHODS: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {
            *("join", "split", "replace", "lower", "upper", "strip", "lstrip", "rstrip"),
            *("startswith", "endswith", "format", "title", "capitalize", "rsplit"),
        }
    ),
    list: frozenset({"append", "extend", "insert", "pop", "copy", "index", "count", "remove"})
    | {"reverse", "sort", "clear"},
    dict: frozenset({"copy", "get", "items", "keys", "values", "update", "pop", "setdefault"}),
    tuple: frozenset({"index", "count"}),
    set: frozenset({"add", "union", "copy"}),
}
"""Methods by the type that has them."""


def call_method(value: Any, name: str, values: list[Any], named: dict[str, Any]) -> Any:
    """Return what a method of a piece of data returns.

    Args:
        value: A text, list, tuple, set or mapping.
        name: Of the method.
        values: Positional arguments.
        named: Keyword arguments.

    Raises:
        NotDataError: It is no method that computes data from data.
    """
    for kind, names in METHODS.items():
        if type(value) is kind and name in names:
            if kind is str:
                _check_grown(str(value), name, [*values, *named.values()])
            if kind is str and name == "format":
                return check_size(_format(str(value), *values, **named))
            found = getattr(value, name)(*values, **named)
            if kind is dict and name in ("items", "keys", "values"):
                return list(found)
            check_size(value)
            return check_size(found)
    message = f"a call of the method {name!r}"
    raise NotDataError(message)
