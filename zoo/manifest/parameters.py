# SPDX-License-Identifier: Apache-2.0
"""Forms: the values that a model's record may set a parameter to, with bounds.

A form is data, both in ``record_types.json`` of zoo and in the manifest of a plugin::

    {"none": true, "int": [0, 64]}
    {"words": ["nearest", "bilinear"]}
    {"list": {"int": [1, 2048]}, "most": 8}
    {"table": {"mode": {"words": ["whole"]}}}
    {"type": ["losses"]}
    {"name": true}

Each key allows another kind of value. There is no free text: a name is a lower-case identifier for
keys of image metadata, and nothing resolves it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Never, TypeAlias

__all__ = [
    "FAMILIES",
    "KEY",
    "LEAST_LIST",
    "MOST_LIST",
    "WORD",
    "Form",
    "FormError",
    "Misfit",
    "find_misfits",
    "parse_form",
    "parse_forms",
]

FAMILIES = (
    *("backbones", "data_preprocessors", "heads", "layers", "losses"),
    *("models", "necks", "task_utils", "transforms"),
)
"""What kinds of types there are; a plugin's type is accepted where any of its registry is."""
LEAST_LIST, MOST_LIST = 1, 10_000
_DEPTH_LIMIT = 8
KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_NAME_LIMIT = 40
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .+-]{0,63}")
_KEYS = frozenset(
    {"none", "bool", "int", "float", "words", "list", "most", "name", "table", "type"}
)


class FormError(ValueError):
    """A form is invalid; the message states what was found and what was expected."""


