# SPDX-License-Identifier: Apache-2.0
"""Adopt a living row: fetch its source, judge it, convert it once, pin the result in `zoo.lock`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from zoo.catalog import Found
from zoo.engine.adoption.converters import find_converter
from zoo.engine.adoption.licences import check_accepted
from zoo.engine.adoption.telling import foretold, told_afterwards
from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest, LivingRow
from zoo.weights import fetch_file, is_offline, user_mirrors
from zoo.weights.cache import cache_folder, cached_files, plain_name
from zoo.weights.fetching.addresses import is_local, mirror_addresses, shown_address
from zoo.weights.fetching.judging import fits
from zoo.weights.fetching.sources import FetchedSource, Progress
from zoo.weights.files import first_that_holds
from zoo.weights.lock import Pin, add_pins, check_locked, find_pin, lock_file
from zoo.weights.source_files import fetch_row_source, remove_source, source_addresses
from zoo.weights.staging import keep_staged, one_at_a_time, staging_folder

if TYPE_CHECKING:
    from zoo.engine.adoption.conversion import Conversion

__all__ = ["Way", "adopt"]

_LOG = logging.getLogger("zoo")


def _say_nothing(_: str) -> None:
    """Show nothing: nobody asked."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where weights may come from, and what the user allows.

    Attributes:
        mirrors: Addresses or folders to try first, before those of ``ZOO_MIRRORS``.
        offline: Whether to avoid network access; ``ZOO_OFFLINE`` has the same effect.
        progress: Called with the bytes received and the total size in bytes.
        pins: Whether the user asked to pin: then a source of which less than a full digest is
            stated may be taken, and a pin that the row contradicts is replaced.
        accepts_licence: Whether the user accepts a restricted licence.
        tell: Called with each line that says what is pinned.
    """

    mirrors: Sequence[str] = ()
    offline: bool = False
    progress: Progress | None = field(default=None, compare=False)
    pins: bool = False
    accepts_licence: bool = False
    tell: Callable[[str], None] = field(default=_say_nothing, compare=False)


def adopt(found: Found, row: LivingRow, way: Way) -> Pin:
    """Return the pin of a living row whose converted file is in the cache; make both if needed.

    Two processes do the work once. A killed one leaves nothing half done: the converted file
    appears whole, and it is pinned afterwards.

    Args:
        found: The row and its plugin.
        row: The living row.
        way: Where its source may come from, and what the user allows.

    Raises:
        DownloadError: The source cannot be fetched, or may not be taken unasked.
        HashMismatchError: The source or the result differs from its digest.
        CheckpointError: The source cannot be read or converted.
        PluginError: The converter or its plugin cannot be used.
    """
    known = find_pin(row.name, found.record.name)
    check_locked(row.name, None if known is None else known.sha256)
    pin = _usable_pin(found, row, way)
    if pin is None:
        check_accepted(found, row, accept=way.accepts_licence)
        if known is None and not row.digest.is_full and not way.pins:
            raise _unidentified(found, row)
        with one_at_a_time(f"{found.record.name}.{plain_name(row.name)}"):
            # Another process may have just made it.
            pin = _usable_pin(found, row, way) or _make(found, row, way)
    elif way.pins:
        way.tell(f"{row.name} is pinned already: sha256 {pin.sha256}")
    return pin


def _usable_pin(found: Found, row: LivingRow, way: Way) -> Pin | None:
    """Return the pin if its file is in the cache, and, where the user asks to pin, still right."""
    pin = find_pin(row.name, found.record.name)
    if pin is None or (way.pins and not _is_of(pin, found, row)):
        return None
    path, _ = first_that_holds(cached_files(pin.sha256), pin.sha256, pin.size_bytes)
    return pin if path is not None else None


def _is_of(pin: Pin, found: Found, row: LivingRow) -> bool:
    """Return whether a pin was made from what the row and its converter are today."""
    converter = find_converter(found)
    made_by = (None, None) if converter is None else (converter.name, converter.version)
    is_same_source = fits(row.digest, pin.source_sha256)
    if not row.digest.kind.startswith("sha256") and pin.address is not None:
        # No other fact of the source is kept that could tell.
        is_same_source = any(shown_address(url) == pin.address for url in row.urls)
    return is_same_source and made_by == (pin.converter, pin.converter_version)


def _make(found: Found, row: LivingRow, way: Way) -> Pin:
    pin = None if way.pins else find_pin(row.name, found.record.name)
    if pin is not None and _is_mirrored(pin, way):
        return pin
    return _convert(found, row, way, pin)


def _is_mirrored(pin: Pin, way: Way) -> bool:
    """Return whether a mirror had the converted file of a pin, which is then in the cache."""
    name = f"{plain_name(pin.name)}.safetensors"
    addresses = [
        address
        for mirror in user_mirrors(way.mirrors)
        for address in mirror_addresses(mirror, pin.sha256, name)
        if is_local(address) or not is_offline(way.offline)
    ]
    if not addresses:
        return False
    target, wanted = cache_folder() / pin.sha256 / name, (pin.sha256, pin.size_bytes)
    try:  # a damaged file, which a good one would have made needless, is replaced
        fetch_file(target, *wanted, addresses, progress=way.progress, mend=True)
    except DownloadError as error:
        _LOG.info("%s", error.message)
        return False
    return True


def _convert(found: Found, row: LivingRow, way: Way, pin: Pin | None) -> Pin:
    """Fetch and convert the source of a row, and return its pin, new if there is none yet."""
    from zoo.engine.adoption.conversion import convert_source
    from zoo.engine.adoption.model_record import check_config

    converter = find_converter(found)
    if converter is not None:
        converter.load()  # a plugin that cannot be used is found before a gigabyte was fetched
    check_config(found)
    digest = row.digest if pin is None else Digest("sha256", pin.source_sha256)
    folder = found.record.checked().folder
    addresses = source_addresses(row, digest, way.mirrors, offline=way.offline, folder=folder)
    for line in foretold(found, row) if way.pins else ():
        way.tell(line)
    with staging_folder() as place:  # until it is left, `zoo cache prune` spares the new files
        source = fetch_row_source(row, digest, addresses, progress=way.progress)
        staged = place / f"{row.name}.safetensors"
        conversion = convert_source(found, row, source, staged)
        if pin is not None:
            _check_same(pin, conversion)
        made = pin or _pin(found, row, source, conversion)
        keep_staged(staged, made.sha256, staged.name)
        if pin is None:
            add_pins([made], replace=way.pins)
        remove_source(source.path)
    for line in told_afterwards(source, made) if way.pins else ():
        way.tell(line)
    return made


def _pin(found: Found, row: LivingRow, source: FetchedSource, conversion: Conversion) -> Pin:
    return Pin(
        name=row.name,
        plugin=found.record.name,
        sha256=conversion.file.sha256,
        size_bytes=conversion.file.size_bytes,
        source_sha256=source.sha256,
        source_size_bytes=source.size_bytes,
        parameters=conversion.parameters or None,  # of buffers alone
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
    message = f"cannot get the weights {row.name!r}: their row states {stated}, expected "
    message += "a full sha256."
    hint = f"zoo download {row.name} --pin (once: it shows what the host has, and pins that)."
    where = f"{found.record.label}, {shown_address(row.urls[0])}"
    return DownloadError(message, where=where, hint=hint)


def _check_same(pin: Pin, conversion: Conversion) -> None:
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
