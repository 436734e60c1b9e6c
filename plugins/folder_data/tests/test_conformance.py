# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm
COLORS = {
    "names": ["red", "green", "blue"],
    "numbers": [1, 2, 3],
    "count": 3,
    "dtype": "uint8",
    "mean": [100.0] * 3,
    "std": [50.0] * 3,
}


class TestConformance(PluginConformance):
    plugin = "folder_data"
    settings: ClassVar[dict[str, list[dict[str, Any]]]] = {"LoadBands": [{"bands": COLORS}]}

    def make_results(self, name: str, folder: Path) -> dict[str, Any]:
        """Of bands, the same image as a TIFF."""
        results = super().make_results(name, folder)
        if name == "LoadBands":
            rasterio = pytest.importorskip("rasterio")
            pixels = results["img"].transpose(2, 0, 1)
            path = folder / "image.tif"
            size = {"count": 3, "height": 24, "width": 32, "dtype": "uint8"}
            with rasterio.open(path, "w", driver="GTiff", photometric="RGB", **size) as dataset:
                dataset.write(pixels)
            results["img_path"] = str(path)
        return results
