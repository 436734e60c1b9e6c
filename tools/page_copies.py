# SPDX-License-Identifier: Apache-2.0
"""Copy what the page of zoo serve and the page of zoo export --to html share.

Plugins install without each other. The look and the drawing are changed in plugins/service and
copied again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from generated_files import write_or_check

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
SOURCE = PLUGINS / "service" / "zoo_service" / "page"
TARGET = PLUGINS / "html_export" / "zoo_html_export" / "page"
SHARED = ("page.css", "view.js")


def files() -> Mapping[Path, str]:
    """Return path -> text of all copies."""
    told = "/* A copy of plugins/service/zoo_service/page/{}, by tools/page_copies.py. */\n"
    return {
        TARGET / name: told.format(name) + (SOURCE / name).read_text(encoding="utf-8")
        for name in SHARED
    }


if __name__ == "__main__":
    sys.exit(write_or_check(files, __doc__ or ""))
