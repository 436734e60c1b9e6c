# SPDX-License-Identifier: Apache-2.0
"""Every exception that zoo raises on purpose.

::

    ZooError                          .where .hint
    ├── PluginError                   .plugin (name) .manifest (path)
    │   ├── ManifestError             bad TOML, unknown or missing key, wrong type
    │   ├── ConflictError             .first .second
    │   ├── IncompatibleError         .requirement .found
    │   ├── LoadError                 .target, __cause__ = the real exception
    │   └── PluginCodeError           a plugin's code raised while it ran; __cause__ says what
    ├── UnknownNameError(LookupError) .kind .name .near
    ├── ConfigError                   a config that cannot be read, built, or fit to its data
    ├── DataError                     .path .image   a source, image or folder that does not hold
    ├── CheckpointError               .path   weights that cannot be read or do not fit
    │   ├── ConversionError           .missing .unexpected .misshaped   another architecture
    │   └── UnsafeCheckpointError     .global_name   a pickle that asks for more than tensors
    ├── UnsupportedOpError            .op   an mmcv op that zoo does not implement
    ├── TrainingError                 a run that cannot continue, a loss that is not finite
    ├── DownloadError
    │   └── HashMismatchError         .expected .actual
    └── SourceError                   .source   an index of weights that cannot be trusted or used

Each message has three parts: what failed, where, and a ``HINT:`` with one thing to do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from zoo.texts import printable

__all__ = [
    "CheckpointError",
    "ConfigError",
    "ConflictError",
    "ConversionError",
    "DataError",
    "DownloadError",
    "HashMismatchError",
    "IncompatibleError",
    "LoadError",
    "ManifestError",
    "PluginCodeError",
    "PluginError",
    "SourceError",
    "TrainingError",
    "UnknownNameError",
    "UnsafeCheckpointError",
    "UnsupportedOpError",
    "ZooError",
]


class ZooError(Exception):
    """Base class of all zoo errors: what happened, where, and one thing to do.

    Args:
        message: What failed, what was found and what was expected. Starts in lower case and ends
            with a full stop.
        where: The file, key or address that caused it.
        hint: One thing to do.
    """

    def __init__(
        self, message: str, *, where: str | Path | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.where = None if where is None else str(where)
        self.hint = hint

    def __str__(self) -> str:
        # Names in a message come from outside. They must not move the cursor or fake a line.
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
    """A plugin cannot be used; other plugins are not affected."""

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
    """A ``zoo_plugin.toml`` breaks a rule of the manifest.

    Attributes:
        key: The key at fault in its table, or None if it is not one key.
    """

    key: str | None = None


class ConflictError(PluginError):
    """Two plugins or two contributions have the same name."""

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
    """A plugin needs another zoo API, or distributions that are not installed."""

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


class PluginCodeError(PluginError):
    """Code of a plugin raised while it ran; ``where`` is its line, ``__cause__`` the exception."""


class UnknownNameError(ZooError, LookupError):
    """No dataset, model, config, weights, plugin, ... has that name; lists similar names."""

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
    """A source, an image or a prepared folder does not contain what it must.

    Args:
        message: See :class:`ZooError`.
        path: The file at fault.
        where: A location to show in place of ``path``.
        hint: See :class:`ZooError`.
        image: Index of the image in the batch, from 0, if nothing else is known, as in losses;
            `zoo train` fills in its file as ``where``.
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
    """Weights cannot be read or do not fit the model."""


class ConversionError(CheckpointError):
    """A state dict is not of the architecture that a converter expects.

    Args:
        message: What cannot be converted.
        missing: Keys that the converter needs and the state dict lacks.
        unexpected: Keys of the state dict that the converter does not know.
        misshaped: Keys whose tensors have another shape than expected.
        shapes: Of those keys, the sizes that are expected; None is any.
        path: The file, if known.
        hint: What to do.
    """

    def __init__(
        self,
        message: str,
        *,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        misshaped: Sequence[str] = (),
        shapes: Mapping[str, Sequence[int | None]] | None = None,
        path: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.shapes = dict(shapes or {})
        self.missing = tuple(missing)
        self.unexpected = tuple(unexpected)
        self.misshaped = tuple(misshaped)


class UnsafeCheckpointError(CheckpointError):
    """A pickle refers to a global that zoo does not allow; zoo did not run any of it."""

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
    """An mmcv op that zoo does not implement in plain torch."""

    def __init__(self, message: str, *, op: str, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.op = op


class TrainingError(ZooError):
    """A run cannot start or continue: a loss is not finite, or the work dir is another run's."""


class DownloadError(ZooError):
    """A file could not be downloaded."""


class HashMismatchError(DownloadError):
    """The sha256 of a file differs from the one in its row."""

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


class SourceError(ZooError):
    """An index of a third party's weights cannot be read, trusted or used.

    Args:
        message: See :class:`ZooError`.
        source: Name of the source, or None if it has none yet.
        where: See :class:`ZooError`.
        hint: See :class:`ZooError`.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str | None = None,
        where: str | Path | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.source = source
