# SPDX-License-Identifier: Apache-2.0
"""Adopt a living row: fetch its source, judge it, convert it once, pin the result in `zoo.lock`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.catalog import Found
from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest, LivingRow
from zoo.weights.by_name import find_pin
from zoo.weights.cache import cached_files
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.sources import FetchedSource, Progress
from zoo.weights.files import first_that_holds
from zoo.weights.lock import Pin, add_pins, lock_file
from zoo.weights.source_files import fetch_row_source, remove_source, source_addresses
from zoo.weights.staging import keep_staged, one_at_a_time, staging_folder

if TYPE_CHECKING:
    from zoo.engine.adoption.conversion import Conversion

__all__ = ["Way", "adopt", "find_adopted"]


@dataclass(frozen=True, slots=True)
class Way:
    """Where files may come from.

    Attributes:
        mirrors: Addresses or folders to try first, before those of ``ZOO_MIRRORS``.
        offline: Whether to avoid network access; ``ZOO_OFFLINE`` has the same effect.
        progress: Called with the bytes received and the total size in bytes.
    """

    mirrors: Sequence[str] = ()
    offline: bool = False
    progress: Progress | None = field(default=None, compare=False)


def find_adopted(pin: Pin) -> Path | None:
    """Return the verified converted file of a pin in the cache, or None.

    Args:
        pin: The pin.

    Raises:
        DownloadError: A file in the cache cannot be read.
    """
    return first_that_holds(cached_files(pin.sha256), pin.sha256, pin.size_bytes)[0]


def adopt(found: Found, row: LivingRow, way: Way, *, is_asked: bool = False) -> Pin:
    """Return the pin of a living row whose converted file is in the cache; make both if needed.

    Two processes do the work once. A killed one leaves nothing half done: the converted file
    appears whole, and it is pinned afterwards.

    Args:
        found: The row and its plugin.
        row: The living row.
        way: Where its source may come from.
        is_asked: Whether the user asked to pin it: then a source of which less than a full digest
            is stated may be taken, and a pin that differs from what is made now is replaced.

    Raises:
        DownloadError: The source cannot be fetched, or may not be taken unasked.
        HashMismatchError: The source or the result differs from its digest.
        CheckpointError: The source cannot be read or converted.
        PluginError: The converter or its plugin cannot be used.
    """
    pin = find_pin(found)
    if pin is not None and find_adopted(pin) is not None:
        return pin
    if pin is None and not row.digest.is_full and not is_asked:
        raise _unidentified(found, row)
    with one_at_a_time(f"{found.record.name}.{row.name}"):
        pin = find_pin(found)  # another process may have just made it
        if pin is not None and find_adopted(pin) is not None:
            return pin
        return _make(found, row, way, pin, is_asked=is_asked)


def _make(found: Found, row: LivingRow, way: Way, pin: Pin | None, *, is_asked: bool) -> Pin:
    from zoo.engine.adoption.conversion import convert_source

    is_bound = pin is not None and not is_asked
    digest = row.digest if pin is None or is_asked else Digest("sha256", pin.source_sha256)
    addresses = source_addresses(row, digest, way.mirrors, offline=way.offline)
    source = fetch_row_source(row, digest, addresses, progress=way.progress)
    with staging_folder() as folder:  # until it is left, `zoo cache prune` spares the new file
        staged = folder / f"{row.name}.safetensors"
        conversion = convert_source(found, row, source, staged)
        if pin is not None and is_bound:
            _check_same(found, pin, conversion)
        made = pin if pin is not None and is_bound else _pin(found, row, source, conversion)
        keep_staged(staged, made.sha256, staged.name)
        if not is_bound:
            add_pins([made], replace=is_asked)
    remove_source(source.path)
    return made


def _pin(found: Found, row: LivingRow, source: FetchedSource, conversion: Conversion) -> Pin:
    return Pin(
        name=row.name,
        plugin=found.record.name,
        sha256=conversion.file.sha256,
        size_bytes=conversion.file.size_bytes,
        source_sha256=source.sha256,
        source_size_bytes=source.size_bytes,
        parameters=conversion.parameters,
        converter=conversion.converter,
        converter_version=conversion.version,
        address=shown_address(row.urls[0] if source.stated is None else source.stated.address),
        judge=row.digest.kind,
    )


_STATED = {
    "sha256_prefix": "only the first {} digits of a sha256",
    "md5_prefix": "only the first {} digits of an md5",
    "revision": "no digest, only a revision of the host",
}


def _unidentified(found: Found, row: LivingRow) -> DownloadError:
    stated = _STATED[row.digest.kind].format(len(row.digest.value))
    message = f"cannot get the weights {row.name!r} unasked: their row states {stated}, expected "
    message += "a full sha256."
    hint = f"zoo download {row.name} --pin (once: it shows what the host has, and pins that)."
    where = f"plugin {found.record.name}, {row.urls[0]}"
    return DownloadError(message, where=where, hint=hint)


def _check_same(found: Found, pin: Pin, conversion: Conversion) -> None:
    """Raise unless a source was converted to the bytes that are pinned."""
    made = conversion.file
    if made.sha256 == pin.sha256:
        return
    message = f"cannot use the weights {pin.name!r}: their source was converted to the sha256 "
    message += f"{made.sha256}, expected {pin.sha256}."
    if conversion.version != pin.converter_version:
        message += f" The converter is version {conversion.version} now, the pin was made with "
        message += f"{pin.converter_version}."
    hint = f"zoo download {pin.name} --pin pins the new file."
    digests = {"expected": pin.sha256, "actual": made.sha256}
    raise HashMismatchError(message, **digests, where=lock_file(), hint=hint)
