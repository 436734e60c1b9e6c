# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of ``zoo_plugin.toml``, from what the reader asks for.

The reader decides. The schema is for editors: it refuses nothing that the reader takes, and what
it cannot say (files that exist, names that are unique) only the reader refuses.
"""

from __future__ import annotations

import json
from typing import Any

from manifest_keys import SECTIONS, Key, keys_of, meaning_of

from zoo.manifest.kinds import KINDS
from zoo.manifest.parameters import FAMILIES, KEY, LEAST_LIST, MOST_LIST, WORD
from zoo.manifest.requirements import API
from zoo.manifest.row_reading import (
    DIRECTIONS,
    IN_RECORDS,
    MOST_VALUES,
    RESERVED_OPTIONS,
    SUFFIX,
    UNITS,
    VALUE_NAME,
)
from zoo.manifest.table import MOST_CHARACTERS, MOST_ENTRIES

__all__ = ["schema"]

_BOUND = 1e9  # of the numbers in a form
_TARGET = {"pattern": r"^zoo_[a-z0-9_]+[.:]"}
_PART = r"(?!\.{1,2}(?:/|$))[^/\\:]+"
_PATH = rf"{_PART}(?:/{_PART})*"
_PINNED = r"^[hH][fF]://\S+@[0-9a-fA-F%]{40,}/\S+$"
_ADDRESSES = (
    rf"^package:{_PATH}$",
    r"^https://[^\s/]+/\S+$",
    _PINNED,
    r"^[gG][iI][tT][hH][uU][bB]://\S+$",
)


def schema() -> dict[str, Any]:
    """Return the schema of a whole manifest, draft 7: what editors of TOML read."""
    tables = {name: _table(name) for name in SECTIONS if "." not in name}
    properties = {
        name: table if name in ("plugin", "requires") else _rows(name, table)
        for name, table in tables.items()
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "zoo_plugin.toml",
        "description": "The manifest of a plugin of zoo; docs/manifest.md describes it.",
        **_object(properties, ["plugin"]),
        "definitions": {"forms": _forms(), "form": _form()},
    }


def _rows(name: str, table: dict[str, Any]) -> dict[str, Any]:
    about = {"description": KINDS[name].summary} if name in KINDS else {}
    return {**about, "type": "array", "items": table}


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _table(section: str) -> dict[str, Any]:
    keys = keys_of(section)
    properties = {key.name: _value(section, key) for key in keys}
    required = [key.name for key in keys if key.is_required]
    return {**_object(properties, required), **_CONDITIONS.get(section, {})}


def _value(section: str, key: Key) -> dict[str, Any]:
    own = _OWN.get((section, key.name))
    found = _of_sort(section, key) if own is None else own
    if key.name in ("target", "prepare", "init", "sample", "runner"):
        found = {"allOf": [found, _TARGET]}
    if key.default is not None:
        found = {**found, "default": json.loads(key.default)}
    return {"description": meaning_of(section, key.name).replace("`", ""), **found}


def _of_sort(section: str, key: Key) -> dict[str, Any]:
    if key.sort == "text":
        return _text(key.pattern)
    if key.sort == "texts":
        return _texts(least=int(key.is_required))
    if key.sort == "choice":
        return {"enum": list(key.choices)}
    if key.sort == "rows":
        return {"type": "array", "items": _table(f"{section}.{key.name}")}
    return dict(_SORTS[key.sort])


_SORTS: dict[str, dict[str, Any]] = {
    "count": {"type": "integer", "minimum": 1},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
}


def _text(pattern: str | None) -> dict[str, Any]:
    whole = r"\S" if pattern is None else f"^(?:{pattern})$"
    return {"type": "string", "maxLength": MOST_CHARACTERS, "pattern": whole}


def _texts(*, least: int = 0, items: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "type": "array",
        "items": items or _text(None),
        "minItems": least,
        "maxItems": MOST_ENTRIES,
        "uniqueItems": True,
    }


def _forms() -> dict[str, Any]:
    """Return the schema of ``record``: forms by parameter."""
    names = {"pattern": f"^(?:{KEY.pattern})$"}
    return {
        "type": "object",
        "propertyNames": names,
        "additionalProperties": {"$ref": "#/definitions/form"},
    }


def _form() -> dict[str, Any]:
    """Return the schema of the form of one parameter, which may hold others."""
    yes = {"const": True}
    words = {"type": "string", "pattern": f"^(?:{WORD.pattern})$"}
    bounds = {"minItems": 2, "maxItems": 2, "type": "array"}
    number = {"minimum": -_BOUND, "maximum": _BOUND}
    properties = {
        "none": yes,
        "bool": yes,
        "name": yes,
        "int": {**bounds, "items": {"type": "integer", **number}},
        "float": {**bounds, "items": {"type": "number", **number}},
        "words": {"type": "array", "items": words, "minItems": 1},
        "list": {"$ref": "#/definitions/form"},
        "most": {"type": "integer", "minimum": LEAST_LIST, "maximum": MOST_LIST},
        "table": {"$ref": "#/definitions/forms"},
        "type": {"type": "array", "items": {"enum": list(FAMILIES)}, "minItems": 1},
    }
    both = {"list": ["most"], "most": ["list"]}
    return {**_object(properties, []), "minProperties": 1, "dependencies": both}


def _has(**constants: Any) -> dict[str, Any]:
    """Return the condition that each key is there; with a value, that it is this one."""
    stated = {key: {"const": value} for key, value in constants.items() if value is not None}
    return {"properties": stated, "required": list(constants)}


def _absent(*keys: str) -> dict[str, Any]:
    return {"not": {"anyOf": [{"required": [key]} for key in keys]}}


def _needs(*keys: str) -> dict[str, Any]:
    return {"required": list(keys)}


def _when(condition: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    return {"if": condition, "then": then}


def _defaults(*, formats: bool) -> dict[str, Any]:
    """Return what the default of an option is, by its type."""
    values = {
        "str": {"type": "string"},
        "path": {"type": "string"},
        "choice": {"type": "string"},
        **({"exchange": {"type": "string"}} if formats else {}),
        "int": {"type": "integer"},
        "float": {"type": "number"},
        "bool": {"type": "boolean"},
    }
    rules = [
        _when(_has(type="choice"), {"required": ["choices"]}),
        _when(
            {"properties": {"choices": {"minItems": 1}}, "required": ["choices"]},
            {"properties": {"type": {"const": "choice"}}},
        ),
    ]
    for kind, value in values.items():
        many = {"type": "array", "items": value}
        default = {"if": _has(multiple=True), "then": _default(many), "else": _default(value)}
        rules.append(_when(_has(type=kind), default))
    return {"allOf": rules}


def _default(value: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {"default": value}}


def _by_value(choices: tuple[str, ...]) -> dict[str, Any]:
    """Return the schema of a choice, or of a table of them by the name of a value."""
    one = {"enum": list(choices)}
    names = {"pattern": f"^(?:{VALUE_NAME})$"}
    table = {"type": "object", "propertyNames": names, "additionalProperties": one}
    return {"anyOf": [one, {**table, "minProperties": 1, "maxProperties": MOST_VALUES}]}


_DIGESTS = ("sha256", "sha256_prefix", "md5_prefix")
_NO_BACKBONE = {"properties": {"task": {"not": {"const": "backbone"}}}}
_USED_AS_IT_IS = {"allOf": [_has(sha256=None), _absent("converter")]}
# What the reader checks after it has read the keys.
_CONDITIONS: dict[str, dict[str, Any]] = {
    "dataset": {
        "allOf": [
            _when(
                {"properties": {"option": {"minItems": 1}}, "required": ["option"]},
                _needs("prepare"),
            )
        ]
    },
    "dataset.option": _defaults(formats=True),
    "exchange": {
        "anyOf": [_has(reads=True), _has(writes=True)],
        "allOf": [
            _when(
                {"properties": {"option": {"minItems": 1}}, "required": ["option"]},
                _has(writes=True),
            )
        ],
    },
    "exchange.option": _defaults(formats=False),
    "check": {"allOf": [_when({"required": ["dataset"]}, {"required": ["of"], **_has(of="data")})]},
    "weights": {
        "allOf": [
            {"not": {"required": [_DIGESTS[0], _DIGESTS[1]]}},
            {"not": {"required": [_DIGESTS[0], _DIGESTS[2]]}},
            {"not": {"required": [_DIGESTS[1], _DIGESTS[2]]}},
            _when(_has(format="pkl"), _needs("converter")),
            _when(_NO_BACKBONE, _needs("config", "parameters")),
            _when(_USED_AS_IT_IS, _needs("size_bytes")),
            _when(
                {"allOf": [_NO_BACKBONE, _USED_AS_IT_IS]},
                {"required": ["metrics"], "properties": {"metrics": {"minItems": 1}}},
            ),
            _when(
                _absent(*_DIGESTS),
                {"properties": {"urls": {"items": {"pattern": _PINNED}}}},
            ),
        ]
    },
}
# Keys whose values the reader's questions do not tell.
_OWN: dict[tuple[str, str], dict[str, Any]] = {
    ("plugin", "api"): {"const": API},
    ("dataset", "classes"): {"anyOf": [_texts(least=1), {"const": "from data"}]},
    ("dataset.option", "name"): {
        **_text(r"[a-z][a-z0-9-]*"),
        "not": {"enum": list(RESERVED_OPTIONS)},
    },
    ("dataset.option", "default"): {},
    ("exchange.option", "default"): {},
    ("exchange", "suffixes"): _texts(least=1, items=_text(SUFFIX)),
    ("config", "file"): _text(_PATH),
    ("base", "file"): _text(_PATH),
    ("shelf", "file"): _text(_PATH),
    ("legacy_index", "file"): _text(_PATH),
    ("weights", "urls"): _texts(
        least=1, items={**_text(None), "anyOf": [{"pattern": each} for each in _ADDRESSES]}
    ),
    **{(kind, "record"): {"$ref": "#/definitions/forms"} for kind in IN_RECORDS},
    **{(kind, "direction"): _by_value(DIRECTIONS) for kind in ("metric", "evaluator")},
    **{(kind, "unit"): _by_value(UNITS) for kind in ("metric", "evaluator")},
}
