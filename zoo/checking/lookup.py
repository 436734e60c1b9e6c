# SPDX-License-Identifier: Apache-2.0
"""Find the plugin that a path or a name means."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zoo.checking.folders import TemporaryFolder
from zoo.checking.subject import Subject, read_subject
from zoo.data.source.zip_check import DAMAGE, check_archive, open_archive
from zoo.errors import ConflictError, DataError, PluginError, UnknownNameError
from zoo.files import expand_home
from zoo.manifest.reading import MANIFEST_NAME
from zoo.names import hint_near, near_names

__all__ = ["check_may_run", "found_subject", "subject_of_folder"]

_PROJECT = "pyproject.toml"
_MOST_BYTES = 2**31  # of the files of a wheel
_HINT = f"name a folder with {MANIFEST_NAME} in it or in its package, a wheel, or a plugin."


@contextmanager
def found_subject(path_or_name: str) -> Iterator[Subject]:
    """Yield the plugin that a path or a name means; a path that exists comes first.

    Args:
        path_or_name: A project's folder, a package's folder, a ``zoo_plugin.toml``, a wheel (which
            is unpacked for as long as the subject is used), or the name of a plugin that zoo finds.

    Raises:
        UnknownNameError: There is no such path and no such plugin.
        PluginError: The path holds no plugin, or several.
    """
    path = expand_home(path_or_name)
    if path.suffix == ".whl" and os.path.isfile(path):
        folder = TemporaryFolder()
        try:
            yield subject_of_folder(_unpacked(path, folder.path / "wheel"))
        finally:
            folder.close()
    elif os.path.isdir(path):
        yield subject_of_folder(path)
    elif path.name == MANIFEST_NAME and os.path.lexists(path):
        yield subject_of_folder(path.parent)
    else:
        yield _subject_of_name(path_or_name)


def check_may_run(subject: Subject, instead: str) -> None:
    """Raise if a plugin is not installed, and ``ZOO_NO_FOREIGN_CODE`` refuses its code.

    Args:
        subject: The plugin whose code is about to run.
        instead: What can be done without.

    Raises:
        PluginError: ``ZOO_NO_FOREIGN_CODE`` refuses it.
    """
    from zoo.engine.config_files.strangers import is_foreign, is_foreign_code_refused

    if is_foreign_code_refused() and is_foreign(subject.manifest_path):
        message = f"cannot run the code of the plugin {subject.name!r}: it is not installed, and "
        message += "ZOO_NO_FOREIGN_CODE refuses the code of others."
        hint = f"{instead}, or set ZOO_NO_FOREIGN_CODE=0 for this run if you trust it."
        raise PluginError(message, plugin=subject.name, where=subject.package, hint=hint)


def subject_of_folder(folder: Path) -> Subject:
    """Return the plugin in a folder, which is a project or a package.

    Args:
        folder: Holds the manifest, or a package that does.

    Raises:
        PluginError: It holds no plugin, or several.
    """
    if os.path.lexists(folder / MANIFEST_NAME):
        return read_subject(folder, _project_of(folder))
    packages = [path for path in _packages(folder) if os.path.lexists(path / MANIFEST_NAME)]
    # A package that only lacks its manifest is a plugin too, and that is what is wrong with it.
    packages = packages or [path for path in _packages(folder) if path.name.startswith("zoo_")]
    if len(packages) == 1:
        return read_subject(packages[0], _project_of(packages[0]))
    if not packages and folder.name.startswith("zoo_") and os.path.isfile(folder / "__init__.py"):
        return read_subject(folder, _project_of(folder))
    found = f"{len(packages)} packages of plugins" if packages else f"no {MANIFEST_NAME}"
    names = ", ".join(path.name for path in packages[:5])
    message = f"cannot check {folder.name or str(folder)!r}: it holds {found}, expected one plugin."
    hint = f"name one of {names}." if packages else _HINT
    raise PluginError(message, where=folder, hint=hint)


def _packages(folder: Path) -> list[Path]:
    """Return the folders in a project, and in its ``src``."""
    parents = [parent for parent in (folder, folder / "src") if os.path.isdir(parent)]
    found = [path for parent in parents for path in sorted(parent.iterdir()) if path.is_dir()]
    return [path for path in found if not path.name.startswith(".")]


def _project_of(package: Path) -> Path | None:
    """Return the folder of the package's ``pyproject.toml``: beside it, or above ``src``."""
    # A folder of another name, as configs/ of zoo's own checkout, belongs to no project of its own.
    if not os.path.abspath(package).rpartition(os.sep)[2].startswith("zoo_"):
        return None
    parent = package.parent
    places = [parent, parent.parent] if Path(os.path.abspath(parent)).name == "src" else [parent]
    # One that cannot be read, such as a pipe, is there too, and the rules say what it is.
    return next((place for place in places if os.path.lexists(place / _PROJECT)), None)


def _subject_of_name(name: str) -> Subject:
    from zoo.catalog import read_catalog

    plugins = read_catalog().plugins
    records = [record for record in plugins if record.name == name.removeprefix("zoo.")]
    if not records and os.path.isfile(expand_home(name)):
        message = f"cannot check {name!r}: it is no {MANIFEST_NAME} and no wheel."
        raise PluginError(message, where=Path(name), hint=_HINT)
    if not records:
        near = near_names(name, [record.name for record in plugins])
        message = f"no plugin named {name!r}, and no such folder or file."
        hint = hint_near(near, "zoo plugin list shows all.")
        raise UnknownNameError(message, kind="plugin", name=name, near=near, hint=hint)
    if len(records) > 1:
        first, second = (str(record.path or record.source) for record in records[:2])
        message = f"cannot choose the plugin {name!r}: it was found twice."
        raise ConflictError(message, first=first, second=second, hint="name the folder of one.")
    path = records[0].path
    if path is None:  # an entry point that leads nowhere
        records[0].checked()
        message = f"cannot check {name!r}: it has no manifest."
        raise PluginError(message, plugin=name, hint=_HINT)
    return read_subject(path.parent, _project_of(path.parent))


def _unpacked(wheel: Path, folder: Path) -> Path:
    """Unpack a wheel into a new folder, and return it."""
    hint = "build it again: python -m build."
    try:
        with open_archive(wheel) as archive:
            size_bytes = sum(entry.file_size for entry in archive.infolist())
            if size_bytes > _MOST_BYTES:
                found = f"it holds {size_bytes:,} bytes, expected at most {_MOST_BYTES:,}"
                message = f"cannot check {wheel.name!r}: {found}."
                raise PluginError(message, where=wheel, hint="name its project's folder instead.")
            check_archive(wheel, archive.infolist(), wheel.stat().st_size)
            archive.extractall(folder)
    except DataError as error:
        reason = error.message.partition(": ")[2]
        message = f"cannot check {wheel.name!r}: {reason}"
        raise PluginError(message, where=wheel, hint=hint) from error
    except DAMAGE as error:
        message = f"cannot check {wheel.name!r}: it is not a wheel ({error})."
        raise PluginError(message, where=wheel, hint=hint) from error
    return folder
