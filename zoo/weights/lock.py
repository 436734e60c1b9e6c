# SPDX-License-Identifier: Apache-2.0
"""``zoo.lock``: the full digests of the weights that the user has adopted, and accepted licences.

Upstream names contain 8 hex digits of a sha256, enough to find a file but too few to verify it.
Adopting pins all 64 digits of the published and of the converted file. From then on the weights are
verified like those of any row.

Format 2 adds where a source came from, who converted it, and the licences; format 1 is still read.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from zoo.errors import ConflictError, DownloadError
from zoo.folders import home_expanded
from zoo.weights.lock_file.document import changing, is_frozen, read_sections, write_sections
from zoo.weights.lock_file.rows import by_key, read_row, stated

__all__ = [
    "LOCK_NAME",
    "Accepted",
    "Pin",
    "accept_licence",
    "accepted_licence",
    "add_pins",
    "check_locked",
    "find_pin",
    "is_path_address",
    "lock_file",
    "own_lock_file",
    "pin_of",
    "read_pins",
]

LOCK_NAME = "zoo.lock"


@dataclass(frozen=True, slots=True)
class Pin:
    """The pinned file of one name.

    Attributes:
        name: Name of the row.
        plugin: Plugin that lists it.
        sha256: Digest of the converted file, 64 hex digits.
        size_bytes: Size of the converted file.
        source_sha256: Digest of the source.
        source_size_bytes: Size of the source.
        parameters: Number of parameters, without buffers; None if the row does not state it.
        converter: ``plugin.name`` of the converter, or None if there was none.
        converter_version: Its version, or None.
        address: Where the source came from, with its revision; None for a file of this disk.
        judge: Kind of the `Digest` that judged the source when it was adopted, or None.
    """

    name: str
    plugin: str
    sha256: str
    size_bytes: int
    source_sha256: str
    source_size_bytes: int
    parameters: int | None
    converter: str | None = None
    converter_version: int | None = None
    address: str | None = None
    judge: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """A licence that the user accepted for one name.

    Attributes:
        name: Name of the row.
        plugin: Plugin that lists it.
        licence: The licence, as the row stated it; another one is to be accepted anew.
    """

    name: str
    plugin: str
    licence: str


def lock_file() -> Path:
    """Return the path of the current ``zoo.lock``, which may not exist yet.

    ``ZOO_LOCK`` sets it, so that a team can share one; by default it is the user's own.

    Raises:
        DownloadError: It starts with ``~``, and the home folder is unknown.
    """
    named = os.environ.get("ZOO_LOCK")
    return home_expanded(named, "ZOO_LOCK") if named else own_lock_file()


def own_lock_file() -> Path:
    """Return the path of the user's own ``zoo.lock``, regardless of ``ZOO_LOCK``.

    It is in the user's settings folder, not in the cache, which may be emptied or belong to
    another user.

    Raises:
        DownloadError: The folder starts with ``~``, and the home folder is unknown.
    """
    system = str(sys.platform)
    if system.startswith("linux"):  # same as platformdirs, whose import takes 6 ms
        settings = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        return home_expanded(settings, "XDG_CONFIG_HOME") / "zoo" / LOCK_NAME
    from platformdirs import user_config_path

    return user_config_path("zoo") / LOCK_NAME


def pin_of(pins: Mapping[str, Pin], name: str, plugin: str) -> Pin | None:
    """Return the pin of a name that belongs to the plugin, else None.

    Args:
        pins: Pins from `read_pins`.
        name: Name of the weights, without the plugin.
        plugin: Plugin whose row is looked up.
    """
    known = (pins.get(name), pins.get(f"{plugin}.{name}"))
    return next((pin for pin in known if pin is not None and pin.plugin == plugin), None)


def find_pin(name: str, plugin: str) -> Pin | None:
    """Return the pin of a name of a plugin in the current ``zoo.lock``, or None.

    Args:
        name: Name of the weights, without the plugin.
        plugin: Plugin whose row is looked up.

    Raises:
        DownloadError: The lock file cannot be read, or is not valid.
    """
    return _read(lock_file())[0].get((plugin, name))


def read_pins(path: Path | None = None) -> dict[str, Pin]:
    """Return the pins by name; empty if there is no lock file yet.

    Of a name that two plugins list, the second pin has the key ``plugin.name``.

    Args:
        path: A ``zoo.lock``; None for the default one.

    Raises:
        DownloadError: It cannot be read, or is not a valid lock file.
    """
    pins: dict[str, Pin] = {}
    for pin in _read(path or lock_file())[0].values():
        pins[pin.name if pin.name not in pins else f"{pin.plugin}.{pin.name}"] = pin
    return pins


def accepted_licence(name: str, plugin: str) -> str | None:
    """Return the licence that the user accepted for a name, or None.

    Args:
        name: Name of the weights, without the plugin.
        plugin: Plugin that lists them.

    Raises:
        DownloadError: The lock file cannot be read, or is not valid.
    """
    found = _read(lock_file())[1].get((plugin, name))
    return None if found is None else found.licence


def add_pins(pins: Iterable[Pin], path: Path | None = None, *, replace: bool = False) -> Path:
    """Add pins to the lock file, replacing it atomically while no other process writes it.

    Args:
        pins: Pins to add.
        path: The lock file; None for the default one.
        replace: Whether a pin may replace another one of its name.

    Returns:
        The lock file.

    Raises:
        ConflictError: A name is already pinned to another digest; nothing is added.
        DownloadError: The file cannot be read or written, or ``ZOO_FROZEN`` is set.
    """
    file = path or lock_file()
    new = {(pin.plugin, pin.name): _shareable(pin) for pin in pins}
    with changing(file):
        known, accepted = _read(file)
        for key, pin in () if replace else new.items():
            _check_same(file, known.get(key), pin)
        if not new.items() <= known.items():
            _write(file, {**known, **new}, accepted)
    return file


def accept_licence(accepted: Accepted) -> None:
    """Remember in the lock file that the user accepts a licence.

    Args:
        accepted: The licence and whose it is.

    Raises:
        DownloadError: The file cannot be read or written, or ``ZOO_FROZEN`` is set.
    """
    file = lock_file()
    with changing(file):
        pins, known = _read(file)
        key = (accepted.plugin, accepted.name)
        if known.get(key) != accepted:
            _write(file, pins, {**known, key: accepted})


def check_locked(name: str, sha256: str | None) -> None:
    """Raise unless the lock holds a file, if ``ZOO_FROZEN`` is set; else do nothing.

    Args:
        name: Name of the weights, or an address.
        sha256: Digest of the file or of its source; None if the row does not say it.

    Raises:
        DownloadError: The lock does not hold it, or cannot be read.
    """
    if not is_frozen():
        return
    file = lock_file()
    pins = read_pins(file)
    if any(sha256 in (pin.sha256, pin.source_sha256) for pin in pins.values()):
        return
    held = "pins other bytes of that name" if name in pins else "does not hold them"
    message = f"cannot use the weights {name!r}: ZOO_FROZEN is set, and {file.name} {held}."
    hint = f"zoo lock {name} without ZOO_FROZEN, once; then share the changed file."
    if "://" in name:
        hint = "give the name of weights that the lock holds, or unset ZOO_FROZEN."
    raise DownloadError(message, where=file, hint=hint)


_Pins = dict[tuple[str, str], Pin]
_Licences = dict[tuple[str, str], Accepted]


def _shareable(pin: Pin) -> Pin:
    """Return a pin without an address that only this machine has."""
    is_remote = pin.address is not None and not is_path_address(pin.address)
    return pin if is_remote or pin.address is None else dataclasses.replace(pin, address=None)


def is_path_address(address: str) -> bool:
    """Return whether an address is a place on a disk.

    Args:
        address: Address of a source.
    """
    scheme, colon, _ = address.partition(":")
    return not colon or scheme == "file" or len(scheme) == 1  # a drive letter


def _write(file: Path, pins: _Pins, licences: _Licences) -> None:
    sections = read_sections(file)
    sections["weights"] = [stated(pin) for pin in sorted(pins.values(), key=_order)]
    sections["licences"] = [stated(licences[key]) for key in sorted(licences)]
    write_sections(file, sections)


def _order(pin: Pin) -> tuple[str, str]:
    return pin.name, pin.plugin


def _check_same(file: Path, known: Pin | None, pin: Pin) -> None:
    if known is None or known == pin:
        return
    message = (
        f"cannot pin {pin.name!r} to sha256 {pin.sha256}, made from {pin.source_sha256}: "
        f"{file} pins it to {known.sha256}, made from {known.source_sha256}."
    )
    hint = "if the new file is the right one, remove the old row from that file first."
    raise ConflictError(message, first=known.sha256, second=pin.sha256, hint=hint)


_READ: dict[Path, tuple[tuple[int, ...], _Pins, _Licences]] = {}


def _read(file: Path) -> tuple[_Pins, _Licences]:
    """Return what a lock file holds, parsed once while it is the same: a listing asks often."""
    try:
        status = file.stat()
    except OSError:  # reading it says what is wrong
        return _parse(file)
    mark = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _READ.get(file)
    if known is None or known[0] != mark:
        known = _READ[file] = (mark, *_parse(file))
    return known[1], known[2]


def _parse(file: Path) -> tuple[_Pins, _Licences]:
    sections = read_sections(file)
    pins = [read_row(file, "weights", n, row, Pin) for n, row in enumerate(sections["weights"], 1)]
    accepted = [
        read_row(file, "licences", n, row, Accepted)
        for n, row in enumerate(sections["licences"], 1)
    ]
    return (
        by_key(file, "weights", pins, lambda pin: (pin.plugin, pin.name)),
        by_key(file, "licences", accepted, lambda row: (row.plugin, row.name)),
    )
