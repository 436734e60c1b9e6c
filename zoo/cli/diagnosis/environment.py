# SPDX-License-Identifier: Apache-2.0
"""Python itself: its version, its environment, and the pip that belongs to it."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from zoo.cli.diagnosis.finding import Finding
from zoo.cli.diagnosis.mend import Mend, line_of, shown

__all__ = ["environment_findings"]

_VERSIONS = "3.11, 3.12 or 3.13"


def environment_findings() -> Iterator[Finding]:
    """Yield whether this Python suits OpenMMLab, and whether packages can be installed for it."""
    yield _python()
    is_virtual = sys.prefix != sys.base_prefix
    managed = Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED"
    if is_virtual:
        yield Finding("environment", "ok", f"virtual environment {sys.prefix}")
    elif managed.is_file():
        found = "no virtual environment, and the system's Python takes no packages from pip"
        line = f"{line_of([sys.executable, '-m', 'venv', '.venv'])} && . .venv/bin/activate"
        yield Finding("environment", "warning", found, shown(line))
    else:
        yield Finding("environment", "ok", f"no virtual environment: {sys.prefix}")
    if find_spec("pip") is None:  # such as in an environment that uv made
        words = (sys.executable, "-m", "ensurepip", "--upgrade")
        mend = Mend(line_of(words), (words,)) if find_spec("ensurepip") else None
        yield Finding("pip", "missing", "not installed", mend, needed=False)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.maxsize < 2**32:
        found += ", 32 bit: torch has no build for it"
        return Finding("python", "broken", found, shown(f"use a 64-bit Python {_VERSIONS}"))
    if (3, 11) <= sys.version_info < (3, 14):
        return Finding("python", "ok", found)
    return Finding("python", "broken", found, shown(f"use Python {_VERSIONS}"))
