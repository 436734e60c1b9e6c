# SPDX-License-Identifier: Apache-2.0
"""Thousands of rows: written in seconds, and no page of megabytes."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest
from hostile_zoo import run_gallery, toml_row, weights_row, write_plugin

pytestmark = [pytest.mark.slow, pytest.mark.release]

PLUGINS, ROWS = 200, 25


def test_gallery_of_200_plugins_with_5000_rows_takes_seconds(
    tmp_path: Path, env_of_zoo: dict[str, str]
) -> None:
    """Of CPU, whatever else the machine does; each page and the data of the search are small."""
    classes = [f"class {number}" for number in range(20)]
    for plugin in range(PLUGINS):
        names = [f"unet_{plugin}_{row}" for row in range(ROWS)]
        rows = [toml_row("weights", weights_row(name, classes=classes)) for name in names]
        write_plugin(tmp_path / "plugins", f"many_{plugin}", "".join(rows))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)

    done = run_gallery(tmp_path / "site", env_of_zoo, tmp_path / "plugins")

    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    assert f"({PLUGINS * ROWS} models, {PLUGINS + 1} plugins" in done.stdout
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 30
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > PLUGINS * ROWS
    assert max(page.stat().st_size for page in pages) < 200_000
    data = (tmp_path / "site" / "assets" / "models.js").read_text()
    assert len(data) < 1_000_000
    assert len(json.loads(data.partition("=")[2].rstrip(";\n"))["rows"]) == PLUGINS * ROWS
