# SPDX-License-Identifier: Apache-2.0
"""Write an index: rows of published files added to a folder that any web server can serve.

DIR/index.json                    the index
DIR/index.json.sig                its signature
DIR/<sha256>/<file name>          the files, in the layout of a mirror
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.documents import DocumentError, parse_json, read_file, reason_of
from zoo.errors import SourceError
from zoo.texts import shown
from zoo.weights.sources.book import write_bytes
from zoo.weights.sources.index import (
    INDEX_LIMITS,
    INDEX_NAME,
    SCHEMA,
    Index,
    check_scope,
    moment_text,
    read_index,
)
from zoo.weights.sources.row_addresses import AddressRule
from zoo.weights.sources.signing import SIGNATURE_SUFFIX, read_private_key, sign

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["IndexChange", "write_index"]

_DAYS = 365
_LICENCE = "CC0-1.0"


@dataclass(frozen=True, slots=True)
class IndexChange:
    """What is to be changed in an index; None and empty values keep what it has.

    Attributes:
        rows: Rows to add, as tables of the shelf. A row with the name of a present one becomes its
            next version, unless it lists the same file.
        name: Name of the source.
        homepage: Page of the publisher.
        licence: Licence of the index; CC0-1.0 for a new one.
        days: Days until it expires; 365 by default.
        yanked: Name, or ``NAME@VERSION``, of rows to withdraw -> why.
        successors: Name of deprecated rows -> name of the rows to use instead.
        plugins: Plugins to list, as tables of the index; one with the name of a listed one takes
            its place.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    name: str | None = None
    homepage: str | None = None
    licence: str | None = None
    days: int | None = None
    yanked: Mapping[str, str] = field(default_factory=dict)
    successors: Mapping[str, str] = field(default_factory=dict)
    plugins: Sequence[Mapping[str, Any]] = ()


def write_index(folder: Path, change: IndexChange, key: Path | None) -> Index:
    """Write the next index of a folder with its signature; raise its number by one.

    Args:
        folder: Folder of the source, which has an index or will have.
        change: What to change.
        key: File of the private key; None for an index that nobody can trust.

    Raises:
        SourceError: The present index or the key cannot be read, a row breaks a rule, the index was
            signed and would not be any more, or nothing can be written.
    """
    path = folder / INDEX_NAME
    present = _read_present(path)
    private = None if key is None else read_private_key(key)
    if private is None and present.get("key") is not None:
        message = f"cannot write {INDEX_NAME}: it was signed, and users refuse it without."
        raise SourceError(message, where=path, hint="name the private key with --key FILE.")
    document = _changed(present, change, None if private is None else private[1].fingerprint)
    data = f"{json.dumps(document, ensure_ascii=False, indent=1)}\n".encode()
    base = f"{folder.resolve().as_uri()}/"
    # As a reader on any server would: addresses of private hosts are the publisher's own business.
    index = read_index(data, str(path), AddressRule(base, allows_private=True))
    _write(path, data, None if private is None else private[0])
    return index


def _read_present(path: Path) -> dict[str, Any]:
    try:
        document = parse_json(read_file(path, INDEX_LIMITS.size_bytes), INDEX_LIMITS)
    except FileNotFoundError:
        return {}
    except (OSError, DocumentError) as error:
        message = f"cannot read {path.name}: {reason_of(error)}."
        hint = "correct it, or move it away to start anew; users refuse a number that falls."
        raise SourceError(message, where=path, hint=hint) from error
    is_index = isinstance(document, dict) and isinstance(document.get("shelf"), dict)
    if not is_index or not isinstance(document["shelf"].get("weights"), list):
        message = f"cannot read {path.name}: it is no index."
        hint = "correct it, or move it away to start anew; users refuse a number that falls."
        raise SourceError(message, where=path, hint=hint)
    return dict(document)


def _changed(present: dict[str, Any], change: IndexChange, key: str | None) -> dict[str, Any]:
    name = change.name or present.get("name")
    if name is None:
        message = "cannot write a new index: its source has no name."
        raise SourceError(message, where="--scope", hint="name it with --scope NAME.")
    if present and name != present["name"]:
        message = f"cannot rename the source {present['name']!r} to {name!r}: users refuse an "
        message += "index of another name."
        raise SourceError(message, where="--scope", hint="leave --scope out.")
    check_scope(str(name), "--scope")
    shelf = present.get("shelf") or {"format": 1, "class_lists": {}, "weights": []}
    rows = [dict(row) for row in shelf["weights"]]
    for row in change.rows:
        _add(rows, dict(row))
    _mark(rows, "yanked", change.yanked)
    _mark(rows, "successor", change.successors)
    sequence = present.get("sequence", 0)
    now = datetime.now(UTC)
    days = _DAYS if change.days is None else change.days
    return {
        "index": SCHEMA,
        "name": name,
        "sequence": sequence + 1 if isinstance(sequence, int) else sequence,
        "created": moment_text(now),
        "expires": moment_text(now + timedelta(days=days)),
        "homepage": change.homepage or present.get("homepage"),
        "licence": change.licence or present.get("licence") or _LICENCE,
        "key": key,
        "shelf": {**shelf, "weights": rows},
        **_plugins(present, change),
    }


def _plugins(present: Mapping[str, Any], change: IndexChange) -> dict[str, Any]:
    """Return the list of plugins, sorted by name; without any, no key that older readers refuse."""
    kept = present.get("plugins") or []
    if not isinstance(kept, list) or not all(isinstance(each, dict) for each in kept):
        return {"plugins": kept}  # reading the new index refuses it
    listed = {each.get("name"): each for each in kept}
    listed |= {each["name"]: dict(each) for each in change.plugins}
    rows = sorted(listed.values(), key=lambda each: str(each.get("name")))
    return {"plugins": rows} if rows else {}


def _add(rows: list[dict[str, Any]], row: dict[str, Any]) -> None:
    """Add a row; one with a name that is there becomes its next version."""
    same = [each for each in rows if each.get("name") == row.get("name")]
    digests = [_digest(each) for each in same]
    if _digest(row) is not None and _digest(row) in digests:
        place = rows.index(same[digests.index(_digest(row))])
        kept = {key: rows[place][key] for key in ("version",) if key in rows[place]}
        rows[place] = {**row, **kept}
        return
    versions = [each.get("version", 1) for each in same]
    if versions and "version" not in row:
        row["version"] = max(versions) + 1
    rows.append(row)


def _digest(row: Mapping[str, Any]) -> Any:
    return next((row[key] for key in ("sha256", "sha256_prefix", "md5_prefix") if key in row), None)


def _mark(rows: list[dict[str, Any]], key: str, marks: Mapping[str, str]) -> None:
    for name, value in marks.items():
        fitting = [
            row
            for row in rows
            if name in (row.get("name"), f"{row.get('name')}@{row.get('version', 1)}")
        ]
        if not fitting:
            names = ", ".join(str(row.get("name")) for row in rows[:5]) or "no rows"
            message = f"cannot mark the weights {shown(name)}: the index has no such row."
            raise SourceError(message, hint=f"it has {names}.")
        for row in fitting:
            row[key] = value


def _write(path: Path, data: bytes, private: Ed25519PrivateKey | None) -> None:
    signature = path.with_name(f"{path.name}{SIGNATURE_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if private is not None:
            write_bytes(signature, sign(data, private))
        write_bytes(path, data)
    except OSError as error:
        message = f"cannot write {path.name}: {error.strerror or error}."
        hint = "check the free space and the permissions there, or name another folder."
        raise SourceError(message, where=path, hint=hint) from error
