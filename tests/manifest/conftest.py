# SPDX-License-Identifier: Apache-2.0
"""A manifest that holds, for the tests that read it and those that break it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

GOOD = """
[plugin]
name = "cells"
version = "0.1.0"
api = 1
summary = "Cells in micrographs"
license = "Apache-2.0"

[requires]
distributions = ["mmsegmentation>=1.2,<2"]

[[dataset]]
name = "CellDataset"
task = "semantic"
target = "zoo_cells.dataset:CellDataset"
prepare = "zoo_cells.prepare:prepare"
sample = "zoo_cells.sample:write_sample"
classes = ["background", "cell"]
licence = "CC0-1.0"

[[dataset.option]]
name = "mask-suffix"
type = "str"
default = "_mask"
help = "ending of masks"

[[dataset.option]]
name = "stain"
type = "choice"
choices = ["he", "ihc"]
default = ["he"]
multiple = true
help = "stains to keep"

[[loss]]
name = "EdgeLoss"
target = "zoo_cells.loss:EdgeLoss"

[[weight_initializer]]
name = "CellWeights"
target = "zoo_cells.weights:CellWeights"
pretrained = true

[[metric]]
name = "CellMetric"
target = "zoo_cells.metric:CellMetric"
direction = "higher"

[metric.unit]
"area_*" = "px²"

[[check]]
name = "cell_area"
target = "zoo_cells.checks:check_cell_area"
of = "data"
dataset = "CellDataset"

[[planner]]
name = "cells"
target = "zoo_cells.planner:plan_cells"
task = "instance"

[[exporter]]
name = "cells_onnx"
target = "zoo_cells.exporter:export"
suffix = ".onnx"
runner = "zoo_cells.runner:open_file"

[[exchange]]
name = "cell_counter"
target = "zoo_cells.exchange:CellCounter"
suffixes = [".xml", ".zip"]
reads = true

[[config]]
name = "unet_cells-256"
file = "configs/unet.py"

[[weights]]
name = "unet_cells"
task = "semantic"
config = "unet_cells-256"
urls = ["https://example.org/a.safetensors", "package:weights/a.safetensors"]
sha256 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
size_bytes = 10
format = "safetensors"
licence = "Apache-2.0"
data_licence = "CC0-1.0"
parameters = 20
metrics = [{ name = "dice_cell", value = 0.5, dataset = "x", split = "test", labels = "true", protocol = "README#evaluation" }]

[[legacy_index]]
file = "old.csv"
"""  # noqa: E501 - an inline table of TOML is one line


@pytest.fixture
def good() -> str:
    """Return the text of a manifest that holds, with a row of each sort."""
    return GOOD


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Path]:
    """Write a manifest with the files that it names, and return its path."""

    def write(text: str, package: str = "zoo_cells") -> Path:
        folder = tmp_path / package
        (folder / "configs").mkdir(parents=True)
        (folder / "configs" / "unet.py").write_text("")
        (folder / "old.csv").write_text("")
        path = folder / "zoo_plugin.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
