# SPDX-License-Identifier: Apache-2.0
"""A migrated config as a readable Python file."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from typing import Any

from zoo.texts import printable

__all__ = ["config_text", "ledger_text"]

_WIDTH = 88
_GROUPS = {
    "model": "model",
    "train_dataloader": "data",
    "tta_pipeline": "test-time augmentation: several scales or flips",
    "train_cfg": "training",
    "default_hooks": "hooks and logs",
    "env_cfg": "environment and start",
}


class _Name(str):
    """The name of a variable: written without quotes."""

    __slots__ = ()


def config_text(values: Mapping[str, Any], heading: Sequence[str]) -> str:
    """Return the source of a config.

    Args:
        values: Its keys, in order.
        heading: Lines that say from what it was made.
    """
    named = dict(values)
    variables = _take_variables(named)
    lines = ['"""' + _quoted(heading[0]), *map(_quoted, heading[1:])]
    lines = ["\n".join(lines) + ('\n"""' if len(heading) > 1 else '"""'), ""]
    for key, value in named.items():
        if key in _GROUPS:
            lines += ["", f"# {_GROUPS[key]}"]
        if key == "train_dataloader" or (key.endswith("_dataloader") and variables):
            lines += [_assignment(name, item) for name, item in variables.items()]
            variables = {}
        lines.append(_assignment(key, value))
    return "\n".join(lines).strip() + "\n"


def _quoted(line: str) -> str:
    safe = printable(line).replace("\\", "\\\\")
    return safe.replace('"""', "'''").rstrip('"')


def _take_variables(named: dict[str, Any]) -> dict[str, Any]:
    """Name the pipelines, and what test shares with validation, as people write it."""
    variables: dict[str, Any] = {}
    known: dict[str, list[Any]] = {}
    for split in ("train", "val", "test"):
        loader = named.get(f"{split}_dataloader")
        if loader is None:
            continue
        name = "train_pipeline" if split == "train" else "test_pipeline"
        found = known.get(name) or _find_pipeline(loader)
        if found:
            known[name] = found
            variables[name] = found
            named[f"{split}_dataloader"] = _replaced(loader, found, _Name(name))
    for end in ("dataloader", "evaluator"):
        val, test = named.get(f"val_{end}"), named.get(f"test_{end}")
        if val is not None and val == test:
            named[f"test_{end}"] = _Name(f"val_{end}")
    return variables


def _find_pipeline(value: Any) -> list[Any] | None:
    if isinstance(value, Mapping):
        if isinstance(value.get("pipeline"), list):
            return list(value["pipeline"])
        items: Sequence[Any] = list(value.values())
    elif isinstance(value, list):
        items = value
    else:
        return None
    found = (_find_pipeline(item) for item in items)
    return next((each for each in found if each), None)


def _replaced(value: Any, pipeline: list[Any], name: _Name) -> Any:
    if isinstance(value, Mapping):
        return {
            key: name if key == "pipeline" and item == pipeline else _replaced(item, pipeline, name)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_replaced(item, pipeline, name) for item in value]
    return value


def _assignment(key: str, value: Any) -> str:
    return f"{key} = {_source(value, len(key) + 3, '')}"


def _source(value: Any, column: int, indent: str) -> str:
    """Return the source of a value, in one line if it fits, else one item a line."""
    short = _inline(value)
    if column + len(short) < _WIDTH or not isinstance(value, (Mapping, list, tuple)) or not value:
        return short
    inner = indent + "    "
    if isinstance(value, Mapping):
        is_call = _are_names(value)
        opening, closing = ("dict(", ")") if is_call else ("{", "}")
        parts = [(f"{key}=" if is_call else f"{key!r}: ", item) for key, item in value.items()]
    else:
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        parts = [("", item) for item in value]
    if all(isinstance(item, (int, float)) for _, item in parts) and not isinstance(value, Mapping):
        return _wrapped(value, opening, closing, indent)
    lines = [f"{inner}{start}{_source(item, len(inner + start), inner)}," for start, item in parts]
    return "\n".join([opening, *lines, indent + closing])


def _wrapped(numbers: Sequence[Any], opening: str, closing: str, indent: str) -> str:
    """Return long rows of numbers, as many a line as fit."""
    inner = indent + "    "
    lines, line = [], inner
    for number in numbers:
        text = f"{_inline(number)}, "
        if len(line + text) > _WIDTH and line != inner:
            lines.append(line.rstrip())
            line = inner
        line += text
    return "\n".join([opening, *lines, line.rstrip(), indent + closing])


def _are_names(value: Mapping[Any, Any]) -> bool:
    return all(
        isinstance(key, str) and key.isidentifier() and not keyword.iskeyword(key) for key in value
    )


def _inline(value: Any) -> str:
    if isinstance(value, _Name):
        return str(value)
    if isinstance(value, Mapping):
        if _are_names(value):
            return f"dict({', '.join(f'{key}={_inline(item)}' for key, item in value.items())})"
        return "{" + ", ".join(f"{key!r}: {_inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_inline, value))}]"
    if isinstance(value, tuple):
        return f"({', '.join(map(_inline, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, set):
        return "{" + ", ".join(sorted(map(_inline, value))) + "}" if value else "set()"
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return f'float("{value}")'
    if isinstance(value, float) and value != value:  # not a number
        return 'float("nan")'
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    plain = repr(value)
    return plain if '"' in plain else f'"{plain[1:-1]}"'


def ledger_text(name: str, made_from: Sequence[str], ledger: Mapping[str, Any]) -> str:
    """Return the three lists of a ledger as Markdown.

    Args:
        name: Of the new file.
        made_from: Lines that say from what it was made.
        ledger: ``changed``, ``dropped`` and ``lost`` rows, as `Ledger.to_json` returns them.
    """
    lines = [f"# {printable(name)}", "", *map(printable, made_from), ""]
    titles = {
        "lost": "Not carried: to be done by hand",
        "changed": "Changed",
        "dropped": "Left out: without a meaning in the new generation",
    }
    for kind, title in titles.items():
        rows = ledger[kind]
        lines += [f"## {title} ({len(rows)})", ""]
        for row in rows:
            hint = f" {row['hint']}" if row["hint"] else ""
            lines.append(f"- `{printable(row['key'])}`: {printable(row['text'] + '.' + hint)}")
        lines += [] if not rows else [""]
    return "\n".join(lines).rstrip() + "\n"
