# SPDX-License-Identifier: Apache-2.0
"""The catalog: every plugin that zoo finds, its errors, and lookups of its names.

The catalog does not import plugins. It keeps a broken plugin as a record with its error. Using any
name of that plugin raises the error; other plugins are not affected.
"""

from __future__ import annotations

import os
import sys

from zoo.catalog.lookups import Catalog
from zoo.catalog.reading import mark_conflicts, read_records
from zoo.catalog.records import SOURCE, Found, PluginRecord, Row

__all__ = ["SOURCE", "Catalog", "Found", "PluginRecord", "Row", "forget_catalog", "read_catalog"]

_CACHE: dict[tuple[str | None, ...], Catalog] = {}


def read_catalog(*, keep_readings: bool = False) -> Catalog:
    """Return the catalog of this process and environment; it is read once.

    ``ZOO_PLUGINS=a,b`` keeps only the plugins with those names; an empty value keeps none.

    Args:
        keep_readings: Whether to keep what manifests say in the cache, for later starts, which all
            look there. Commands that list what there is do; others write nothing but their result.
    """
    script = sys.argv[0] if sys.argv else None
    key = (os.environ.get("ZOO_PLUGIN_PATH"), os.environ.get("ZOO_PLUGINS"), script)
    if key not in _CACHE:
        _CACHE[key] = Catalog(mark_conflicts(read_records(keep_readings=keep_readings)))
    return _CACHE[key]


def forget_catalog() -> None:
    """Read the catalog again on next use, for tests and code that installs plugins."""
    _CACHE.clear()
