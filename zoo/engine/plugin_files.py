# SPDX-License-Identifier: Apache-2.0
"""Whether a file that cannot be opened is one that a plugin should have brought.

It is where its path lies in the plugin's package, or where it is relative and the plugin means a
file of its own by it: the package has one there, or the module that opens it spells the path. Any
other path came from the user, such as that of a data set.
"""

from __future__ import annotations

import ast
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePath

from zoo.engine.worker_errors import original_message

__all__ = ["is_missing_file_of", "tells_of_file"]

# Libraries that raise an OSError without a number mean a file that they cannot find or read.
_MISSING = frozenset({None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR})
_NUMBER = re.compile(r"^\[Errno (?P<number>\d+)\]")
_NAME = re.compile(  # at the end in quotes (Python), or unquoted (NumPy)
    r"""(?P<quote>['"])(?P<name>[^'"]+)(?P=quote)$|^(?P<bare>\S+) not found\.?$"""
)


def tells_of_file(error: OSError) -> bool:
    """Return whether an error may tell of a file that is not there, and not of disk or network.

    Args:
        error: Raised here, or made by torch of a worker's.
    """
    number = _NUMBER.match(_text_of(error))
    return (int(number["number"]) if number else error.errno) in _MISSING


def is_missing_file_of(error: OSError, package: Path, module: Path) -> bool:
    """Return whether an error tells of a file that belongs to a plugin and is not there.

    Args:
        error: What code of the plugin, or a library below it, raised, here or in a worker.
        package: The folder of the plugin's package.
        module: The plugin's file that asked for the file.
    """
    text = _text_of(error)
    if any(f"{folder}{os.sep}" in text for folder in (package, os.path.realpath(package))):
        return True
    found = _NAME.search(text)
    name = PurePath(found["name"] or found["bare"]) if found else None
    if name is None or name.is_absolute():
        return False
    is_beside = any((folder / name).exists() for folder in (package, module.parent))
    return is_beside or set(name.parts) <= set(_spelt_parts(module))


def _text_of(error: OSError) -> str:
    return original_message(str(error)) or str(error)


def _spelt_parts(module: Path) -> Iterator[str]:
    """Yield the parts of paths that a module spells, but in defaults, which the user can change."""
    try:
        nodes: list[ast.AST] = [ast.parse(module.read_bytes())]
    except (OSError, SyntaxError, ValueError):
        return
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from PurePath(node.value).parts
        if not isinstance(node, ast.arguments):
            nodes.extend(ast.iter_child_nodes(node))
