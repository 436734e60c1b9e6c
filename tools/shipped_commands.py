#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write ``zoo/cli/plugged/shipped_commands.json``: which distribution brings which command.

    python tools/shipped_commands.py            # writes the file
    python tools/shipped_commands.py --check    # exits with 1 if the file differs

The commands are those of the plugins in ``plugins/``. zoo reads the file where somebody calls one
whose plugin is not installed, so that its code names no plugin.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

from generated_files import write_or_check

from zoo.catalog import Catalog
from zoo.manifest.rows import CommandRow

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "zoo" / "cli" / "plugged" / "shipped_commands.json"


def files() -> dict[Path, str]:
    """Return the text of the list: what to type -> the name of the distribution."""
    found: dict[str, str] = {}
    for record in Catalog.of_folders(ROOT / "plugins").plugins:
        manifest = record.checked()
        project = tomllib.loads((manifest.folder.parent / "pyproject.toml").read_text("utf-8"))
        for row in manifest.contributions:
            if isinstance(row, CommandRow):
                found[f"{row.parent} {row.name}"] = project["project"]["name"]
    return {TARGET: json.dumps(found, indent=0, sort_keys=True) + "\n"}


if __name__ == "__main__":
    sys.exit(write_or_check(files, __doc__))
