# SPDX-License-Identifier: Apache-2.0
"""Put a published file into a plugin: the file, its card, its row and its package data, or none."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from filecmp import cmp
from pathlib import Path

from zoo.documents import DocumentError, read_file, read_text, reason_of
from zoo.engine.publishing.plugin_texts import with_package_data, with_weights_row
from zoo.engine.publishing.row import Published
from zoo.errors import CheckpointError, ConflictError, ManifestError
from zoo.files import replace_file, try_lock
from zoo.manifest.reading import LIMITS, MANIFEST_NAME, read_manifest
from zoo.manifest.rows import Manifest, WeightsRow
from zoo.weights.row_check import find_differences

__all__ = ["PluginTarget", "check_free", "place_published"]

_FOLDER = "weights"
_CARDS = "cards"
_PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class PluginTarget:
    """The plugin that gets a file.

    Attributes:
        manifest: Its manifest.
        project: Folder of its ``pyproject.toml``; None without one.
        replaces: Whether weights of the same name are replaced.
    """

    manifest: Manifest
    project: Path | None
    replaces: bool = False

    def file(self, name: str) -> Path:
        """Return where the weights of a name lie.

        Args:
            name: Name of the weights.
        """
        return self.manifest.folder / _FOLDER / f"{name}.safetensors"

    def card(self, name: str) -> Path:
        """Return where the card of weights lies: beside the package, which is what is installed.

        Args:
            name: Name of the weights.
        """
        return (self.project or self.manifest.folder.parent) / _CARDS / f"{name}.md"


def check_free(target: PluginTarget, name: str, config: str) -> None:
    """Check that weights of a name can be put into a plugin, before anything is computed.

    Args:
        target: The plugin.
        name: Name of the weights.
        config: Name of the config that they were trained with.

    Raises:
        ConflictError: The plugin has weights of that name, and they are not to be replaced.
        CheckpointError: The config is none of the plugin, a file of the name has no row, or the
            plugin cannot be written.
    """
    manifest = target.manifest
    rows = [row for row in manifest.weights if name in (row.name, *row.aliases)]
    file = target.file(name)
    if rows and not target.replaces:
        message = f"cannot publish {name!r} into the plugin {manifest.plugin!r}: it has weights of "
        message += "that name."
        hint = "choose another --name, or replace them with --force."
        raise ConflictError(message, first=str(manifest.path), second=f"--name {name}", hint=hint)
    replaceable = (f"package:{_FOLDER}/{name}.safetensors",)
    if any(row.name != name or row.version != 1 or row.urls[:1] != replaceable for row in rows):
        message = (
            f"cannot replace {name!r} in the plugin {manifest.plugin!r}: its row is an alias, "
        )
        message += "has versions, or names another file."
        hint = "choose another --name, or change the row by hand."
        raise CheckpointError(message, path=manifest.path, hint=hint)
    if os.path.lexists(file) and not rows and not target.replaces:
        message = f"cannot publish {name!r} into the plugin {manifest.plugin!r}: there is such a "
        message += "file, and no row names it."
        hint = "remove the file, choose another --name, or replace it with --force."
        raise CheckpointError(message, path=file, hint=hint)
    names = [row.name for row in manifest.configs]
    if config not in names:
        message = f"cannot publish {name!r} into the plugin {manifest.plugin!r}: it was trained "
        message += f"with {config!r}, which is no config of the plugin."
        hint = f"its configs are {', '.join(names)}." if names else "add a [[config]] row first."
        raise CheckpointError(message, path=manifest.path, hint=hint)
    _check_writable(target, name)


def _check_writable(target: PluginTarget, name: str) -> None:
    """Raise for a plugin whose folders are read-only, even if its files are not."""
    file, card = target.file(name), target.card(name)
    folders = [target.manifest.path.resolve().parent, file.parent, card.parent, card.parent.parent]
    for folder in folders:
        if folder.is_dir() and not os.access(folder, os.W_OK):
            plugin = target.manifest.plugin
            message = f"cannot publish {name!r} into the plugin {plugin!r}: its folder cannot be "
            message += "written."
            hint = "make it writable, or publish to a folder of your own: --out instead of --into."
            raise CheckpointError(message, path=folder, hint=hint)


def place_published(
    target: PluginTarget, published: Published, verify: Callable[[], None] = lambda: None
) -> dict[str, Path]:
    """Put a published file, its card, its row and its package data into a plugin: all or nothing.

    Args:
        target: The plugin, for which `check_free` held.
        published: The file, with its card beside it, in another folder.
        verify: Called when everything is in its place; what it raises undoes it.

    Returns:
        What -> the file that holds it now.

    Raises:
        CheckpointError: A text cannot be changed or a file not written, or another process is
            publishing into this plugin. The plugin is as it was.
        ManifestError: The manifest would be refused, or the row differ from the file.
    """
    name, manifest = published.record.name, target.manifest
    # A link stays one: what it leads to is changed.
    paths = {"file": target.file(name), "card": target.card(name), "row": manifest.path.resolve()}
    with _alone(manifest):
        texts = {
            "row": with_weights_row(
                _read(paths["row"]), published.manifest_row(), replaces=target.replaces
            )
        }
        if target.project is not None:
            paths["pyproject"] = (target.project / _PYPROJECT).resolve()
            inside = f"{_FOLDER}/{name}.safetensors"
            texts["pyproject"] = with_package_data(
                _read(paths["pyproject"]), manifest.package, inside
            )
        _check_manifest(manifest, texts["row"], published)
        card = published.path.with_suffix(".md").read_bytes()
        with _undoing([*paths.values()]):
            replace_file(paths["card"], card)
            if "pyproject" in texts and texts["pyproject"] != _read(paths["pyproject"]):
                replace_file(paths["pyproject"], texts["pyproject"].encode())
            # The file and its row last, one after the other: a process that is killed leaves no
            # row without a file, and hardly ever the row of a file that was replaced.
            _copy(published.path, paths["file"])
            replace_file(paths["row"], texts["row"].encode())
            verify()
    return paths


@contextmanager
def _alone(manifest: Manifest) -> Iterator[None]:
    """Hold off other processes that publish into the same plugin."""
    digest = hashlib.sha256(str(manifest.path.resolve()).encode()).hexdigest()[:16]
    lock = try_lock(Path(tempfile.gettempdir()) / f"zoo-publish-{digest}.lock")
    if lock is None:
        message = (
            f"cannot publish into the plugin {manifest.plugin!r}: another process is doing so."
        )
        raise CheckpointError(message, path=manifest.path, hint="run it again when that has ended.")
    try:
        yield
    finally:
        lock.release()


def _read(path: Path) -> str:
    try:
        return read_text(read_file(path, LIMITS.size_bytes))
    except (OSError, DocumentError) as error:
        message = f"cannot publish into the plugin: {path.name}: {reason_of(error)}."
        raise CheckpointError(message, path=path, hint="correct that file first.") from error


def _check_manifest(manifest: Manifest, text: str, published: Published) -> None:
    """Read the new manifest as zoo will, and compare the row with the record of the file."""
    trial = manifest.folder / f".{MANIFEST_NAME}.{os.getpid()}.part"
    try:
        replace_file(trial, text.encode())
        found = read_manifest(trial)
    finally:
        with suppress(OSError):
            trial.unlink()
    name = published.record.name
    (row,) = (row for row in found.weights if row.name == name)
    differences = find_differences(row, published.path) if isinstance(row, WeightsRow) else ()
    if differences:
        message = f"cannot publish {name!r}: its row differs from its file: {differences[0]}."
        raise ManifestError(message, manifest=manifest.path, hint="choose another --name.")


def _copy(source: Path, path: Path) -> None:
    """Copy a file into the plugin, whole or not at all."""
    import shutil

    from zoo.files import open_atomically

    with source.open("rb") as stream, open_atomically(path) as out:
        shutil.copyfileobj(stream, out, 2**20)


@contextmanager
def _undoing(paths: list[Path]) -> Iterator[None]:
    """Restore files, and remove folders that are new, if the block fails in any way."""
    with tempfile.TemporaryDirectory(prefix="zoo-publish-") as scratch:
        kept: dict[Path, Path | None] = {}
        folders = [path.parent for path in paths if not path.parent.exists()]
        for number, path in enumerate(paths):
            kept[path] = None
            if path.exists():
                kept[path] = Path(scratch) / str(number)
                _copy(path, Path(scratch) / str(number))
        try:
            yield
        except BaseException:
            for path, copy in kept.items():
                if copy is None:
                    with suppress(FileNotFoundError, NotADirectoryError):  # it was never written
                        path.unlink()
                elif not path.exists() or not cmp(copy, path, shallow=False):
                    _copy(copy, path)
            for folder in folders:
                with suppress(OSError):  # something else is in it
                    folder.rmdir()
            raise
