# SPDX-License-Identifier: Apache-2.0
"""Build a plugin's sdist, and its wheel from that sdist, by pypa's ``build``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from zoo.checking.process_groups import run_group
from zoo.data.source.zip_check import DAMAGE
from zoo.documents import kind_of
from zoo.errors import PluginError

__all__ = ["Built", "build_project"]

_TIMEOUT_S = 600
_MOST_LINES = 12
# At the top of a project: a package's own folder may be called so.
_NOT_COPIED = {"build", "dist", "node_modules", ".venv", "venv"}
_OFFLINE = "--no-isolation builds with the packages of this environment."


@dataclass(frozen=True, slots=True)
class Built:
    """The files of one build.

    Attributes:
        wheel: The ``.whl``.
        sdist: The ``.tar.gz``.
    """

    wheel: Path
    sdist: Path


def build_project(
    project: Path, out: Path, *, is_isolated: bool = True, timeout_s: float = _TIMEOUT_S
) -> Built:
    """Build the sdist and the wheel of a project into a folder; of a copy if it is read-only.

    The wheel is built from the sdist, so it holds nothing that the sdist lacks, and no file that an
    earlier build left in the project. What the build adds to the project is removed.

    Args:
        project: Folder of ``pyproject.toml``.
        out: Empty folder.
        is_isolated: Whether to build in an environment of its own, for which the requirements of
            the build are downloaded; else with what is installed here.
        timeout_s: How long it may take.

    Raises:
        PluginError: ``build`` is not installed, a file is a pipe or a device, which a build would
            wait for, the build takes too long, or it fails; the message ends with what it printed
            last.
    """
    if find_spec("build") is None or find_spec("build.__main__") is None:
        message = "cannot build: the package 'build' is not installed."
        raise PluginError(message, hint='pip install "build>=1.2,<2"')
    _check_files(project)
    with _writable(project) as place:
        done = _run_build(project, place, out, is_isolated=is_isolated, timeout_s=timeout_s)
    wheels, sdists = sorted(out.glob("*.whl")), sorted(out.glob("*.tar.gz"))
    if done.returncode or len(wheels) != 1 or len(sdists) != 1:
        printed = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
        told = "\n".join(f"  {line}" for line in printed[-_MOST_LINES:])
        message = f"cannot build {project.name!r}: the build failed.\n{told}"
        hint = _OFFLINE if is_isolated else "correct pyproject.toml, as the last lines say."
        raise PluginError(message, where=project / "pyproject.toml", hint=hint)
    _check_archives(wheels[0], sdists[0])
    return Built(wheels[0], sdists[0])


@contextmanager
def _writable(project: Path) -> Iterator[Path]:
    """Yield the project, or a copy of it where it cannot be written: setuptools writes into it."""
    if all(os.access(each, os.W_OK) for each in (project, project / "src") if each.is_dir()):
        yield project
        return
    with TemporaryDirectory(prefix="zoo-build-") as scratch:
        copy = Path(scratch, project.absolute().name)
        try:
            _copy(project, copy)
        except OSError as error:
            message = f"cannot build {project.name!r}: it cannot be written, and no copy can be "
            message += f"made: {error.strerror or error}."
            hint = "free some space, or name a folder with it in TMPDIR."
            raise PluginError(message, where=scratch, hint=hint) from error
        yield copy


def _copy(project: Path, copy: Path) -> None:
    """Copy a project without what builds leave; the copy can be written.

    A link becomes a link: to the copy of what it names, else to what it names.
    """
    copy.mkdir()
    links: list[Path] = []
    folders = [project]
    while folders:
        folder = folders.pop()
        for path in sorted(folder.iterdir()):
            place = copy / path.relative_to(project)
            if path.is_symlink():
                links.append(path)
            elif not path.is_dir():
                shutil.copyfile(path, place)
            elif not _is_left(path, is_top=folder == project):
                place.mkdir()
                folders.append(path)
    # When all else is there: only then it is known what has a copy.
    top = Path(os.path.realpath(project))
    for link in links:
        named = Path(os.path.realpath(link))
        place = copy / link.relative_to(project)
        if named.is_relative_to(top) and (copy / named.relative_to(top)).exists():
            place.symlink_to(os.path.relpath(copy / named.relative_to(top), place.parent))
        elif named.exists():
            place.symlink_to(named)


def _is_left(folder: Path, *, is_top: bool) -> bool:
    """Return whether builds, Python or the user's tools have left a folder in a project."""
    name = folder.name
    if name == "__pycache__" or name.endswith(".egg-info") or (is_top and name in _NOT_COPIED):
        return True
    return (folder / "pyvenv.cfg").is_file()


def _run_build(
    project: Path, place: Path, out: Path, *, is_isolated: bool, timeout_s: float
) -> subprocess.CompletedProcess[str]:
    before = set(_leftovers(place))
    command = [sys.executable, "-m", "build", "--outdir", str(out)]
    command += [] if is_isolated else ["--no-isolation"]
    # Neither zoo's checkout nor the project itself may be what a build imports.
    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    try:
        return run_group([*command, str(place.absolute())], cwd=out, env=env, timeout_s=timeout_s)
    except subprocess.TimeoutExpired as error:
        message = f"cannot build {project.name!r}: it took more than {timeout_s:g} s, "
        message += "and was stopped with all that it had started."
        hint = "python -m build shows where it waits; look at setup.py, or the build backend."
        raise PluginError(message, where=project, hint=hint) from error
    finally:
        _remove(set(_leftovers(place)) - before)


def _check_archives(wheel: Path, sdist: Path) -> None:
    """Raise for a file that a build backend has left, and that is no archive."""
    path = wheel
    try:
        with zipfile.ZipFile(wheel) as archive:
            archive.testzip()
        path = sdist
        with tarfile.open(sdist) as members:
            members.getmembers()
    except (tarfile.TarError, *DAMAGE) as error:
        message = f"cannot use {path.name!r}: the build left a damaged archive ({error})."
        hint = "correct the build backend that pyproject.toml names under [build-system]."
        raise PluginError(message, where=path.name, hint=hint) from error


def _check_files(project: Path) -> None:
    """Raise for a file that a build may open and never finish reading."""
    for folder, folders, files in os.walk(project):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(folder, name) for name in files):
            kind = kind_of(path)
            if kind is not None:
                name = path.relative_to(project).as_posix()
                wrong = f"{name} is {kind}, expected a regular file"
                message = f"cannot build {project.name!r}: {wrong}."
                raise PluginError(message, where=path, hint=f"put the file {name} in its place.")


def _leftovers(project: Path) -> list[Path]:
    """Return what setuptools leaves in a project."""
    found = [*project.glob("*.egg-info"), *project.glob("src/*.egg-info")]
    return found + [path for path in [project / "build"] if path.is_dir()]


def _remove(paths: set[Path]) -> None:
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
