# SPDX-License-Identifier: Apache-2.0
"""Every exception that zoo raises on purpose.

::

    ZooError                          .where .hint
    ├── PluginError                   .plugin (name) .manifest (path)
    │   ├── ManifestError             bad TOML, unknown or missing key, wrong type
    │   ├── ConflictError             .first .second
    │   ├── IncompatibleError         .requirement .found
    │   └── LoadError                 .target, __cause__ = the real exception
    ├── UnknownNameError(LookupError) .kind .name .near
    ├── ConfigError                   a config that cannot be read, built, or fit to its data
    ├── DataError                     .path .image   a source, image or folder that does not hold
    ├── CheckpointError               .path   weights that cannot be read or do not fit
    │   └── UnsafeCheckpointError     .global_name   a pickle that asks for more than tensors
    ├── UnsupportedOpError            .op   an mmcv op without a stand-in
    ├── TrainingError                 a run that cannot continue, a loss that is not finite
    └── DownloadError
        └── HashMismatchError         .expected .actual

The text of each is one message in three parts: what could not be done, where, and a ``HINT:``
with one thing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo.texts import printable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ConflictError",
    "DataError",
    "DownloadError",
    "HashMismatchError",
    "IncompatibleError",
    "LoadError",
    "ManifestError",
    "PluginError",
    "TrainingError",
    "UnknownNameError",
    "UnsafeCheckpointError",
    "UnsupportedOpError",
    "ZooError",
]


class ZooError(Exception):
    """Base of all errors of zoo: what happened, where, and one thing to do.

    Args:
        message: What could not be done: found, expected. Lower-case start, full stop at the end.
        where: The file, key or address that is at fault.
        hint: One thing to do about it.
    """

    def __init__(
        self, message: str, *, where: str | Path | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        # What a message names comes from outside: it must not move the cursor, nor forge a line.
        lines = [printable(self.message, keep="\n")]
        if self.where:
            lines.append(f"where: {printable(self.where)}")
        if self.hint:
            lines.append("HINT: " + printable(self.hint, keep="\n"))
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes.
        return (_rebuild, (type(self), dict(self.__dict__)))


def _rebuild(cls: type[ZooError], state: dict[str, object]) -> ZooError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class PluginError(ZooError):
    """A plugin cannot be used; the others can."""

    def __init__(
        self,
        message: str,
        *,
        plugin: str | None = None,
        manifest: Path | None = None,
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where if where is not None else manifest, hint=hint)
        self.plugin = plugin
        self.manifest = manifest


class ManifestError(PluginError):
    """A ``zoo_plugin.toml`` breaks a rule of the manifest."""


class ConflictError(PluginError):
    """Two plugins, or two contributions, claim one name."""

    def __init__(
        self,
        message: str,
        *,
        first: str,
        second: str,
        plugin: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, plugin=plugin, where=f"{first} and {second}", hint=hint)
        self.first = first
        self.second = second


class IncompatibleError(PluginError):
    """A plugin needs another zoo api, or distributions that are not installed."""

    def __init__(
        self,
        message: str,
        *,
        requirement: str,
        found: str | None,
        plugin: str | None = None,
        manifest: Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, plugin=plugin, manifest=manifest, hint=hint)
        self.requirement = requirement
        self.found = found


class LoadError(PluginError):
    """Importing a plugin's target failed; ``__cause__`` is the real exception."""

    def __init__(
        self,
        message: str,
        *,
        target: str,
        plugin: str | None = None,
        manifest: Path | None = None,
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, plugin=plugin, manifest=manifest, where=where, hint=hint)
        self.target = target


class UnknownNameError(ZooError, LookupError):
    """No such dataset, model, config, weights, plugin, ...; near names are offered."""

    def __init__(
        self,
        message: str,
        *,
        kind: str,
        name: str,
        near: Sequence[str] = (),
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.kind = kind
        self.name = name
        self.near = tuple(near)


class ConfigError(ZooError):
    """A config cannot be read, cannot be built, or does not fit its data."""


class _PathError(ZooError):
    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where if where is not None else path, hint=hint)
        self.path = path


class DataError(_PathError):
    """A source, an image or a prepared folder does not hold what it must.

    Args:
        message: As of every error.
        path: The file.
        where: Another place than ``path``.
        hint: As of every error.
        image: The image's place in the batch, counted from 0, where that is all that is known of
            it, as in losses; `zoo train` puts its file in ``where``.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        where: str | Path | None = None,
        hint: str | None = None,
        image: int | None = None,
    ) -> None:
        super().__init__(message, path=path, where=where, hint=hint)
        self.image = image


class CheckpointError(_PathError):
    """Weights cannot be read, or do not fit the model."""


class UnsafeCheckpointError(CheckpointError):
    """A pickle asks for a global that zoo does not allow; nothing of it was run."""

    def __init__(
        self,
        message: str,
        *,
        global_name: str,
        path: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.global_name = global_name


class UnsupportedOpError(ZooError):
    """An mmcv op that has no stand-in in plain torch."""

    def __init__(self, message: str, *, op: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.op = op


class TrainingError(ZooError):
    """A run that cannot continue or start: a loss that is not finite, a work dir of another run."""


class DownloadError(ZooError):
    """Bytes could not be fetched."""


class HashMismatchError(DownloadError):
    """A file's sha256 is not the one that its row promises."""

    def __init__(
        self,
        message: str,
        *,
        expected: str,
        actual: str,
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.expected = expected
        self.actual = actual
