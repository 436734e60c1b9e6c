#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write the tables of keys in ``docs/manifest.md``, and the JSON Schema of ``zoo_plugin.toml``.

    python tools/manifest_reference.py [--check]

Keys, types and limits come from the reader of manifests, their meaning from the docstrings of
``zoo/manifest/rows.py``, the kinds from ``zoo/manifest/kinds.py``. ``--check`` writes nothing and
exits with 1 if a file differs.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from generated_files import write_or_check
from manifest_keys import Key, keys_of, meaning_of
from manifest_schema import schema

from zoo.manifest.kinds import KINDS
from zoo.manifest.row_reading import DIRECTIONS, UNITS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "manifest.md"
SCHEMA = ROOT / "zoo" / "manifest" / "zoo_plugin.schema.json"
_TABLE = re.compile(r"(<!-- generated: ([a-z_.]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PLAIN = "sampler"  # a kind without keys of its own
_COMMON = ("name", "target", "summary")
_SORTS = {
    "text": "text",
    "texts": "list of texts",
    "count": "integer, from 1",
    "int": "integer",
    "float": "number",
    "bool": "`true` or `false`",
    "dict": "table",
    "rows": "tables",
}
# What the pattern of a key means, where the reader's error says it in other words.
_VALUES = {
    ("plugin", "api"): "1",
    ("dataset", "classes"): 'list of texts, or `"from data"`',
    ("dataset.option", "default"): "as `type`",
    ("exchange.option", "default"): "as `type`",
    ("dataset", "shares"): "three numbers from 0 to 1",
    **{
        (each, "file"): "path in the package"
        for each in ("config", "base", "shelf", "legacy_index")
    },
    **{
        (kind, key): f"{', '.join(f'`{each}`' for each in choices)}, or a table of these"
        for kind in ("metric", "evaluator")
        for key, choices in (("direction", DIRECTIONS), ("unit", UNITS))
    },
}


def files() -> dict[Path, str]:
    """Return the text of each file that this tool writes."""
    page = _TABLE.sub(_filled, PAGE.read_text(encoding="utf-8"))
    missing = {"kinds", *_sections()} - {found[2] for found in _TABLE.finditer(page)}
    if missing:
        message = f"{PAGE} lacks <!-- generated: {min(missing)} --> and <!-- end -->"
        raise SystemExit(message)
    return {PAGE: page, SCHEMA: json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"}


def _sections() -> Iterator[str]:
    """Yield the tables that have keys of their own."""
    yield from ("plugin", "requires", "contribution", "dataset.option", "exchange.option")
    yield "weights.metrics"
    yield from ("config", "base", "weights", "shelf", "legacy_index")
    yield from (kind for kind in KINDS if any(_own_keys(kind)) and "record" not in _names(kind))


def _names(section: str) -> set[str]:
    return {key.name for key in keys_of(section)}


def _filled(found: re.Match[str]) -> str:
    section = found[2]
    lines = _kinds() if section == "kinds" else _keys(section)
    return found[1] + "".join(f"{line}\n" for line in lines) + found[3]


def _kinds() -> Iterator[str]:
    yield from ("| kind | what it is | mmengine registry | Protocol |", "|---|---|---|---|")
    for kind in KINDS.values():
        registry = f"`{kind.registry}`" if kind.registry else "none"
        yield f"| `{kind.name}` | {kind.summary} | {registry} | `{kind.protocol}` |"


def _keys(section: str) -> Iterator[str]:
    yield from ("| key | value | without it | meaning |", "|---|---|---|---|")
    keys = keys_of(_PLAIN) if section == "contribution" else _own_keys(section)
    section = _PLAIN if section == "contribution" else section
    for key in sorted(keys, key=lambda key: (key.name != "name", not key.is_required)):
        value = _value(section, key).replace("|", "\\|")
        meaning = meaning_of(section, key.name).replace("|", "\\|")
        yield f"| `{key.name}` | {value} | {_missing(key)} | {meaning} |"


def _own_keys(section: str) -> Iterator[Key]:
    """Yield the keys that not every kind has, or that mean something else here."""
    for key in keys_of(section):
        is_common = section in KINDS and key.name in _COMMON
        if not is_common or meaning_of(section, key.name) != meaning_of(_PLAIN, key.name):
            yield key


def _missing(key: Key) -> str:
    if key.is_required:
        return "error"
    return f"`{key.default}`" if key.default is not None else ""


def _value(section: str, key: Key) -> str:
    if (section, key.name) in _VALUES:
        return _VALUES[section, key.name]
    if key.sort == "choice":
        return ", ".join(f"`{choice}`" for choice in key.choices)
    return _SORTS[key.sort] if key.wanted is None else _plain(key.wanted)


def _plain(wanted: str) -> str:
    """Return what an error says of a text, with its quoted parts as code."""
    return re.sub(r"'([^']*)'", r"`\1`", wanted).replace("zoo_x.", "zoo_<plugin>.")


if __name__ == "__main__":
    sys.exit(write_or_check(files, __doc__))
