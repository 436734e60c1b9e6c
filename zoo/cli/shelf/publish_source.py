# SPDX-License-Identifier: Apache-2.0
"""``zoo publish --source``: list weights in an index, and sign it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from zoo.cli.output.printing import say, say_json
from zoo.texts import counted

if TYPE_CHECKING:
    from zoo.manifest.rows import AnyWeightsRow

__all__ = ["is_listable", "list_in_source"]


def is_listable(path: Path) -> bool:
    """Return whether a path is a file with rows, rather than a run to publish.

    Args:
        path: What the user named.
    """
    from zoo.weights.sources.published_files import ROW_SUFFIXES

    return path.suffix in ROW_SUFFIXES


def list_in_source(
    folder: Path, files: Sequence[Path], given: Mapping[str, Any], *, as_json: bool
) -> None:
    """Add the rows of files to the index of a folder, sign it, and say how it can be served.

    Args:
        folder: Folder of the source.
        files: Published files, or files with rows.
        given: Values of the options of an index, by their names.
        as_json: Whether to print JSON.
    """
    from zoo.cli.shelf.plugin_listing import listing_of_plugin
    from zoo.weights.sources.index import INDEX_NAME, moment_text
    from zoo.weights.sources.published_files import rows_of_file
    from zoo.weights.sources.publishing import IndexChange, write_index

    rows = [row for file in files for row in rows_of_file(file, folder, given["url"])]
    change = IndexChange(
        rows=rows,
        name=given["scope"],
        homepage=given["homepage"],
        licence=given["index_licence"],
        days=given["days"],
        yanked=_pairs(given["yank"], "--yank"),
        successors=_pairs(given["deprecate"], "--deprecate"),
        plugins=[listing_of_plugin(path) for path in given["plugin"]],
    )
    index = write_index(folder, change, given["key"])
    path = folder / INDEX_NAME
    expires = moment_text(index.expires)
    if as_json:
        facts = {"name": index.name, "index": str(path), "sequence": index.sequence}
        counts = {"rows": len(index.rows), "plugins": len(index.plugins)}
        say_json({**facts, **counts, "expires": expires, "key": index.key})
        return
    count = f"{len(index.rows):,} {'row' if len(index.rows) == 1 else 'rows'}"
    count += f", {counted(len(index.plugins), 'plugin')}" if index.plugins else ""
    say(f"wrote {path}: {index.name}, number {index.sequence}, {count}, expires {expires}")
    if index.key is None:
        say(
            "warning: it is not signed; --key FILE signs it, zoo source key new writes a key",
            err=True,
        )
    else:
        say(f"signed by {index.key}: state this on your page", err=True)
    for doubt in (*_missing_files(index.rows), *_unknown_successors(index.rows)):
        say(f"warning: {doubt}", err=True)
    say(f"copy {folder} to a web server; users add it by zoo source add URL", err=True)


def _missing_files(rows: Sequence[AnyWeightsRow]) -> Iterator[str]:
    """Yield which files the index lists in its own folder and the folder lacks."""
    for row in rows:
        for url in row.urls:
            if url.startswith("file:") and not Path(url2pathname(urlsplit(url).path)).is_file():
                yield f"{row.name} lists a file beside the index that is not there: {url}"


def _unknown_successors(rows: Sequence[AnyWeightsRow]) -> Iterator[str]:
    names = {row.name for row in rows}
    for row in rows:
        if row.successor is not None and row.successor not in names:
            yield f"the successor of {row.name} is not in the index: {row.successor}"


def _pairs(texts: Sequence[str], option: str) -> dict[str, str]:
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not value.strip():
            message = f"expected NAME=TEXT, got {text!r}"
            raise click.BadParameter(message, param_hint=option)
        found[name.strip()] = value.strip()
    return found
