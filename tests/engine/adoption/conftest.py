# SPDX-License-Identifier: Apache-2.0
"""A third party's plugin with a converter, a config and a shelf; and weights of its library."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog

_PARAMETERS = 1219  # of the model of the config
_NUMBERS = itertools.count()

_MANIFEST = """
[plugin]
name = "{plugin}"
version = "0.1.0"
api = 1
summary = "weights of another library"
license = "Apache-2.0"

[[converter]]
name = "other_unet"
version = {version}
target = "zoo_{plugin}.converters:convert"

[[config]]
name = "tiny_unet"
file = "tiny_unet.py"

[[shelf]]
file = "shelf.json"
"""

_CONVERTERS = """
from zoo.conversion import Rule, rename


def convert(state_dict):
    rules = [Rule(r"net\\\\.(.+)", r"\\\\1")]
    required = ["net.decode_head.conv_seg.bias"]
    return rename(state_dict, rules, what="the tiny U-Net", required=required)
"""

_CONFIG = """
default_scope = 'mmseg'
norm_cfg = dict(type='BN')
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', size=(32, 32)),
    backbone=dict(type='UNet', base_channels=4, num_stages=2, strides=(1, 1),
                  enc_num_convs=(1, 1), dec_num_convs=(1,), downsamples=(True,),
                  enc_dilations=(1, 1), dec_dilations=(1,)),
    decode_head=dict(type='FCNHead', in_channels=4, channels=4, num_convs=1, num_classes=3,
                     in_index=1, norm_cfg=norm_cfg),
    test_cfg=dict(mode='whole'))
test_pipeline = [dict(type='LoadImageFromFile'), dict(type='PackSegInputs')]
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', pipeline=test_pipeline,
    metainfo=dict(classes=['sky', 'road', 'car'], palette=[[0, 0, 9], [0, 9, 0], [9, 0, 0]])))
"""


class Foreign:
    """The plugin, written once for a test; its rows name files on the loopback hub."""

    def __init__(self, folder: Path, hub: Any) -> None:
        self.name = f"foreign{next(_NUMBERS)}"  # a package is imported once for each process
        self.folder, self.hub = folder, hub
        self.package = folder / f"zoo_{self.name}"
        self.package.mkdir(parents=True)
        (self.package / "__init__.py").write_text('"""Foreign."""\nimport zoo\n')
        (self.package / "tiny_unet.py").write_text(_CONFIG)
        self.write_converter(_CONVERTERS.replace("\\\\", "\\"))
        self.list()

    def write_converter(self, code: str, version: int = 1) -> None:
        """Write the module of the converter, and its version into the manifest."""
        (self.package / "converters.py").write_text(code)
        text = _MANIFEST.format(plugin=self.name, version=version)
        (self.package / "zoo_plugin.toml").write_text(text)

    def list(self, *rows: dict[str, Any]) -> None:
        """Write the shelf."""
        document = {"format": 1, "class_lists": {}, "weights": list(rows)}
        (self.package / "shelf.json").write_text(json.dumps(document))
        forget_catalog()

    def serve(self, data: bytes, file: str = "model.pth", repo: str = "acme/unet") -> str:
        """Put a file on the hub, and return its address."""
        return f"hf://{repo}@{self.hub.add(repo, {file: data})}/{file}"

    def row(self, data: bytes, file: str = "model.pth", **changes: Any) -> dict[str, Any]:
        """Serve a file, and return a row of it with its full digest."""
        values = {
            "name": "tiny_other",
            "task": "semantic",
            "config": "tiny_unet",
            "urls": [self.serve(data, file)],
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "format": {"bin": "pth"}.get(file.rpartition(".")[2], file.rpartition(".")[2]),
            "converter": "other_unet",
            "licence": "Apache-2.0",
            "data_licence": "CC-BY-4.0",
            "parameters": _PARAMETERS,
            "source": "the card of acme/unet",
            **changes,
        }
        return {key: value for key, value in values.items() if value is not None}


@pytest.fixture
def foreign(tmp_path: Path, hub: Any, monkeypatch: pytest.MonkeyPatch) -> Foreign:
    """Return the plugin, alone in the catalog, with a cache and a lock of its own."""
    for name in ("ZOO_MIRRORS", "ZOO_OFFLINE", "ZOO_LICENCES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "plugins"))
    return Foreign(tmp_path / "plugins", hub)


@pytest.fixture(scope="session")
def tiny_weights() -> dict[str, Any]:
    """Return random weights of the config's model, by the other library's names."""
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.processes.joining import unwrap_model

    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = unwrap_model(MODELS.build(Config.fromstring(_CONFIG, ".py").model))
    return {f"net.{name}": value for name, value in model.state_dict().items()}


@pytest.fixture(scope="session")
def source_bytes(tiny_weights: dict[str, Any]) -> Callable[[str], bytes]:
    """Return a function that gives the weights as a file of each form."""

    def make(form: str) -> bytes:
        import torch
        from safetensors.torch import save

        stream = io.BytesIO()
        if form == "safetensors":
            return save({name: value.contiguous() for name, value in tiny_weights.items()})
        if form == "pkl":
            arrays = {name: value.numpy() for name, value in tiny_weights.items()}
            return pickle.dumps({"model": arrays, "__author__": "somebody"}, 2)
        tree: Any = {"pth": tiny_weights, "model": {"model": tiny_weights}}.get(form)
        if form == "wrapped":
            renamed = {f"module.{name}": value for name, value in tiny_weights.items()}
            tree = {"epoch": 3, "state_dict": renamed}
        torch.save(tree, stream, _use_new_zipfile_serialization=form != "older")
        return stream.getvalue()

    return make
