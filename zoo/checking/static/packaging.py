# SPDX-License-Identifier: Apache-2.0
"""ZP212-ZP214: what the wheel will hold, and the documents beside the package."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from zoo.checking.finding import Finding
from zoo.checking.rule import Case
from zoo.checking.source.configs import local_bases
from zoo.checking.source.places import place_of
from zoo.checking.source.project import Distribution, table_of
from zoo.checking.source.python import python_files
from zoo.checking.source.wheel_files import read_packaging
from zoo.checking.static.cases import distribution_of, label_of, projects, static_rule
from zoo.checking.static.configs import config_rows
from zoo.checking.subject import Subject
from zoo.engine.reproducing.recipes import FILE_NAME as RECIPES_NAME
from zoo.manifest.reading import MANIFEST_NAME

__all__ = ["RULES"]

_PACKAGE = "package:"


def _named_files(subject: Subject) -> Iterator[Case]:
    """Yield the files that the wheel must hold, once each, with the row that names them."""
    if not any(projects(subject)):
        return
    seen: set[str] = set()
    files = [("", MANIFEST_NAME), ("", RECIPES_NAME), *_files_of_rows(subject)]
    for label, file in files:
        if file not in seen and os.path.isfile(subject.package / file):
            seen.add(file)
            yield label, file


def _files_of_rows(subject: Subject) -> Iterator[tuple[str, str]]:
    manifest = subject.manifest
    if manifest is None:
        return
    for row in config_rows(subject):
        yield label_of(row), row.file
        for path in local_bases(subject.package / row.file, subject.package):
            yield label_of(row), path.relative_to(subject.package).as_posix()
    for weights in manifest.weights:
        for url in weights.urls:
            if url.startswith(_PACKAGE):
                yield f"weights {weights.name}", url.removeprefix(_PACKAGE)
    yield from (("", index.file) for index in manifest.legacy_indexes)
    for shelf in subject.survey.document.get("shelf") or ():
        if isinstance(shelf, dict) and isinstance(shelf.get("file"), str):
            yield "", shelf["file"]


def _check_file(subject: Subject, file: str) -> Iterator[Finding]:
    found = distribution_of(subject)
    if found is None or subject.project is None:
        return
    packaging = read_packaging(subject.project, found.document, subject.package)
    name = subject.package.name
    if packaging.holds(name, file) is False and name in (packaging.packages or ()):
        where = place_of(found.path, "tool.setuptools.package-data")
        message = f"the wheel will not hold {file}: no glob of package-data names it."
        folder, _, base = file.rpartition("/")
        glob = f"{folder}/*{os.path.splitext(base)[1]}" if folder else file
        mend = f'add "{glob}" to {name} = [...] below [tool.setuptools.package-data].'
        yield Finding("ZP213", where, message, mend)


def _check_packages(subject: Subject, found: Distribution) -> Iterator[Finding]:
    if subject.project is None:
        return
    packaging = read_packaging(subject.project, found.document, subject.package)
    where = place_of(found.path, "tool.setuptools")
    if packaging.packages is None or not packaging.is_known:
        backend = packaging.backend.partition(".")[0]
        message = f"only a build by {backend} tells which files the wheel holds."
        mend = "check with --deep, which builds it and compares."
        yield Finding("ZP212", where, message, mend, level="warning")
    if packaging.packages is None:
        return
    for package in _own_packages(subject):
        if package not in packaging.packages:
            message = f"the wheel will not hold the package {package}: packages does not list it."
            mend = f'add "{package}" to packages below [tool.setuptools].'
            yield Finding("ZP212", where, message, mend)


def _own_packages(subject: Subject) -> list[str]:
    """Return the dotted names of the package and of those in it."""
    parents = {path.parent for path in python_files(subject.package) if path.stem == "__init__"}
    root = subject.package
    names = [(root.name, *path.relative_to(root).parts) for path in parents | {root}]
    return sorted(".".join(parts) for parts in names)


def _check_documents(subject: Subject, found: Distribution) -> Iterator[Finding]:
    if subject.project is None:
        return
    table = table_of(found.document, "project")
    readme = table.get("readme")
    readme = readme.get("file") if isinstance(readme, dict) else readme
    names = [readme] if isinstance(readme, str) else ["README.md", "README.rst", "README.txt"]
    if not any(os.path.isfile(subject.project / name) for name in names):
        message = f"there is no {names[0]}: it says what the plugin is, and where data come from."
        yield Finding("ZP214", str(subject.project / names[0]), message, f"write {names[0]}.")
    stated = table.get("license-files")
    globs = stated if isinstance(stated, list) else ["LICEN[CS]E*"]
    for glob in globs:
        if not _has_file(subject.project, str(glob)):
            message = f"there is no file {glob}, which holds the text of a licence."
            mend = "add LICENSE with the text of the licence, or correct license-files."
            yield Finding("ZP214", str(subject.project / "LICENSE"), message, mend)


def _has_file(folder: Path, glob: str) -> bool:
    try:
        return ".." not in glob.split("/") and any(folder.glob(glob))
    except (OSError, ValueError, NotImplementedError):  # an empty, absolute or very long glob
        return False


RULES = (
    static_rule(
        "ZP212",
        "packages-shipped",
        "The wheel holds each package of the code.",
        projects,
        _check_packages,
    ),
    static_rule(
        "ZP213",
        "files-shipped",
        "The wheel holds each file that the manifest or a config names.",
        _named_files,
        _check_file,
    ),
    static_rule(
        "ZP214", "documents-exist", "There are a README and a licence.", projects, _check_documents
    ),
)
