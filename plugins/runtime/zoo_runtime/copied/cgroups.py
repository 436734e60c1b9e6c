# SPDX-License-Identifier: Apache-2.0
# A copy of zoo.engine.threads.cgroups, by tools/runtime_copies.py.
"""The cgroups of this process, each of which may limit it: its own one and those around it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

__all__ = ["find_groups"]


def find_groups(controller: str, root: Path = Path("/")) -> list[tuple[int, Path]]:
    """Return the cgroups that limit a resource of this process, the innermost first.

    Args:
        controller: Such as ``cpu`` or ``memory``.
        root: Where ``proc`` and the mounted cgroups are looked for.

    Returns:
        The version, 1 or 2, and the folder of each, up to the mount of its hierarchy. None where
        there are no cgroups, or where the kernel does not write what is expected.
    """
    groups: list[tuple[int, Path]] = []
    with suppress(OSError, ValueError, IndexError):
        paths = _paths((root / "proc/self/cgroup").read_text(encoding="utf-8"), controller)
        for mount in (root / "proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
            groups += _groups_below(mount, paths, controller, root)
    return groups


def _paths(text: str, controller: str) -> dict[str, str]:
    """Return the cgroups of the process: ``cgroup2`` and ``cgroup`` (of the resource) -> path."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            found["cgroup2"] = path
        elif controller in controllers.split(","):
            found["cgroup"] = path
    return found


def _groups_below(
    mount: str, paths: dict[str, str], controller: str, root: Path
) -> Iterator[tuple[int, Path]]:
    """Yield the cgroups from that of the process up to the mount of its hierarchy."""
    head, _, tail = mount.partition(" - ")
    kind, _, options = tail.split(" ", 2)
    if kind not in paths or (kind == "cgroup" and controller not in options.split(",")):
        return
    top, place = head.split(" ")[3:5]
    folder = root / place.lstrip("/")
    # In a container the path may be the host's, above what is mounted.
    within = paths[kind].removeprefix(top.rstrip("/")).strip("/")
    here = folder / within if ".." not in within.split("/") else folder
    for each in (here, *here.parents):
        yield (2 if kind == "cgroup2" else 1), each
        if each == folder:
            break
