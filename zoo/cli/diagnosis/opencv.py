# SPDX-License-Identifier: Apache-2.0
"""Which build of OpenCV suits this machine, where several are installed over each other."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.metadata import distributions

__all__ = ["build_to_keep"]

_HEADLESS = "-headless"


def build_to_keep(builds: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the requirement of the build to keep, and why.

    A build with windows cannot be imported without libGL; then a headless one is kept, with the
    contributed modules if they are there. Where libGL can be loaded, the build is kept that most
    installed packages require by its name, for which `pip check` looks.

    Args:
        builds: Names and versions of the installed builds, the original first.

    Example:
        >>> build_to_keep([("opencv-python-headless", "4.12.0.88")])[0]
        'opencv-python-headless==4.12.0.88'
    """
    if not _has_libgl():
        # Builds with contributed modules have all that the others have.
        name, version = max(builds, key=lambda each: "-contrib-" in each[0])
        name = f"{name.removesuffix(_HEADLESS)}{_HEADLESS}"
        version = dict(builds).get(name, version)
        return f"{name}=={version}", f"{name} is kept, since libGL cannot be loaded here"
    users = {name: sorted(set(_users_of(name))) for name, _ in builds}
    name, version = max(builds, key=lambda each: len(users[each[0]]))  # the first of equals
    by = users[name]
    ask = "ask for" if len(by) > 1 else "asks for"
    why = f"which {' and '.join(by)} {ask}" if by else "as nothing asks for another"
    return f"{name}=={version}", f"{name} is kept, {why}"


def _has_libgl() -> bool:
    """Return whether OpenCV's windows find the library that they need, which only Linux lacks."""
    if not sys.platform.startswith("linux"):
        return True
    try:
        ctypes.CDLL("libGL.so.1")
    except OSError:
        return False
    return True


def _users_of(name: str) -> Iterator[str]:
    """Yield the installed distributions that require a build by its name, extras apart."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for distribution in distributions():
        for text in distribution.requires or ():
            with suppress(InvalidRequirement, ValueError, KeyError):
                requirement = Requirement(text)
                holds = requirement.marker is None or requirement.marker.evaluate({"extra": ""})
                if holds and canonicalize_name(requirement.name) == name and distribution.name:
                    yield distribution.name
