# SPDX-License-Identifier: Apache-2.0
"""The index of a source: a shelf of weights in an envelope that names, numbers and dates it.

    {"index": 1, "name": "acme", "sequence": 3, "created": "2026-05-01T12:00:00Z",
     "expires": "2027-05-01T12:00:00Z", "homepage": "https://...", "licence": "CC0-1.0",
     "key": "sha256:...", "shelf": {"format": 1, "class_lists": {}, "weights": [...]},
     "plugins": [...]}

``index.schema.json`` beside this module states the same for other tools.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, parse_json, reason_of
from zoo.errors import ManifestError, SourceError
from zoo.fields import Fields
from zoo.manifest.kinds import KINDS
from zoo.manifest.rows import AnyWeightsRow
from zoo.manifest.shelf import rows_of_document
from zoo.texts import shown
from zoo.weights.sources.plugin_listings import INDEX_LIMITS, PluginListing, read_listings
from zoo.weights.sources.row_addresses import AddressRule

__all__ = [
    "INDEX_LIMITS",
    "INDEX_NAME",
    "SCHEMA",
    "Index",
    "check_scope",
    "moment_text",
    "read_index",
    "read_moment",
]

SCHEMA = 1
INDEX_NAME = "index.json"
MOST_ROWS = 50_000

_SCOPE = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_KEY = r"sha256:[0-9a-f]{64}"
_HOMEPAGE = r"https://[^\s/]+(/\S*)?"
# `zoo info KIND/NAME` gives these a meaning of their own.
_RESERVED = frozenset({*KINDS, "config", "weights", "legacy", "legacy_index", "plugin", "zoo"})
_HINT = "tell its publisher; docs/sources.md shows an index."


@dataclass(frozen=True, slots=True)
class Index:
    """One index, checked.

    Attributes:
        name: Name that its publisher gave it; the scope of its rows, unless the user renames it.
        sequence: Number that rises with every change.
        created: When it was written, UTC.
        expires: When it must have been replaced, UTC.
        homepage: Page of its publisher, or None.
        licence: Licence of the index itself.
        key: Fingerprint of the key that signs it, or None.
        rows: Its rows, with whole addresses; their names have no scope.
        plugins: Plugins that it lists, for searches.
    """

    name: str
    sequence: int
    created: datetime
    expires: datetime
    homepage: str | None
    licence: str
    key: str | None
    rows: tuple[AnyWeightsRow, ...]
    plugins: tuple[PluginListing, ...] = ()


def read_index(data: bytes, where: str, rule: AddressRule) -> Index:
    """Return an index, whose signature is checked elsewhere.

    Args:
        data: The bytes of the file.
        where: Its address, for messages.
        rule: Which addresses its rows may name.

    Raises:
        SourceError: It exceeds a limit, is of another schema, or breaks a rule.
    """
    try:
        document = parse_json(data, INDEX_LIMITS)
        _check_texts(data, document)
        _check_schema(document, where)
        return _read(Fields(document), where, rule)
    except DocumentError as error:
        message = f"cannot use the index: {reason_of(error)}."
        raise SourceError(message, where=where, hint=_HINT) from error
    except ManifestError as error:
        found = error.message.partition(": ")[2]
        message = f"cannot use the index: {found}"
        raise SourceError(message, where=where, hint=error.hint) from error


def _check_texts(data: bytes, document: Any) -> None:
    """Raise an error if a text holds half a character, which no file could keep."""
    if _SURROGATE.search(data) is None:
        return
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        message = f"it holds half a character, {error.object[error.start : error.end]!r:.20}"
        raise DocumentError(message) from error


def _check_schema(document: Any, where: str) -> None:
    found = document.get("index") if isinstance(document, dict) else None
    if type(found) is int and found > SCHEMA:
        message = f"cannot use the index: it has the schema {found}, expected {SCHEMA}."
        raise SourceError(message, where=where, hint="update zoo.")


def _read(fields: Fields, where: str, rule: AddressRule) -> Index:
    if fields.whole("index", 1) != SCHEMA:
        fields.fail("index", str(SCHEMA))
    wanted = "lower case letters, digits, '_' and '-', at most 40"
    name = fields.text("name", pattern=_SCOPE.pattern, wanted=wanted)
    keys = {key: fields.take(key) if key in fields.values else None for key in ("homepage", "key")}
    homepage = None if keys["homepage"] is None else fields.text("homepage", pattern=_HOMEPAGE)
    key = None if keys["key"] is None else fields.text("key", pattern=_KEY, wanted="sha256:...")
    index = Index(
        name=name,
        sequence=fields.whole("sequence", 1),
        created=_moment(fields, "created"),
        expires=_moment(fields, "expires"),
        homepage=homepage,
        licence=fields.text("licence"),
        key=key,
        rows=_rows(fields.table("shelf"), name, rule),
        plugins=read_listings(fields.take("plugins") if "plugins" in fields.values else []),
    )
    fields.done()
    if index.expires <= index.created:
        message = f"it expires {moment_text(index.expires)}, before it was created"
        raise DocumentError(message)
    return index


def _rows(shelf: dict[str, Any], name: str, rule: AddressRule) -> tuple[AnyWeightsRow, ...]:
    listed = shelf.get("weights")
    if isinstance(listed, list) and len(listed) > MOST_ROWS:
        message = f"it has {len(listed):,} rows, expected at most {MOST_ROWS:,}"
        raise DocumentError(message)
    rows = rows_of_document(shelf, Path(INDEX_NAME), name, rule.read)
    _check_names(rows)
    return rows


def _check_names(rows: Iterable[AnyWeightsRow]) -> None:
    """Check that no two rows share a name and a version, and that an alias means one name."""
    versions: set[tuple[str, int]] = set()
    owners: dict[str, str] = {}
    for row in rows:
        if (row.name, row.version) in versions:
            message = f"it has {row.name!r} twice with the version {row.version}"
            raise DocumentError(message)
        versions.add((row.name, row.version))
        for alias in (row.name, *row.aliases):
            if owners.setdefault(alias, row.name) != row.name:
                message = f"the name {alias!r} means both {owners[alias]!r} and {row.name!r}"
                raise DocumentError(message)


def _moment(fields: Fields, key: str) -> datetime:
    wanted = "a moment in UTC, as 2026-05-01T12:00:00Z"
    try:
        return read_moment(fields.text(key, pattern=_MOMENT.pattern, wanted=wanted))
    except DocumentError:
        raise
    except ValueError:  # such as a 13th month
        fields.fail(key, wanted)


def read_moment(text: str) -> datetime:
    """Return a moment in UTC.

    Args:
        text: As `moment_text` writes it.

    Raises:
        ValueError: It is not such a moment.
    """
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def moment_text(moment: datetime) -> str:
    """Return a moment as an index states it, to the second.

    Args:
        moment: In UTC.

    Example:
        >>> moment_text(datetime(2026, 5, 1, 12, tzinfo=UTC))
        '2026-05-01T12:00:00Z'
    """
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def check_scope(name: str, option: str = "--as") -> None:
    """Raise an error unless a name can be that of a source.

    Args:
        name: Name that the publisher or the user gives it.
        option: Option that names it.

    Raises:
        SourceError: It has other characters, or zoo gives it another meaning.
    """
    if name in _RESERVED:
        found = f"{name!r} has a meaning of its own in zoo"
    elif _SCOPE.fullmatch(name) is None:
        found = f"found {shown(name)}, expected lower case letters, digits, '_' and '-', "
        found += "at most 40"
    else:
        return
    message = f"cannot name a source: {found}."
    raise SourceError(message, hint=f"name it with {option} NAME.")
