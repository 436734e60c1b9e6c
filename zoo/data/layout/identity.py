# SPDX-License-Identifier: Apache-2.0
"""Which data set a prepared folder is, of which plugin, in which version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.documents import DocumentError, Limits, read_toml, reason_of
from zoo.errors import ManifestError, UnknownNameError
from zoo.names import hint_near, near_names

__all__ = ["DatasetIdentity"]

_MANIFEST = "zoo_plugin.toml"
_LIMITS = Limits(is_finite=False)  # infinity in another row is no concern of a data set


@dataclass(frozen=True, slots=True)
class DatasetIdentity:
    """The data set of a prepared folder and its plugin.

    Args:
        plugin: Name of the plugin.
        name: Name of its dataset row.
        version: Version of the plugin.
    """

    plugin: str
    name: str
    version: str

    @classmethod
    def of(cls, plugin: str, name: str) -> DatasetIdentity:
        """Return the identity with the version that the plugin's manifest states.

        The manifest is found in the package ``zoo_<plugin>``, which is not imported. Nothing else
        is read: neither the catalog nor the metadata of what is installed.

        Args:
            plugin: Name of the plugin, such as ``ponds``.
            name: Name of one of its dataset rows, such as ``PondDataset``.

        Raises:
            ManifestError: The package or its manifest is missing, or states no version.
            UnknownNameError: The manifest has no dataset row of that name.

        Example:
            >>> DatasetIdentity.of("ponds", "PondDataset").version  # doctest: +SKIP
            '0.1.0'
        """
        path = _find_manifest(plugin, name)
        values = _read(path, plugin, name)
        header = values.get("plugin")
        version = header.get("version") if isinstance(header, dict) else None
        if not isinstance(version, str):
            stated = "no [plugin] version" if version is None else f"[plugin] version {version!r}"
            found = f"its manifest states {stated}, expected a text"
            hint = 'add a line such as version = "0.1.0" below [plugin].'
            raise _refusal(plugin, name, found, path, hint)
        _check_row(values, plugin, name, path)
        return cls(plugin, name, version)

    @property
    def type(self) -> str:
        """What a config writes: ``zoo.<plugin>.<name>``."""
        return f"zoo.{self.plugin}.{self.name}"

    def to_dict(self) -> dict[str, str]:
        """Return the three values by name."""
        return {"plugin": self.plugin, "name": self.name, "version": self.version}


def _find_manifest(plugin: str, name: str) -> Path:
    from importlib.util import find_spec

    package = f"zoo_{plugin}"
    # A dotted name would import its parent.
    spec = find_spec(package) if package.isidentifier() else None
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    for folder in folders:
        if (path := Path(folder) / _MANIFEST).is_file():
            return path
    if not folders:
        found = f"no package {package} can be imported, expected the plugin's own"
        hint = "install the plugin, or correct its name."
        raise _refusal(plugin, name, found, None, hint)
    found = f"its package has no {_MANIFEST}, expected one beside __init__.py"
    hint = f'add it to [tool.setuptools.package-data]: {package} = ["{_MANIFEST}"].'
    raise _refusal(plugin, name, found, Path(folders[0]), hint)


def _read(path: Path, plugin: str, name: str) -> dict[str, Any]:
    try:
        return read_toml(path, _LIMITS)
    except DocumentError as error:
        found = f"its manifest {reason_of(error).removeprefix('it ')}"
        raise _refusal(plugin, name, found, path, "fix what the message names.") from error
    except OSError as error:
        found = f"its manifest cannot be read: {reason_of(error)}"
        raise _refusal(plugin, name, found, path, "fix what the message names.") from error


def _check_row(values: dict[str, Any], plugin: str, name: str, path: Path) -> None:
    rows = values.get("dataset")
    tables = rows if isinstance(rows, list) else []
    found = [row.get("name") for row in tables if isinstance(row, dict)]
    names = [each for each in found if isinstance(each, str)]
    if name in names:
        return
    message = f"cannot identify data set {name!r}: plugin {plugin!r} has no such dataset row."
    near = near_names(name, names)
    hint = hint_near(near, f"its rows are {', '.join(names)}." if names else "add the row.")
    raise UnknownNameError(message, kind="dataset", name=name, near=near, where=path, hint=hint)


def _refusal(plugin: str, name: str, found: str, where: Path | None, hint: str) -> ManifestError:
    message = f"cannot identify data set {name!r} of plugin {plugin!r}: {found}."
    return ManifestError(message, plugin=plugin, manifest=where, hint=hint)
