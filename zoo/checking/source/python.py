# SPDX-License-Identifier: Apache-2.0
"""The Python files of a package as trees; none of them runs."""

from __future__ import annotations

import ast
import os
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from zoo.documents import DocumentError, read_file, reason_of

__all__ = ["PythonFile", "find_module", "has_module", "python_files", "read_python"]

_MOST_BYTES = 2**22
_MOST_FILES = 2_000
_COMPILED = (".so", ".pyd")
_SKIPPED = ("__pycache__", "node_modules")


@dataclass(frozen=True, slots=True)
class PythonFile:
    """One file of Python.

    Attributes:
        path: The file.
        tree: Its statements; empty if it cannot be parsed.
        fault: Why it cannot be parsed, or None.
        line: The line of the fault, or 0.
    """

    path: Path
    tree: ast.Module
    fault: str | None = None
    line: int = 0


def read_python(path: Path) -> PythonFile:
    """Return a file as a tree; one that cannot be parsed says why.

    Args:
        path: A file of Python.
    """
    empty = ast.Module(body=[], type_ignores=[])
    try:
        data = read_file(path, _MOST_BYTES)
    except (OSError, DocumentError) as error:
        return PythonFile(path, empty, reason_of(error))
    tree, fault, line = _parsed(data)
    return PythonFile(path, tree or empty, fault, line)


@lru_cache(maxsize=512)
def _parsed(data: bytes) -> tuple[ast.Module | None, str | None, int]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as of an invalid escape
            return ast.parse(data), None, 0
    except SyntaxError as error:
        return None, f"{error.msg}", error.lineno or 0
    except ValueError as error:  # a NUL, or an unknown encoding
        return None, str(error), 0
    except (RecursionError, MemoryError):
        return None, "it is nested too deep", 0


def python_files(package: Path) -> list[Path]:
    """Return the Python files of a package and its folders, sorted; not more than 2,000.

    Args:
        package: The folder of the package.
    """
    found: list[Path] = []
    for folder, folders, files in os.walk(package):
        folders[:] = sorted(each for each in folders if _is_code(os.path.join(folder, each)))
        found += [Path(folder) / name for name in sorted(files) if name.endswith(".py")]
        if len(found) > _MOST_FILES:
            break
    return found[:_MOST_FILES]


def _is_code(folder: str) -> bool:
    """Return whether a folder belongs to the package: its tests do if they are a package too."""
    name = os.path.basename(folder)
    if name == "tests":
        return os.path.isfile(os.path.join(folder, "__init__.py"))
    return name not in _SKIPPED and not name.startswith(".")


def has_module(package: Path, module: str) -> bool:
    """Return whether a package has a module, as a file of Python or compiled for any system.

    Args:
        package: The folder of the top-level package.
        module: Dotted name; its first part is the package's.
    """
    base = package.joinpath(*module.split(".")[1:])
    compiled = (path for suffix in _COMPILED for path in base.parent.glob(f"*{suffix}"))
    return find_module(package, module) is not None or any(
        path.name.partition(".")[0] == base.name for path in compiled
    )


def find_module(package: Path, module: str) -> Path | None:
    """Return the file of a module of a package, or None if it has none.

    Args:
        package: The folder of the top-level package.
        module: Dotted name; its first part is the package's.
    """
    base = package.joinpath(*module.split(".")[1:])
    for path in (base / "__init__.py", base.with_name(f"{base.name}.py")):
        if (base != package or path.name == "__init__.py") and os.path.isfile(path):
            return path
    return None
