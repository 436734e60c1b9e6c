# SPDX-License-Identifier: Apache-2.0
"""The positive list: the types that a record may name, and the allowed parameters of each.

The list is data, ``record_types.json``, which ``tools/record_types.py`` writes. A plugin's manifest
adds its own types with the ``record`` table of their rows.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from zoo.manifest.parameters import Form, parse_forms

__all__ = ["ListedType", "find_listed_type", "list_types"]


@dataclass(frozen=True, slots=True)
class ListedType:
    """A type that a record may name.

    Attributes:
        name: ``scope.Name`` or ``zoo.plugin.Name``.
        family: One of `zoo.manifest.parameters.FAMILIES`; "" of a plugin's type fits every slot.
        forms: What its parameters may be, by name; None where a manifest does not say.
    """

    name: str
    family: str
    forms: Mapping[str, Form] | None


def find_listed_type(name: str, scope: str) -> ListedType | None:
    """Return an OpenMMLab type by its name in a record, or None.

    Args:
        name: ``UNet`` or ``mmseg.UNet``.
        scope: The record's.
    """
    prefix, _, last = name.rpartition(".")
    full = (f"{one}.{last}" for one in ((prefix,) if prefix else (scope, "mmengine")))
    return next((_listed(one) for one in full if one in _rows()), None)


def list_types() -> tuple[str, ...]:
    """Return the full names of all OpenMMLab types on the list."""
    return tuple(_rows())


@functools.cache
def _rows() -> dict[str, Any]:
    text = resources.files("zoo.engine.records").joinpath("record_types.json").read_text("utf-8")
    rows: dict[str, Any] = json.loads(text)
    return rows


@functools.cache
def _listed(full: str) -> ListedType:
    row = _rows()[full]
    return ListedType(full, row["family"], parse_forms(row["parameters"], full))
