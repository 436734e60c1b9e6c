# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.testing import PluginConformance

pytestmark = [pytest.mark.mm, pytest.mark.slow]  # scenes are drawn for each rule of data sets


class TestConformance(PluginConformance):
    plugin = "oil_storage"
    sample_count = 2

    def make_fake_data(self, row: Any, folder: Path) -> Path:
        """Write two small scenes: it is the tiles that take time."""
        from zoo_oil_storage.sample import write_sample

        write_sample(folder, count=2, size_px=640)
        return folder
