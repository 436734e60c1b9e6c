# SPDX-License-Identifier: Apache-2.0
"""Errors that a plugin's code raises while it runs: the plugin, its class and the line, by name.

The traceback names the line. What a data loader's worker raises arrives as the text of one, so
both are read as files and lines. The innermost line counts that no library owns: a plugin's line
blames the plugin, a line of the user's own code, which the plugin called, clears it.
"""

from __future__ import annotations

import ast
import os
import re
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.plugin_files import is_missing_file_of, tells_of_file
from zoo.engine.worker_errors import caught_name, original_message
from zoo.errors import PluginCodeError, ZooError

if TYPE_CHECKING:
    from zoo.catalog import PluginRecord

__all__ = ["naming_plugin", "plugin_code_error"]

_FRAME = re.compile(r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+), in ', re.MULTILINE)
_MOST_TEXT = 300
_OPENMMLAB = frozenset({"mmengine", "mmcv", "mmseg", "mmdet"})  # perhaps from their checkouts
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_ZOO = Path(__file__).resolve().parents[1]
_PYTHON = Path(sysconfig.get_path("stdlib")).resolve()


@dataclass(frozen=True, slots=True)
class _Place:
    """A line in a plugin's code.

    Attributes:
        record: The plugin.
        package: The folder of its package.
        file: The module's file.
        line: From 1.
    """

    record: PluginRecord
    package: Path
    file: Path
    line: int


@contextmanager
def naming_plugin() -> Iterator[None]:
    """Turn what a plugin's code raises into an error that names plugin, class and line.

    Errors of zoo pass, and so does what no plugin's code had a part in.

    Raises:
        PluginCodeError: The block raised, in or below a plugin's code.
    """
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        named = plugin_code_error(error)
        if named is None:
            raise
        raise named from error


def plugin_code_error(error: Exception, *, own: bool = False) -> PluginCodeError | None:
    """Return the error that names the plugin behind an exception, or None if there is none.

    The innermost line counts that no library owns. A lack of memory or disk is no plugin's fault;
    a file that cannot be opened is one where `is_missing_file_of` says so.

    Args:
        error: An exception with its traceback, or what torch made of a worker's.
        own: Whether code of OpenMMLab that the plugin called, perhaps built from another part of
            the config, clears the plugin.
    """
    if isinstance(error, MemoryError) or "out of memory" in str(error):
        return None
    if isinstance(error, OSError) and not tells_of_file(error):
        return None
    place = _find_place(error, own=own)
    if place is None:
        return None
    plugin, what = place.record.name, _describe(place)
    hint = "--debug shows the traceback; correct that line"
    if isinstance(error, OSError):
        if not is_missing_file_of(error, place.package, place.file):
            return None
        hint = "put that file into the package data of its pyproject.toml and open it by a path "
        hint += "beside `__file__`"
    message = f"cannot continue: {what} of plugin {plugin!r} raises {_words(error)}."
    return PluginCodeError(
        message,
        plugin=plugin,
        manifest=place.record.path,
        where=f"{place.file}:{place.line}",
        hint=f"{hint}, or report it to the author of plugin {plugin!r}.",
    )


def _find_place(error: Exception, *, own: bool) -> _Place | None:
    from zoo.catalog import read_catalog

    folders = {
        os.path.realpath(record.manifest.folder): record
        for record in read_catalog().plugins
        if record.manifest is not None
    }
    for file, line in reversed(list(_lines(error))):
        path = Path(os.path.realpath(file))
        for parent in path.parents:
            if str(parent) in folders:
                return _Place(folders[str(parent)], parent, path, line)
        if _is_of_user(file, path) or (own and _is_of_openmmlab(path)):
            return None
    return None


def _is_of_user(file: str, path: Path) -> bool:
    """Return whether a line is in code of the user's own: in a file, and of no library."""
    if file.startswith("<"):  # made by a library while it runs
        return False
    if _INSTALLED.intersection(path.parts) or _is_of_openmmlab(path):
        return False
    return not any(path.is_relative_to(folder) for folder in (_ZOO, _PYTHON))


def _is_of_openmmlab(path: Path) -> bool:
    return any(
        folder.name in _OPENMMLAB and (folder / "__init__.py").exists() for folder in path.parents
    )


def _lines(error: Exception) -> Iterator[tuple[str, int]]:
    """Yield file and line of each frame of an exception, and of its worker's, the outer first."""
    for frame in traceback.extract_tb(error.__traceback__):
        yield frame.filename, frame.lineno or 0
    if caught_name(str(error)) is not None:
        for found in _FRAME.finditer(str(error)):
            yield found["file"], int(found["line"])


def _words(error: Exception) -> str:
    """Return the class and the message of an exception, or of the worker's own, on one line."""
    name, own = caught_name(str(error)) or type(error).__name__, original_message(str(error))
    text = " ".join((str(error) if own is None else own).split()).rstrip(".")
    if len(text) > _MOST_TEXT:
        text = f"{text[:_MOST_TEXT]}..."
    return f"{name}: {text}" if text else name


def _describe(place: _Place) -> str:
    """Return the row of the manifest that a line belongs to, or its class or function."""
    names = _enclosing(place)
    for row in place.record.manifest.contributions if place.record.manifest is not None else ():
        module, _, attribute = row.target.partition(":")
        if names and names[0] == attribute and _is_file_of(place, module):
            return f"the {row.kind} {row.name}"
    return f"{'.'.join(names) or place.file.stem}"


def _is_file_of(place: _Place, module: str) -> bool:
    path = place.file.parent if place.file.name == "__init__.py" else place.file.with_suffix("")
    return path.as_posix().endswith("/" + module.replace(".", "/"))


def _enclosing(place: _Place) -> list[str]:
    """Return the names of the classes and functions around a line, the outer first."""
    try:
        tree = ast.parse(place.file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    names: list[str] = []
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            if not node.lineno <= place.line <= (node.end_lineno or node.lineno):
                continue
            names.append(node.name)
            nodes = []
        nodes.extend(ast.iter_child_nodes(node))
    return names
