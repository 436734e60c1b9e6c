# SPDX-License-Identifier: Apache-2.0
"""``rescue``: adopt old OpenMMLab checkpoints found on this disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoo.engine.checkpoints.convert import Converted, convert_checkpoint
from zoo.errors import (
    CheckpointError,
    ConflictError,
    DownloadError,
    ZooError,
)
from zoo.manifest.legacy_rows import LegacyRow
from zoo.weights import add_to_cache, cache_folder, fetch_file
from zoo.weights.cache import cached_files
from zoo.weights.files import first_that_holds
from zoo.weights.lock import LOCK_NAME, Pin, add_pins, read_pins
from zoo.weights.rescue import LegacyIndex, OldFile, find_files, read_old_file
from zoo.weights.staging import staging_folder

__all__ = ["Rescued", "rescue"]


@dataclass(frozen=True, slots=True)
class Rescued:
    """The result for one file.

    Attributes:
        path: The file; never changed.
        state: ``adopted``, ``kept`` (it was adopted before), ``found`` (a dry run), ``unmatched``,
            ``damaged`` or ``refused``.
        names: The legacy names that list this file.
        size_bytes: Its size.
        converted_bytes: Size of the ``.safetensors``, or None.
        sha256: Digest of the ``.safetensors``, or None.
        dropped: Parts of the checkpoint that were left out, such as ``optimizer``.
        reason: Why nothing was adopted, or None.
    """

    path: Path
    state: str
    names: tuple[str, ...] = ()
    size_bytes: int = 0
    converted_bytes: int | None = None
    sha256: str | None = None
    dropped: tuple[str, ...] = ()
    reason: str | None = None


def rescue(
    paths: Sequence[Path],
    index: LegacyIndex,
    *,
    mirror_out: Path | None = None,
    dry_run: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Rescued]:
    """Adopt the files in these places that the index lists; yields each once it is done.

    A match is converted to ``.safetensors`` (equal tensors; optimizer, schedule, log and config
    text left out), put into the cache, and pinned with all 64 digits in `zoo.lock`: from then on
    its name works like any other. The sources are only read. Files that are not checkpoints by
    name and content are skipped silently.

    Args:
        paths: Files, and folders to walk.
        index: The legacy rows.
        mirror_out: A folder for copies in the layout of ``ZOO_MIRRORS``, with a ``zoo.lock``
            of them; None for none.
        dry_run: Whether to match only, and write nothing.
        progress: Called with the number of files checked and the total.

    Raises:
        DownloadError: A path does not exist or is a pipe or a device, or lock, cache or mirror
            cannot be used, for example on a full disk; what was already adopted is kept.
    """
    for path in paths:
        _check_kind(path)
    files = find_files(paths)
    read_pins()  # report an unreadable lock before any work
    for number, path in enumerate(files, 1):
        old = read_old_file(path, index)
        if old is not None:
            yield _rescued(old, mirror_out, dry_run=dry_run)
        if progress is not None:
            progress(number, len(files))


def _check_kind(path: Path) -> None:
    """Refuse what is neither a file nor a folder: reading a pipe could block forever."""
    if path.exists() and not path.is_file() and not path.is_dir():
        message = f"cannot rescue from {str(path)!r}: found a pipe or a device, "
        message += "expected a file or a folder."
        raise DownloadError(message, where=path, hint="name a folder of old checkpoints.")


def _rescued(old: OldFile, mirror_out: Path | None, *, dry_run: bool) -> Rescued:
    names = tuple(found.row.name for found in old.rows)
    if not names or dry_run:
        state = "found" if names else "damaged" if old.is_damaged else "unmatched"
        return Rescued(old.path, state, names, old.size_bytes, reason=old.reason)
    try:
        kept = _kept(old, mirror_out)
        return kept or _adopt(old, mirror_out)
    except (CheckpointError, ConflictError) as error:
        return Rescued(old.path, "refused", names, old.size_bytes, reason=_one_line(error))


def _kept(old: OldFile, mirror_out: Path | None) -> Rescued | None:
    """Return the result of an earlier rescue, if everything it wrote still exists."""
    pins = read_pins()
    known = [pins.get(found.row.name) for found in old.rows]
    if any(pin is None or pin.source_sha256 != old.sha256 for pin in known):
        return None
    made = [pin for pin in known if pin is not None]
    pin = made[0]
    path, _ = first_that_holds(cached_files(pin.sha256), pin.sha256, pin.size_bytes)
    if path is None:
        return None
    if mirror_out is not None:
        _write_mirror(mirror_out, path, made)
    names = tuple(pin.name for pin in made)
    return Rescued(old.path, "kept", names, old.size_bytes, pin.size_bytes, pin.sha256)


def _adopt(old: OldFile, mirror_out: Path | None) -> Rescued:
    first = old.rows[0].row
    facts = {
        "source_sha256": str(old.sha256),
        "source_name": first.file_name if isinstance(first, LegacyRow) else old.path.name,
    }
    with staging_folder() as folder:  # until it is left, `zoo cache prune` spares the new file
        staged = folder / "converted.safetensors"
        with _stopping_at(folder):
            converted = convert_checkpoint(old.path, staged, facts=facts, data=old.data)
        pins = _pins(old, converted)
        name = f"{first.name}.safetensors"
        path = add_to_cache(staged, converted.sha256, converted.size_bytes, name)
        staged.unlink()  # the mirror may need its space
        if mirror_out is not None:
            _write_mirror(mirror_out, path, pins)
        add_pins(pins)
    return Rescued(
        path=old.path,
        state="adopted",
        names=tuple(pin.name for pin in pins),
        size_bytes=old.size_bytes,
        converted_bytes=converted.size_bytes,
        sha256=converted.sha256,
        dropped=converted.dropped,
    )


def _pins(old: OldFile, converted: Converted) -> list[Pin]:
    """Return a pin of the converted file for each row that lists the old one."""
    return [
        Pin(
            name=found.row.name,
            plugin=found.record.name,
            sha256=converted.sha256,
            size_bytes=converted.size_bytes,
            source_sha256=str(old.sha256),
            source_size_bytes=old.size_bytes,
            parameters=converted.parameters,
        )
        for found in old.rows
    ]


@contextmanager
def _stopping_at(folder: Path) -> Iterator[None]:
    """Let an error of writing into a folder stop everything; others concern the file being read."""
    try:
        yield
    except CheckpointError as error:
        cause = error.__cause__
        if not isinstance(cause, OSError) or Path(error.path or "").parent != folder:
            raise
        message = f"cannot write into the cache: {cause.strerror or cause}; "
        message += "what was adopted before is kept."
        hint = "free some space there, or name another with ZOO_CACHE, and run it again."
        raise DownloadError(message, where=cache_folder(), hint=hint) from error


def _write_mirror(folder: Path, source: Path, pins: Sequence[Pin]) -> None:
    """Write the file in a mirror's layout, under each name, and pin it there too.

    An existing copy whose bytes do not match is replaced.
    """
    for pin in pins:
        target = folder / pin.sha256 / f"{pin.name}.safetensors"
        addresses = [source.resolve().as_uri()]
        fetch_file(target, pin.sha256, pin.size_bytes, addresses, mend=True)
    add_pins(pins, folder / LOCK_NAME)


def _one_line(error: ZooError) -> str:
    return error.message.rstrip(".").replace("\n", "; ")
