# SPDX-License-Identifier: Apache-2.0
"""Read a shelf: a JSON file with many rows of weights, which is read faster than TOML.

    {"format": 1, "class_lists": {"coco": ["person", ...]}, "weights": [{"name": ...}, ...]}

A row has the keys of a ``[[weights]]`` table; ``classes`` may name one of the lists.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, parse_json, read_file, reason_of
from zoo.errors import ManifestError
from zoo.manifest.rows import AnyWeightsRow
from zoo.manifest.table import Table
from zoo.manifest.weights_reading import UrlReader, read_weights

__all__ = ["read_digested_shelf", "read_shelf", "read_shelf_file", "rows_of_document"]

FORMAT = 1
_LIMITS = Limits(size_bytes=2**25, values=2_000_000, depth=8)


def read_shelf_file(path: Path) -> bytes:
    """Return the bytes of a shelf; raises OSError or DocumentError.

    Args:
        path: The file.
    """
    return read_file(path, _LIMITS.size_bytes)


def read_shelf(path: Path, plugin: str) -> tuple[AnyWeightsRow, ...]:
    """Return the rows of a shelf in a plugin's package.

    Args:
        path: The file.
        plugin: Name of the plugin, for messages.

    Raises:
        ManifestError: It cannot be read, has another format, or a row breaks a rule.
    """
    return read_digested_shelf(path, plugin)[1]


def read_digested_shelf(path: Path, plugin: str) -> tuple[str, tuple[AnyWeightsRow, ...]]:
    """Return the sha256 of a shelf and its rows, both of the same bytes; raises as `read_shelf`.

    Args:
        path: The file.
        plugin: Name of the plugin, for messages.
    """
    from hashlib import sha256

    try:
        data = read_shelf_file(path)
        document = parse_json(data, _LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot use plugin {plugin!r}: its shelf {path.name!r}: {reason_of(error)}."
        hint = "fix what the message names; docs/manifest.md shows a shelf."
        raise ManifestError(message, plugin=plugin, manifest=path, hint=hint) from error
    return sha256(data).hexdigest(), rows_of_document(document, path, plugin)


def rows_of_document(
    document: Any, path: Path, plugin: str, reader: UrlReader | None = None
) -> tuple[AnyWeightsRow, ...]:
    """Return the rows of a parsed shelf.

    Args:
        document: The parsed JSON.
        path: Where it comes from, for messages.
        plugin: Name of the plugin or source, for messages.
        reader: Reads an entry of ``urls``; None for what a plugin's row may name.

    Raises:
        ManifestError: It has another format, or a row breaks a rule.
    """
    values = document if isinstance(document, dict) else {"format": None}
    top = Table(values, label=f"the shelf {path.name!r}", path=path, plugin=plugin)
    found = top.take("format", int)
    if found != FORMAT:
        top.fail(f"{top.label} has format {found}, expected {FORMAT}.", hint="update zoo.")
    lists = Table(
        top.take("class_lists", dict, required=False) or {},
        label=f"{top.label} class_lists",
        path=path,
        plugin=plugin,
    )
    class_lists = {name: lists.texts(name) for name in lists.values}
    rows = tuple(read_weights(table, class_lists, reader) for table in top.tables("weights"))
    top.done()
    return rows
