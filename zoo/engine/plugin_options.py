# SPDX-License-Identifier: Apache-2.0
"""Options that a row of a manifest declares: values by name, of the types that it states."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.errors import DataError
from zoo.texts import shown

if TYPE_CHECKING:
    from zoo.manifest.rows import Option

__all__ = ["bind_options", "typed_texts"]

_TYPES: dict[str, tuple[type, ...]] = {
    "str": (str, int, float),
    "int": (int,),
    "float": (int, float),
    "bool": (bool,),
    "path": (str, Path),
    "choice": (str,),
    "exchange": (str,),
}
_MADE: dict[str, Callable[[Any], Any]] = {"path": Path, "str": str, "float": float}
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def bind_options(
    options: tuple[Option, ...],
    given: Mapping[str, Any],
    *,
    doing: str,
    made: Mapping[str, Callable[[Any], Any]] | None = None,
) -> dict[str, Any]:
    """Return every option of a row, with defaults for those that are not given.

    Args:
        options: Options of the row.
        given: Values by name, with underscores.
        doing: What they are for, for messages: ``prepare 'folder_data'``.
        made: Type -> what turns a value of it into what is received, besides the plain types.

    Raises:
        DataError: A name is unknown, or a value is of another type than the option.
    """
    known = {option.name.replace("-", "_"): option for option in options}
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known) or 'none'}."
            message = f"cannot {doing}: found the option {shown(key)}, expected one of its own."
            raise DataError(message, where=key, hint=hint)
    makers = {**_MADE, **(made or {})}
    return {
        key: _read_option(option, given.get(key, option.default), doing, makers)
        for key, option in known.items()
    }


def typed_texts(options: tuple[Option, ...], texts: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return what was typed as values of the types of the options; `bind_options` checks them.

    A text that is no value of its type stays a text.

    Args:
        options: Options of the row.
        texts: What was typed, by name with dashes or underscores, in its order.
    """
    known = {option.name.replace("-", "_"): option for option in options}
    given: dict[str, Any] = {}
    for name, found in texts.items():
        key = name.replace("-", "_")
        option = known.get(key)
        values = [_typed(option.type, text) for text in found] if option else found
        # One that may not be given twice is refused as a list.
        given[key] = values if (option and option.multiple) or len(values) > 1 else values[0]
    return given


def _typed(kind: str, text: str) -> Any:
    if kind in ("int", "float"):
        with contextlib.suppress(ValueError):
            return {"int": int, "float": float}[kind](text)
    return _FLAGS.get(text.lower(), text) if kind == "bool" else text


def _read_option(
    option: Option, value: Any, doing: str, made: Mapping[str, Callable[[Any], Any]]
) -> Any:
    if value is None and option.default is None:
        return None
    if option.multiple and isinstance(value, (list, tuple)):
        return tuple(_read_one(option, each, doing, made) for each in value)
    return _read_one(option, value, doing, made)


def _read_one(
    option: Option, value: Any, doing: str, made: Mapping[str, Callable[[Any], Any]]
) -> Any:
    is_of_type = isinstance(value, _TYPES[option.type]) and not (
        isinstance(value, bool) and option.type != "bool"
    )
    if not is_of_type or (option.choices and value not in option.choices):
        expected = f"one of {', '.join(option.choices)}" if option.choices else option.type
        message = f"cannot {doing}: {option.name} is {shown(value)}, expected {expected}."
        raise DataError(message, where=option.name, hint=f"{option.name}: {option.help}.")
    return made[option.type](value) if option.type in made else value
