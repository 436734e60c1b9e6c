# SPDX-License-Identifier: Apache-2.0
"""Plugins that a source lists: what they offer and how they are called, never where to get them.

A source holds no code. Its publisher's page, or a package registry that the user trusts, does.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

from zoo.documents import DocumentError, Limits, parse_json, read_file, reason_of
from zoo.errors import SourceError
from zoo.fields import Fields
from zoo.names import PLUGIN_NAME
from zoo.texts import shown
from zoo.weights.sources.book import Source, index_path, read_book, sources_folder

__all__ = [
    "INDEX_LIMITS",
    "PluginListing",
    "plugins_of_source",
    "plugins_of_sources",
    "read_listings",
]

INDEX_LIMITS = Limits(size_bytes=2**25, values=2_000_000, depth=9)
"""Of an index, as it is fetched and as it is kept."""
MOST_PLUGINS = 5_000

_KIND = re.compile("[a-z_]{1,40}")
_MOST_KINDS = 40
_DISTRIBUTION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?"
_VERSION = r"[0-9][0-9A-Za-z.+!-]{0,99}"
_HOMEPAGE = r"https://[^\s/]+(/\S*)?"
_MOST_SUMMARY = 200


@dataclass(frozen=True, slots=True)
class PluginListing:
    """One plugin as an index lists it.

    Attributes:
        name: Name of the plugin, such as ``ponds``.
        distribution: Name of its distribution, such as ``mmzoo-ponds``.
        version: Its newest version, as the publisher states it.
        summary: One line.
        kinds: Kinds of its rows, such as ``dataset``; sorted.
        homepage: Its page, or None.
    """

    name: str
    distribution: str
    version: str
    summary: str
    kinds: tuple[str, ...]
    homepage: str | None = None


def read_listings(value: Any) -> tuple[PluginListing, ...]:
    """Return the plugins of an index.

    Args:
        value: The value of its key ``plugins``, of any type.

    Raises:
        DocumentError: It breaks a rule, or lists a plugin twice.
    """
    if not isinstance(value, list):
        message = f"plugins is {shown(value)}, expected a list"
        raise DocumentError(message)
    if len(value) > MOST_PLUGINS:
        message = f"it lists {len(value):,} plugins, expected at most {MOST_PLUGINS:,}"
        raise DocumentError(message)
    found = tuple(_read(each, number) for number, each in enumerate(value))
    counts = Counter(each.name for each in found)
    twice = next((name for name, count in counts.items() if count > 1), None)
    if twice is not None:
        message = f"it lists the plugin {twice!r} twice"
        raise DocumentError(message)
    return found


def _read(value: Any, number: int) -> PluginListing:
    fields = Fields(value, f"plugins row {number}")
    listing = PluginListing(
        name=fields.text("name", pattern=PLUGIN_NAME, wanted="the name of a plugin"),
        distribution=fields.text("distribution", pattern=_DISTRIBUTION, wanted="a distribution"),
        version=fields.text("version", pattern=_VERSION, wanted="a version"),
        summary=fields.text("summary"),
        kinds=_kinds(fields),
        homepage=_homepage(fields),
    )
    if len(listing.summary) > _MOST_SUMMARY or not listing.summary.strip():
        fields.fail("summary", f"one line of at most {_MOST_SUMMARY} characters")
    fields.done()
    return listing


def _homepage(fields: Fields) -> str | None:
    if fields.values.get("homepage") is not None:
        return fields.text("homepage", pattern=_HOMEPAGE, wanted="an https address")
    if "homepage" in fields.values:
        fields.take("homepage")
    return None


def _kinds(fields: Fields) -> tuple[str, ...]:
    value = fields.take("kinds")
    is_list = isinstance(value, list) and len(value) <= _MOST_KINDS
    if not is_list or not all(isinstance(kind, str) and _KIND.fullmatch(kind) for kind in value):
        fields.fail("kinds", "a list of kinds, such as dataset and loss")
    # A newer zoo may know more kinds; a listing is no contract.
    return tuple(sorted(set(value)))


def plugins_of_sources() -> tuple[list[tuple[Source, PluginListing]], list[str]]:
    """Return the plugins that all sources list, and why some sources cannot be read.

    Nothing is fetched: the indexes are those of the last update, which were verified then.
    """
    found: list[tuple[Source, PluginListing]] = []
    problems: list[str] = []
    try:
        sources = read_book()
    except SourceError as error:
        return [], [str(error)]
    for source in sources.values():
        try:
            found += ((source, each) for each in plugins_of_source(source))
        except SourceError as error:
            problems.append(str(error))
    return found, problems


def plugins_of_source(source: Source) -> tuple[PluginListing, ...]:
    """Return the plugins that one source lists.

    Args:
        source: The source.

    Raises:
        SourceError: Its index cannot be read, or was altered.
    """
    folder = sources_folder()
    if folder is None:
        return ()
    path = index_path(source, folder)
    try:
        data = read_file(path, INDEX_LIMITS.size_bytes)
        if hashlib.sha256(data).hexdigest() != source.digest:
            message = "it was altered"
            raise DocumentError(message)
        return read_listings(parse_json(data, INDEX_LIMITS).get("plugins", []))
    except (OSError, DocumentError) as error:
        message = f"cannot read the index of the source {source.name!r}: {reason_of(error)}."
        hint = f"zoo source remove {source.name}, then add it again: {source.address}"
        raise SourceError(message, source=source.name, where=path, hint=hint) from error
