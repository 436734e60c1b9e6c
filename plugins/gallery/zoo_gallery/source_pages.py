# SPDX-License-Identifier: Apache-2.0
"""From the sources that were added to what their pages say; nothing is fetched."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator

import zoo
from zoo_gallery.links import shown_address, web_link
from zoo_gallery.models import Model
from zoo_gallery.owners import Listing, SourcePage
from zoo_gallery.plain_text import exact, line
from zoo_gallery.site_names import page_names
from zoo_gallery.versions import with_versions

__all__ = ["source_pages"]

_MOST_LISTINGS = 5_000


def source_pages(sources: Iterable[zoo.SourceContents]) -> list[SourcePage]:
    """Return the page of each source, sorted by name; those that cannot be read, too.

    Args:
        sources: As `zoo.read_sources` returns them.
    """
    listed = sorted(sources, key=lambda source: source.name)
    folders = page_names(source.name for source in listed)
    return [_page(source, f"sources/{folders[source.name]}") for source in listed]


def _page(source: zoo.SourceContents, folder: str) -> SourcePage:
    adding = _adding(source)
    return SourcePage(
        name=line(source.name),
        path=f"{folder}/index.html",
        address=exact(shown_address(source.address)),
        link=web_link(source.address),
        key=line(source.key),
        sequence=source.sequence,
        created=line(source.created),
        expires=line(source.expires),
        licence=line(source.licence),
        homepage=web_link(source.homepage),
        adding=adding,
        models=tuple(_models(source, folder, adding)),
        listings=tuple(_listings(source)),
        problem="" if source.error is None else line(source.error.message),
    )


def _adding(source: zoo.SourceContents) -> str:
    """Return the command that adds the source elsewhere; empty if its address is of here."""
    if web_link(source.address) is None and not source.address.startswith("hf://"):
        return ""
    trust = f"--key {source.key}" if source.key is not None else "--unsigned"
    return line(f"zoo source add {shlex.quote(source.address)} --as {source.name} {trust}", 4_000)


def _models(source: zoo.SourceContents, folder: str, adding: str) -> Iterator[Model]:
    for version in with_versions(source.rows, folder, f"{source.name}/"):
        row = version.row
        yield Model(
            row=row,
            path=version.path,
            called=row.name if version.is_newest else f"{row.name}@{row.version}",
            is_newest=version.is_newest,
            owner=source.name,
            owner_path=f"{folder}/index.html",
            is_of_source=True,
            adding=adding,
            classes=tuple(row.classes or ()),
            versions=version.others,
        )


def _listings(source: zoo.SourceContents) -> Iterator[Listing]:
    for each in source.plugins[:_MOST_LISTINGS]:
        yield Listing(
            name=line(each.name),
            distribution=line(each.distribution),
            version=line(each.version),
            summary=line(each.summary),
            kinds=line(", ".join(each.kinds)),
            link=web_link(each.homepage),
        )