@dataclass(frozen=True, slots=True)
class Form:
    """The allowed values of one parameter; each attribute allows some.

    Attributes:
        is_none: Whether None is allowed.
        is_bool: Whether true and false are allowed.
        whole: Inclusive bounds of integers.
        number: Inclusive bounds of numbers, integers included.
        words: Allowed texts.
        is_name: Whether any lower-case identifier is allowed.
        items: Form of the items of a list or tuple.
        most: Largest number of items.
        table: Forms of the keys of a table without a type.
        families: Allowed `FAMILIES` of a table with a type.
    """

    is_none: bool = False
    is_bool: bool = False
    whole: tuple[int, int] | None = None
    number: tuple[float, float] | None = None
    words: tuple[str, ...] = ()
    is_name: bool = False
    items: Form | None = None
    most: int = 0
    table: Mapping[str, Form] | None = None
    families: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return a description of the allowed values."""
        return " or ".join(self._kinds()) or "nothing"

    def _kinds(self) -> Iterator[str]:
        if self.is_none:
            yield "none"
        if self.is_bool:
            yield "true or false"
        if self.whole:
            yield f"a whole number from {self.whole[0]} to {self.whole[1]}"
        if self.number:
            yield f"a number from {self.number[0]:g} to {self.number[1]:g}"
        if self.words:
            shown = [repr(word) for word in self.words[:12]]
            yield f"one of {', '.join(shown)}" + (", ..." if len(self.words) > 12 else "")
        if self.is_name:
            yield "a name of lower-case letters, digits and _"
        if self.items is not None:
            yield f"a list of {self.most} at most, each {self.items}"
        if self.table is not None:
            yield f"a table of {', '.join(sorted(self.table)[:12]) or 'nothing'}"
        if self.families:
            yield f"a type of {', '.join(self.families)}"


@dataclass(frozen=True, slots=True)
class Misfit:
    """A value that does not match its form.

    Attributes:
        key: The dotted key.
        value: The value found.
        wanted: The expected value, or None if the key itself is unknown.
    """

    key: str
    value: Any
    wanted: str | None


OnType: TypeAlias = Callable[[Mapping[str, Any], str, Form], Iterator[Misfit]]


def find_misfits(value: Any, form: Form, key: str, on_type: OnType) -> Iterator[Misfit]:
    """Yield each part of a value that does not match its form.

    Args:
        value: JSON values and tuples.
        form: Form of the parameter.
        key: Dotted key of the value.
        on_type: Checks a table with a type; called with its value, key and form.
    """
    if isinstance(value, Mapping):
        yield from _misfits_of_table(value, form, key, on_type)
    elif isinstance(value, (list, tuple)):
        if form.items is None or len(value) > form.most:
            yield Misfit(key, value, str(form))
            return
        for number, one in enumerate(value):
            yield from find_misfits(one, form.items, f"{key}.{number}", on_type)
    elif not _fits(value, form):
        yield Misfit(key, value, str(form))


def _misfits_of_table(
    value: Mapping[str, Any], form: Form, key: str, on_type: OnType
) -> Iterator[Misfit]:
    # Some upstream tables have a key `type` that no registry reads: nms, RoI layers.
    is_plain = form.table is not None and ("type" not in value or _names_itself(value, form))
    if not is_plain and "type" in value and form.families:
        yield from on_type(value, key, form)
    elif not is_plain or form.table is None:
        yield Misfit(key, value, str(form))
    else:
        for name, inner in value.items():
            if name in form.table:
                yield from find_misfits(inner, form.table[name], f"{key}.{name}", on_type)
            else:
                yield Misfit(f"{key}.{name}", inner, None)


def _names_itself(value: Mapping[str, Any], form: Form) -> bool:
    own = None if form.table is None else form.table.get("type")
    return own is not None and value["type"] in own.words


def _fits(value: Any, form: Form) -> bool:
    if value is None:
        return form.is_none
    if isinstance(value, bool):
        return form.is_bool
    if isinstance(value, str):
        is_name = len(value) <= _NAME_LIMIT and _NAME.fullmatch(value) is not None
        return value in form.words or (form.is_name and is_name)
    whole = isinstance(value, int) and form.whole is not None
    if whole and form.whole is not None and form.whole[0] <= value <= form.whole[1]:
        return True
    return (
        isinstance(value, (int, float))
        and form.number is not None
        and form.number[0] <= value <= form.number[1]
    )


def parse_forms(values: Any, where: str) -> Mapping[str, Form]:
    """Return the forms of the parameters of a type, by name; raises `FormError`.

    Args:
        values: Parameter name -> data of its form.
        where: How error messages name the table.
    """
    if not isinstance(values, Mapping):
        _refuse(where, values, "a table of parameters")
    for name in values:
        if not isinstance(name, str) or not KEY.fullmatch(name):
            _refuse(where, name, "a parameter's name")
    parsed = {name: parse_form(form, f"{where}.{name}") for name, form in values.items()}
    return MappingProxyType(parsed)


def parse_form(values: Any, where: str, depth: int = 0) -> Form:
    """Parse a form; raises `FormError`, which names ``where``.

    Args:
        values: The form as a table, such as ``{"int": [0, 8]}``.
        where: How error messages name the form.
        depth: Number of forms around this one.
    """
    if not isinstance(values, Mapping) or not values or depth > _DEPTH_LIMIT:
        _refuse(where, values, "a table such as { int = [0, 8] }")
    unknown = sorted(set(values) - _KEYS)
    if unknown:
        _refuse(where, unknown[0], f"one of {', '.join(sorted(_KEYS))}")
    for key in ("none", "bool", "name"):
        if values.get(key, True) is not True:
            _refuse(f"{where}.{key}", values[key], "true, or omit the key")
    items, most = None, values.get("most", 0)
    if ("list" in values) != ("most" in values):
        _refuse(where, sorted(values), "both list and most")
    if "list" in values:
        items = parse_form(values["list"], f"{where}.list", depth + 1)
        if type(most) is not int or not LEAST_LIST <= most <= MOST_LIST:
            _refuse(f"{where}.most", most, f"{LEAST_LIST} to {MOST_LIST}")
    return Form(
        is_none="none" in values,
        is_bool="bool" in values,
        whole=_bounds(values, "int", where),
        number=_bounds(values, "float", where),
        words=_texts(values, "words", where),
        is_name="name" in values,
        items=items,
        most=most,
        table=_table(values, where, depth),
        families=_families(values, where),
    )


def _bounds(values: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in values:
        return None
    pair, kinds = values[key], (int,) if key == "int" else (int, float)
    is_pair = isinstance(pair, (list, tuple)) and len(pair) == 2
    if not is_pair or any(type(one) not in kinds or not abs(one) <= 1e9 for one in pair):
        _refuse(f"{where}.{key}", pair, "[least, most], within 1e9")
    if pair[0] > pair[1]:
        _refuse(f"{where}.{key}", pair, "the smaller value first")
    return tuple(pair)


def _texts(values: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    words = values.get(key, ["word"])
    if not isinstance(words, (list, tuple)) or not words:
        _refuse(f"{where}.{key}", words, "a list of words")
    for word in words:
        if not isinstance(word, str) or not WORD.fullmatch(word):
            _refuse(f"{where}.{key}", word, "letters, digits, and ' ', '_', '.', '+', '-'")
    return tuple(words) if key in values else ()


def _table(values: Mapping[str, Any], where: str, depth: int) -> Mapping[str, Form] | None:
    if "table" not in values:
        return None
    table = values["table"]
    if not isinstance(table, Mapping) or not all(KEY.fullmatch(str(name)) for name in table):
        _refuse(f"{where}.table", table, "a table of forms")
    parsed = {name: parse_form(form, f"{where}.{name}", depth + 1) for name, form in table.items()}
    return MappingProxyType(parsed)


def _families(values: Mapping[str, Any], where: str) -> tuple[str, ...]:
    names = _texts(values, "type", where)
    for name in names:
        if name not in FAMILIES:
            _refuse(f"{where}.type", name, f"one of {', '.join(FAMILIES)}")
    return names


def _refuse(where: str, found: Any, wanted: str) -> Never:
    text = repr(found)
    shown = text if len(text) <= 60 else f"{text[:60]}..."
    msg = f"{where} is {shown}, expected {wanted}"
    raise FormError(msg)
