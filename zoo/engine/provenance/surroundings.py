# SPDX-License-Identifier: Apache-2.0
"""What a run ran on and with: machine, packages and plugins."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from typing import Any

from zoo.engine.threads.cores import find_cores

__all__ = ["describe_hardware", "describe_packages", "describe_plugins", "find_owners"]

_MODEL = re.compile(r"^(?:model name|Model|Hardware)\s*:\s*(.+)$", re.MULTILINE)


def describe_hardware() -> dict[str, Any]:
    """Return the machine: ``cpu``, ``cores``, ``threads``, ``memory_bytes``, ``gpus``, ``system``.

    ``cores`` are those that the process may use, ``threads`` those that torch uses in an operation.
    """
    import torch

    gpus = []
    if torch.cuda.is_available():
        gpus = [torch.cuda.get_device_name(each) for each in range(torch.cuda.device_count())]
    return {
        "cpu": _cpu(),
        "cores": find_cores().usable,
        "threads": torch.get_num_threads(),
        "memory_bytes": _memory_bytes(),
        "gpus": gpus,
        "system": f"{platform.system()} {platform.machine()}",
    }


def find_owners() -> dict[str, dict[str, str]]:
    """Return module -> distribution -> version of everything that is installed.

    It takes about 0.1 s. A damaged distribution, such as one that an interrupted ``pip`` has left
    without its METADATA, is left out.
    """
    owners: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    for each in distributions():
        with suppress(Exception):  # of a file that is absent, locked, or no text
            name, version = each.metadata["Name"], each.version
            key = re.sub("[-_.]+", "-", str(name)).lower()
            if name and version and key not in seen:  # the first on the path is the one imported
                seen.add(key)
                for module in _modules_of(each):
                    owners.setdefault(module, {})[name] = version
    return owners


def _modules_of(each: Distribution) -> set[str]:
    declared = (each.read_text("top_level.txt") or "").split()
    if declared:
        return set(declared)
    files = (PurePosixPath(file) for file in each.files or () if file.suffix == ".py")
    return {file.parts[0] if len(file.parts) > 1 else file.stem for file in files}


def describe_packages(owners: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return distribution -> version of everything that this process has imported, and Python's.

    Args:
        owners: As `find_owners` returns them.
    """
    loaded = {name.partition(".")[0] for name in sys.modules}
    found = {name: version for module in loaded for name, version in owners.get(module, {}).items()}
    ordered = sorted(found, key=str.lower)
    return {"python": platform.python_version(), **{name: found[name] for name in ordered}}


def describe_plugins() -> dict[str, str]:
    """Return name -> version of every plugin that zoo finds and can use."""
    from zoo.catalog import read_catalog

    usable = (each for each in read_catalog().plugins if each.error is None)
    return {each.name: each.version for each in usable if each.version is not None}


def _cpu() -> str:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = _MODEL.search(text)
        if found:
            return " ".join(found[1].split())
    return platform.processor() or platform.machine() or "unknown"


def _memory_bytes() -> int | None:
    with suppress(AttributeError, ValueError, OSError):  # not on Windows
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None
