# SPDX-License-Identifier: Apache-2.0
"""Which files a wheel of a project will hold, told from ``pyproject.toml`` without a build.

Only setuptools lists its files; other backends take a whole folder, less what git ignores.
"""

from __future__ import annotations

import ast
import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo.checking.source.project import table_of
from zoo.checking.source.python import read_python

__all__ = ["Packaging", "read_packaging"]


@dataclass(frozen=True, slots=True)
class Packaging:
    """What a project puts into its wheel.

    Attributes:
        backend: Name of the build backend.
        root: The folder that holds the package.
        packages: Dotted names of the packages; None if only a build tells.
        data: Package -> globs of its data files; ``*`` for every package.
        excluded: The same for files that are left out.
        is_known: Whether nothing else adds files: no MANIFEST.in, no plugin of setuptools.
    """

    backend: str
    root: Path
    packages: frozenset[str] | None
    data: Mapping[str, tuple[str, ...]]
    excluded: Mapping[str, tuple[str, ...]]
    is_known: bool

    def holds(self, package: str, file: str) -> bool | None:
        """Return whether the wheel holds a file; None if only a build tells.

        Args:
            package: Name of the top-level package.
            file: Path in it, with ``/``.
        """
        if self.packages is None:
            return None
        *folders, name = file.split("/")
        owners = [".".join([package, *folders[:depth]]) for depth in range(len(folders) + 1)]
        if name.endswith(".py") and owners[-1] in self.packages:
            return True
        path = self.root.joinpath(package, *file.split("/"))
        for owner in owners:
            if owner in self.packages and self._is_in(self.data, owner, path):
                return not self._is_in(self.excluded, owner, path)
        return False if self.is_known else None

    def _is_in(self, table: Mapping[str, tuple[str, ...]], owner: str, path: Path) -> bool:
        folder = self.root.joinpath(*owner.split("."))
        patterns = [each for key in (owner, "*", "") for each in table.get(key, ())]
        return any(
            os.path.normpath(path) in map(os.path.normpath, _matches(folder, pattern))
            for pattern in patterns
        )


def _matches(folder: Path, pattern: str) -> list[str]:
    if os.path.isabs(pattern) or ".." in pattern.split("/"):
        return []  # setuptools refuses it, and it may be the whole disk
    return glob.glob(os.path.join(glob.escape(str(folder)), pattern), recursive=True)


def read_packaging(project: Path, document: Mapping[str, Any], package: Path) -> Packaging:
    """Return what a project puts into its wheel.

    Args:
        project: Folder of ``pyproject.toml``.
        document: Its TOML.
        package: The plugin's package.
    """
    build = table_of(document, "build-system")
    backend = str(build.get("build-backend", "setuptools.build_meta"))
    tool = dict(table_of(document, "tool", "setuptools"))
    if backend.partition(".")[0] != "setuptools":
        return Packaging(backend, package.parent, None, {}, {}, is_known=False)
    keywords = _setup_keywords(project / "setup.py")
    requires = " ".join(_texts(build.get("requires"))).lower()
    adds = "setuptools_scm" in requires or "setuptools-scm" in requires
    has_cfg = os.path.isfile(project / "setup.cfg")
    is_known = not (adds or has_cfg or os.path.isfile(project / "MANIFEST.in"))
    data = tool.get("package-data", keywords.get("package_data", {}))
    excluded = tool.get("exclude-package-data", keywords.get("exclude_package_data", {}))
    packages = tool.get("packages", keywords.get("packages", ...))
    if None in (data, excluded, packages) or (has_cfg and packages is ...):
        return Packaging(backend, package.parent, None, {}, {}, is_known=False)
    found = _packages(packages, project, package)
    return Packaging(
        backend, package.parent, found, _globs(data), _globs(excluded), is_known=is_known
    )


def _globs(table: Any) -> dict[str, tuple[str, ...]]:
    values = table.items() if isinstance(table, Mapping) else ()
    return {str(key): tuple(map(str, each)) for key, each in values if isinstance(each, list)}


def _packages(stated: Any, project: Path, package: Path) -> frozenset[str] | None:
    """Return the packages that are listed, or that setuptools finds."""
    if isinstance(stated, list):
        return frozenset(map(str, stated))
    try:
        from setuptools.discovery import FlatLayoutPackageFinder, PackageFinder, PEP420PackageFinder
    except (ImportError, AssertionError):  # it asserts that no other distutils is there
        return None
    if stated is ...:  # the automatic discovery
        if package.parent != project:
            return frozenset(PEP420PackageFinder.find(str(package.parent)))
        return frozenset(FlatLayoutPackageFinder.find(str(project)))
    find = table_of(stated, "find")
    finder = PEP420PackageFinder if find.get("namespaces", True) else PackageFinder
    found: set[str] = set()
    chosen = {key: _texts(find[key]) for key in ("include", "exclude") if key in find}
    for where in _texts(find.get("where")) or ["."]:
        folder = os.path.normpath(project / where)
        if Path(folder).is_relative_to(os.path.normpath(project)):
            found.update(finder.find(folder, **chosen))
    return frozenset(found)


def _texts(values: Any) -> list[str]:
    return [each for each in values if isinstance(each, str)] if isinstance(values, list) else []


def _setup_keywords(path: Path) -> dict[str, Any]:
    """Return the keywords of ``setup(...)`` in a ``setup.py``; None for one that is computed."""
    if not os.path.isfile(path):
        return {}
    return dict(_keywords(read_python(path).tree))


def _keywords(tree: ast.Module) -> Iterator[tuple[str, Any]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and "setup" in ast.unparse(node.func).rpartition(".")[2]:
            for keyword in node.keywords:
                if keyword.arg is None:  # **anything
                    yield "packages", None
                    continue
                try:
                    yield keyword.arg, ast.literal_eval(keyword.value)
                except ValueError:
                    yield keyword.arg, None
