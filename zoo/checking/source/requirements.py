# SPDX-License-Identifier: Apache-2.0
"""Which distributions a plugin declares, and which one brings a module that it imports."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.manifest.requirements import BUILDS

if TYPE_CHECKING:
    from packaging.requirements import Requirement

__all__ = ["Declared", "declared", "distributions_of", "modules_of", "read_requirement_or_none"]

_ZOO = "mmzoo"
_MM = ("mm", "mm-core", "onedl")  # extras of mmzoo that bring OpenMMLab and what it needs
# Modules that are not called like their distributions, for what is not installed here.
_KNOWN = {
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "markdown_it": "markdown-it-py",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "mmseg": "mmsegmentation",
    "pkg_resources": "setuptools",
    "osgeo": "gdal",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "Crypto": "pycryptodome",
    "nibabel": "nibabel",
    "SimpleITK": "simpleitk",
}


@dataclass(frozen=True, slots=True)
class Declared:
    """What a plugin declares.

    Attributes:
        direct: Canonical names of what it requires, without extras.
        extra: Those of its extras.
        brought: Those that come with OpenMMLab, if the plugin requires a part of it, and with zoo.
        needed: Those, and what they require: a requirement that the plugin's own code need not use.
    """

    direct: frozenset[str]
    extra: frozenset[str]
    brought: frozenset[str]
    needed: frozenset[str]

    @property
    def all(self) -> frozenset[str]:
        """Return every name."""
        return self.direct | self.extra | self.brought


def read_requirement_or_none(text: str) -> Requirement | None:
    """Return a requirement, or None if it cannot be read.

    Args:
        text: A requirement in pip's syntax.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except (InvalidRequirement, RecursionError):
        return None


def declared(direct: Iterable[str], extra: Iterable[str]) -> Declared:
    """Return the distributions that some requirements declare.

    Args:
        direct: Requirements of the manifest and of the distribution.
        extra: Requirements of the distribution's extras.
    """
    own = [each for text in direct if (each := read_requirement_or_none(text)) is not None]
    names = frozenset(_canonical(each.name) for each in own)
    zoo_extras = {extra for each in own if _canonical(each.name) == _ZOO for extra in each.extras}
    openmmlab = _openmmlab()
    brought = _required_by(_ZOO, None)
    if zoo_extras & {*_MM} or names & openmmlab:
        brought |= openmmlab
    for chosen in zoo_extras:
        brought |= _required_by(_ZOO, chosen)
    others = [each for text in extra if (each := read_requirement_or_none(text)) is not None]
    extras = frozenset(_canonical(each.name) for each in others)
    needed = brought.union(*(_required_by(name, None) for name in brought & openmmlab))
    return Declared(
        _with_builds(names), _with_builds(extras), _with_builds(brought), _with_builds(needed)
    )


@functools.cache
def _openmmlab() -> frozenset[str]:
    """Return what the extra ``mm`` of zoo brings, less what many others bring too."""
    plain = {"torch", "numpy", "opencv-python", "matplotlib", "pillow", "setuptools", _ZOO}
    found = frozenset(_required_by(_ZOO, "mm-core") | _required_by(_ZOO, "mm"))
    core = {"mmengine", "mmdet", "mmsegmentation", "mmcv-lite"}
    return _with_builds(frozenset(core)) | (found if found - plain else frozenset())


@functools.cache
def _required_by(name: str, extra: str | None) -> frozenset[str]:
    """Return what an installed distribution requires, with one of its extras or without."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        texts = requires(name) or []
    except PackageNotFoundError:
        return frozenset()
    found = set()
    for text in texts:
        each = read_requirement_or_none(text)
        if each is None:
            continue
        marker = each.marker
        if marker is None or "extra" not in str(marker):
            fits = extra is None
        else:
            fits = extra is not None and marker.evaluate({"extra": extra})
        if fits:
            found.add(_canonical(each.name))
    return frozenset(found)


def _with_builds(names: frozenset[str]) -> frozenset[str]:
    """Return names with the builds that bring the same modules."""
    return names.union(*(group for group in BUILDS if names & {*group}))


@functools.cache
def _installed() -> Mapping[str, list[str]]:
    from importlib.metadata import packages_distributions

    return packages_distributions()


def distributions_of(module: str) -> frozenset[str]:
    """Return the canonical names of the distributions that may bring a top-level module.

    Args:
        module: Such as ``cv2``. For one that is not installed the name is guessed.
    """
    names = [*_installed().get(module, ()), _KNOWN.get(module, module)]
    return frozenset(map(_canonical, names))


def modules_of(distribution: str) -> frozenset[str]:
    """Return the top-level modules of a distribution; a guess for one that is not installed.

    Args:
        distribution: Its name.
    """
    name = _canonical(distribution)
    found = {
        module for module, owners in _installed().items() if name in map(_canonical, owners)
    } | {module for module, owner in _KNOWN.items() if owner == name}
    return frozenset(found or {name.replace("-", "_")})


def _canonical(name: str) -> str:
    from packaging.utils import canonicalize_name

    return canonicalize_name(name)
