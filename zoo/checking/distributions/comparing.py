# SPDX-License-Identifier: Apache-2.0
"""Compare a wheel and an sdist with the plugin that they were built from."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.manifest.discovery import ENTRY_POINT_GROUP
from zoo.manifest.reading import MANIFEST_NAME
from zoo.manifest.rows import Manifest

__all__ = ["BuildFault", "compare_sdist", "compare_wheel", "named_files"]

_LOCAL = "package:"
_UNSHIPPED = (".pyc", ".pyo", "~", ".swp", ".orig")


@dataclass(frozen=True, slots=True)
class BuildFault:
    """What a built file lacks or states otherwise.

    Attributes:
        message: What was found and expected, without a full stop.
        mend: One thing to do.
        is_error: Whether the plugin cannot work like that; else it may be meant.
    """

    message: str
    mend: str
    is_error: bool = True


def named_files(manifest: Manifest, document: dict[str, Any]) -> dict[str, str]:
    """Return every file of the package that the manifest names -> by what.

    Args:
        manifest: The manifest, read.
        document: Its TOML: rows of shelves do not say which file they are from.
    """
    found = {MANIFEST_NAME: "the manifest", "__init__.py": "the package"}
    for row in manifest.contributions:
        targets = [row.target, *(getattr(row, key, None) for key in ("prepare", "init", "sample"))]
        for target in filter(None, targets):
            path = _module_file(manifest, str(target).partition(":")[0])
            found.setdefault(path, f"[[{row.kind}]] {row.name}")
    for config in manifest.configs:
        found[config.file] = f"[[config]] {config.name}"
    for weights in manifest.weights:
        for url in weights.urls:
            if url.startswith(_LOCAL):
                found[url.removeprefix(_LOCAL)] = f"[[weights]] {weights.name}"
    for index in manifest.legacy_indexes:
        found[index.file] = "[[legacy_index]]"
    shelves = document.get("shelf")
    for shelf in shelves if isinstance(shelves, list) else []:
        found[str(shelf.get("file"))] = "[[shelf]]"
    return found


def _module_file(manifest: Manifest, module: str) -> str:
    inside = module.removeprefix(manifest.package).strip(".").replace(".", "/")
    is_package = (manifest.folder / inside / "__init__.py").is_file()
    return f"{inside}/__init__.py".lstrip("/") if is_package or not inside else f"{inside}.py"


def compare_wheel(wheel: Path, manifest: Manifest, document: dict[str, Any]) -> list[BuildFault]:
    """Return what a wheel lacks of a plugin, and what its metadata state otherwise.

    Args:
        wheel: The wheel.
        manifest: The manifest of the project.
        document: Its TOML.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        info = next((name.split("/")[0] for name in names if ".dist-info/METADATA" in name), "")
        metadata = _text(archive, names, f"{info}/METADATA")
        points = _text(archive, names, f"{info}/entry_points.txt")
    inside = f"{manifest.package}/"
    held = {name.removeprefix(inside) for name in names if name.startswith(inside)}
    faults = [*_absent(held, manifest, document), *_differing(metadata, points, manifest)]
    for path in _package_files(manifest.folder):
        if path not in held and path not in named_files(manifest, document):
            message = f"the wheel lacks {path}, which is in the package"
            faults.append(BuildFault(message, _package_data(manifest, path), is_error=False))
    if not any("licen" in name.lower() for name in names if name.startswith(info)):
        message = "the wheel holds no licence file"
        mend = 'add license-files = ["LICENSE"] to [project] and the file beside pyproject.toml.'
        faults.append(BuildFault(message, mend, is_error=False))
    return faults


def _text(archive: zipfile.ZipFile, names: set[str], name: str) -> str:
    return archive.read(name).decode("utf-8", "replace") if name in names else ""


def _absent(held: set[str], manifest: Manifest, document: dict[str, Any]) -> Iterator[BuildFault]:
    for path, by in named_files(manifest, document).items():
        if PurePosixPath(path).as_posix() in held:
            continue
        if (manifest.folder / path).is_file():
            message = f"the wheel lacks {path}, which {by} names"
            yield BuildFault(message, _package_data(manifest, path))
        else:
            message = f"there is no {path}, which {by} names"
            yield BuildFault(message, "add the file, or remove the row.")


def _package_data(manifest: Manifest, path: str) -> str:
    if path.endswith(".py"):
        folder = PurePosixPath(path).parent
        inside = f"{manifest.package}/{folder}".removesuffix("/.").replace("/", ".")
        if (manifest.folder / folder / "__init__.py").is_file():
            return f"list {inside!r} under [tool.setuptools] packages, or what your builder has."
    pattern = PurePosixPath(path)
    suffix = pattern.suffix
    glob = str(pattern.with_name(f"*{suffix}")) if suffix and len(pattern.parts) > 1 else path
    return f'add "{glob}" to [tool.setuptools.package-data] {manifest.package}.'


def _differing(metadata: str, points: str, manifest: Manifest) -> Iterator[BuildFault]:
    from packaging.version import InvalidVersion, Version

    version = Parser().parsestr(metadata).get("Version", "")
    try:
        is_equal = Version(version) == Version(manifest.version)
    except InvalidVersion:
        is_equal = version == manifest.version
    if not is_equal:
        message = f"the wheel has the version {version!r}, the manifest {manifest.version!r}"
        mend = "let setup.py read it from the manifest; docs/guide/write-a-plugin.md shows it."
        yield BuildFault(message, mend)
    wanted = f"{manifest.plugin}={manifest.package}"
    lines = ["".join(line.split()) for line in points.splitlines()]
    group = f"[{ENTRY_POINT_GROUP}]"
    if group not in lines or wanted not in lines:
        message = f"the wheel has no entry point {wanted} in the group {ENTRY_POINT_GROUP}"
        mend = f'[project.entry-points."{ENTRY_POINT_GROUP}"] {manifest.plugin} = '
        yield BuildFault(message, f'{mend}"{manifest.package}"')


def _package_files(folder: Path) -> list[str]:
    """Return the files of a package that a wheel usually holds, sorted."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    inside = (path.relative_to(folder) for path in paths)
    return [
        path.as_posix()
        for path in inside
        if not path.name.endswith(_UNSHIPPED)
        and not any(part.startswith(".") or part == "__pycache__" for part in path.parts)
    ]


def compare_sdist(sdist: Path, manifest: Manifest, document: dict[str, Any]) -> list[BuildFault]:
    """Return what an sdist lacks of a plugin.

    Args:
        sdist: The ``.tar.gz``.
        manifest: The manifest of the project.
        document: Its TOML.
    """
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    faults = []
    for path, by in named_files(manifest, document).items():
        ending = f"{manifest.package}/{path}"
        is_held = any(name in (ending, f"src/{ending}") for name in names)
        if not is_held and (manifest.folder / path).is_file():
            message = f"the sdist lacks {path}, which {by} names"
            faults.append(BuildFault(message, _package_data(manifest, path)))
    return faults
