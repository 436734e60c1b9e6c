# SPDX-License-Identifier: Apache-2.0
"""One plugin that holds every static rule; a mutation breaks one of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog

_WEIGHTS = bytes(range(256)) * 4

PROJECT = """
[build-system]
requires = ["setuptools>=77,<82"]
build-backend = "setuptools.build_meta"

[project]
name = "mmzoo-pond"
version = "0.1.0"
description = "ponds"
readme = "README.md"
license = "Apache-2.0"
license-files = ["LICENSE"]
requires-python = ">=3.11,<3.14"
dependencies = ["mmzoo>=0.1,<0.2", "click>=8.1"]

[project.optional-dependencies]
dicom = ["pydicom>=3,<4"]

[project.entry-points."zoo.plugins"]
pond = "zoo_pond"

[tool.setuptools]
packages = ["zoo_pond", "zoo_pond.parts"]

[tool.setuptools.package-data]
zoo_pond = [
    "*.toml", "*.json", "configs/*.py", "configs/*.json", "bases/*.py", "weights/*.safetensors"
]
"""

MANIFEST = """
[plugin]
name = "pond"
version = "0.1.0"
api = 1
summary = "ponds in drone images"
license = "Apache-2.0"

[requires]
distributions = ["mmsegmentation>=1.2,<2", "shapely>=2.0,<3"]

[[dataset]]
name = "PondDataset"
task = "semantic"
target = "zoo_pond.dataset:PondDataset"
prepare = "zoo_pond.prepare:prepare"
sample = "zoo_pond.prepare:write_sample"
classes = ["land", "pond"]
licence = "CC0-1.0"

[[dataset.option]]
name = "mask-suffix"
type = "str"
default = "_mask"
help = "ending of masks"

[[loss]]
name = "EdgeLoss"
target = "zoo_pond.parts:EdgeLoss"

[[command]]
name = "count-ponds"
target = "zoo_pond.commands:count"
summary = "count ponds"

[[converter]]
name = "pond_net"
target = "zoo_pond.parts.convert:pond_net"
version = 1

[[config]]
name = "unet_pond-64"
file = "configs/unet_pond-64.py"

[[config]]
name = "fcn_pond-64"
file = "configs/fcn_pond-64.json"

[[base]]
name = "pond-data"
part = "data"
file = "bases/data.py"

[[weights]]
name = "unet_pond"
task = "semantic"
config = "unet_pond-64"
urls = ["package:weights/unet_pond.safetensors"]
sha256 = "SHA256"
size_bytes = 1024
format = "safetensors"
licence = "Apache-2.0"
data_licence = "CC0-1.0"
parameters = 100
metrics = [
    { name = "mIoU", value = 0.5, dataset = "pond", split = "val", labels = "true", protocol = "p" }
]

[[weights]]
name = "pond_net"
task = "semantic"
config = "pond.fcn_pond-64"
urls = ["https://example.org/pond.pth"]
sha256_prefix = "0123456789"
format = "pth"
licence = "Apache-2.0"
data_licence = "CC0-1.0"
parameters = 100
converter = "pond_net"
yanked = "wrong classes"
successor = "unet_pond"

[[shelf]]
file = "shelf.json"

[[legacy_index]]
file = "old.json"
"""

SHELF = {
    "format": 1,
    "weights": [
        {
            "name": "pond_old",
            "task": "semantic",
            "config": "unet_pond-64",
            "urls": ["https://example.org/old.safetensors"],
            "sha256": "1" * 64,
            "size_bytes": 7,
            "format": "safetensors",
            "licence": "MIT",
            "data_licence": "CC0-1.0",
            "parameters": 100,
            "metrics": [
                {
                    "name": "mIoU",
                    "value": 40.0,
                    "unit": "percent",
                    "dataset": "ponds",
                    "split": "test",
                    "labels": "true",
                    "protocol": "README",
                }
            ],
        }
    ],
}

INDEX: dict[str, Any] = {
    "format": 1,
    "sources": ["ponds 1.0"],
    "licence": "Apache-2.0",
    "data_licence": "CC0-1.0",
    "units": {"mIoU": "percent"},
    "columns": [
        *("name", "task", "tasks", "config", "architecture", "datasets", "metrics"),
        *("memory_gb", "url", "sha256_prefix", "note"),
    ],
    "rows": [],
}

FILES = {
    "pyproject.toml": PROJECT,
    "README.md": "# Ponds\n",
    "LICENSE": "Apache-2.0\n",
    "zoo_pond/zoo_plugin.toml": MANIFEST,
    "zoo_pond/__init__.py": '"""Ponds."""\n\nimport zoo  # noqa: F401\n',
    "zoo_pond/dataset.py": """
from mmseg.datasets import BaseSegDataset
from shapely.geometry import Polygon


class PondDataset(BaseSegDataset):
    area = Polygon
""",
    "zoo_pond/prepare.py": """
from typing import TYPE_CHECKING

from zoo.data import DatasetIdentity
from zoo.errors import DataError

if TYPE_CHECKING:
    import pandas

VERSION = "0.1.0"
IDENTITY = DatasetIdentity("pond", "PondDataset", version=VERSION)

try:
    import simplejpeg
except ImportError:
    simplejpeg = None


def prepare(source, out, *, shares, progress=None, mask_suffix="_mask"):
    import pydicom

    raise DataError("nothing to prepare.", path=source)


def write_sample(folder, *, seed=0, count=3, **more):
    return None
""",
    "zoo_pond/commands.py": """
import click


@click.command()
def count():
    "Count ponds."
""",
    "zoo_pond/parts/__init__.py": "from .losses import *\n",
    "zoo_pond/parts/losses.py": """
import torch


class EdgeLoss(torch.nn.Module):
    pass
""",
    "zoo_pond/parts/convert.py": """
def _convert(weights):
    return weights, {}


pond_net = _convert
""",
    "zoo_pond/bases/data.py": "train_dataloader = dict(dataset=dict(type='zoo.pond.PondDataset'))",
    "zoo_pond/configs/unet_pond-64.py": """
_base_ = ['../bases/data.py']
_data_ = 'zoo.pond.PondDataset'
model = dict(
    type='mmseg.EncoderDecoder',
    decode_head=dict(type='FCNHead', loss_decode={'type': 'zoo.EdgeLoss'}))
""",
    "zoo_pond/configs/fcn_pond-64.json": json.dumps(
        {"_base_": "zoo::pond/unet_pond-64", "model": {"type": "EncoderDecoder"}}, indent=1
    ),
    "zoo_pond/shelf.json": json.dumps(SHELF, indent=1),
    "zoo_pond/old.json": json.dumps(INDEX),
}


@pytest.fixture
def pond(tmp_path: Path) -> Path:
    """Write the plugin, and return its project."""
    folder = tmp_path / "pond"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256(_WEIGHTS).hexdigest()
        path.write_text(text.replace("SHA256", digest), encoding="utf-8")
    path = folder / "zoo_pond" / "weights" / "unet_pond.safetensors"
    path.parent.mkdir()
    path.write_bytes(_WEIGHTS)
    return folder


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Return a function that puts a plugin ``lake``, of some rows, into the catalog."""

    def write(rows: str, name: str = "lake") -> Path:
        package = tmp_path / "others" / f"zoo_{name}"
        package.mkdir(parents=True)
        (package / "lake.py").write_text("model = dict()\n")
        head = MANIFEST.partition("[requires]")[0].replace("pond", name)
        (package / "zoo_plugin.toml").write_text(head + rows)
        monkeypatch.setenv("ZOO_PLUGIN_PATH", str(package.parent))
        forget_catalog()
        return package

    return write
