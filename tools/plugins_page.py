#!/usr/bin/env python
# SPDX-License-Identifier: Apache-2.0
"""Write ``docs/plugins.md``: the plugins of this repository and what each adds.

    python tools/plugins_page.py [--check]

The rows come from the manifests in ``plugins/``. ``--check`` writes nothing and exits with 1 if
the page differs.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from generated_files import write_or_check

from zoo.catalog import Catalog
from zoo.manifest.rows import Manifest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "plugins.md"
HEAD = """# Shipped plugins

Each is a distribution of its own: `pip install ./plugins/NAME` in a clone.
`tools/plugins_page.py` writes this page from their manifests.

| plugin | what it is | adds |
|---|---|---|
"""


def page_text() -> str:
    """Return the page."""
    found = [record.checked() for record in Catalog.of_folders(ROOT / "plugins").plugins]
    rows = sorted(found, key=lambda manifest: manifest.plugin)
    return HEAD + "".join(f"{_row(manifest)}\n" for manifest in rows)


def _row(manifest: Manifest) -> str:
    card = f"[{manifest.plugin}](../plugins/{manifest.plugin}/README.md)"
    return f"| {card} | {manifest.summary} | {', '.join(_added(manifest))} |"


def _added(manifest: Manifest) -> Iterator[str]:
    kinds = Counter(row.kind for row in manifest.rows)
    for kind, count in sorted(kinds.items()):
        yield f"{count} {kind}" if count > 1 else kind
    if manifest.legacy_indexes:
        yield "legacy index"


if __name__ == "__main__":
    sys.exit(write_or_check(lambda: {PAGE: page_text()}, __doc__))
