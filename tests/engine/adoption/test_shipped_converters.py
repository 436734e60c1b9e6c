# SPDX-License-Identifier: Apache-2.0
"""Converters of shipped plugins, from a file on a hub on loopback to a prediction.

The files hold random weights under the names that each library saves, in the form that it saves.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import zoo
from zoo.catalog import forget_catalog
from zoo.cli import main
from zoo.weights.lock import read_pins

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.usefixtures("checkout_plugins")]

_MANIFEST = """
[plugin]
name = "elsewhere"
version = "0.1.0"
api = 1
summary = "rows for converters of other plugins"
license = "Apache-2.0"

[[config]]
name = "model"
file = "model.py"

[[shelf]]
file = "shelf.json"
"""
# Small images, which the config would enlarge to those of its benchmark.
_SMALL = """
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(96, 64), keep_ratio=True),
    dict(type="{pack}"),
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
"""
Publish = Callable[..., None]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute alone: on a busy machine, threads wait for each other longer than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def publish(tmp_path: Path, hub: Any, monkeypatch: pytest.MonkeyPatch) -> Publish:
    """Return a function that puts a file on the hub and lists a row of it."""
    package = tmp_path / "plugins" / "zoo_elsewhere"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text('"""Elsewhere."""\nimport zoo\n')
    (package / "zoo_plugin.toml").write_text(_MANIFEST)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "plugins"))

    def publish(data: bytes, file: str, config: Path | None = None, **facts: Any) -> None:
        pack = "PackDetInputs" if facts["task"] == "instance" else "PackSegInputs"
        text = "" if config is None else config.read_text() + _SMALL.format(pack=pack)
        (package / "model.py").write_text(text)
        address = f"hf://acme/weights@{hub.add('acme/weights', {file: data})}/{file}"
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        row = {
            "name": "elsewhere",
            "urls": [address],
            "md5_prefix": md5[:6],
            "format": file.rpartition(".")[2],
            "licence": "Apache-2.0",
            "data_licence": "CC-BY-4.0",
            **({} if config is None else {"config": "model"}),
            **facts,
        }
        document = {"format": 1, "class_lists": {}, "weights": [row]}
        (package / "shelf.json").write_text(json.dumps(document))
        forget_catalog()

    return publish


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """Return small random arrays, and variances of 1."""
    generator = np.random.default_rng(0)
    arrays = {}
    for key, shape in shapes.items():
        noise = generator.standard_normal(shape, np.float32) * np.float32(0.02)
        arrays[key] = np.ones(shape, np.float32) if key.endswith("running_var") else noise
    return arrays


def row_of(plugin: Path, converter: str) -> dict[str, Any]:
    """Return a shipped row of a converter."""
    rows = json.loads((plugin / "shelf.json").read_text())["weights"]
    return next(row for row in rows if row["converter"] == converter)


def pin() -> Path:
    """Run what a user runs for a row whose digest is not whole, and return the adopted file."""
    result = CliRunner().invoke(main, ["download", "elsewhere", "--pin"])
    assert result.exit_code == 0, result.output
    pinned = read_pins()["elsewhere"]
    assert pinned.judge == "md5_prefix"
    return zoo.download("elsewhere", offline=True)


def picture() -> np.ndarray[Any, Any]:
    return np.random.default_rng(3).integers(0, 256, (64, 96, 3), np.uint8)


def test_pickle_of_detectron2_is_pinned_converted_and_predicts(
    publish: Publish, checkout_plugins: Path
) -> None:
    """Bare NumPy arrays in protocol 2, whose bytes lie in texts of latin1, as detectron2 wrote."""
    from safetensors.numpy import load_file
    from zoo_detectron2_weights.mask_rcnn import mask_rcnn_r50_fpn_cityscapes as converter

    package = checkout_plugins / "plugins/detectron2_weights/zoo_detectron2_weights"
    arrays = drawn({entry.source: entry.shape for entry in converter.entries()})
    arrays["proposal_generator.anchor_generator.cell_anchors.0"] = np.zeros((3, 4), np.float32)
    tree = {"model": arrays, "__author__": "Detectron2 Model Zoo"}
    row = row_of(package, "mask_rcnn_r50_fpn_cityscapes")
    publish(
        pickle.dumps(tree, 2),
        "model_final_000000.pkl",
        package / "configs/mask_rcnn_r50_fpn_cityscapes.py",
        task="instance",
        converter="detectron2_weights.mask_rcnn_r50_fpn_cityscapes",
        parameters=row["parameters"],
    )

    found = load_file(pin())
    model = zoo.load("elsewhere", device="cpu")
    prediction = model(picture())

    stem = arrays["backbone.bottom_up.stem.conv1.weight"]
    assert np.array_equal(found["backbone.conv1.weight"], stem)
    assert model.model.classes[:2] == ("person", "rider")
    assert prediction.task == "instance"


def test_release_of_the_authors_of_swin_is_pinned_converted_and_predicts(
    publish: Publish, checkout_plugins: Path
) -> None:
    """A checkpoint of mmseg 0.x, with the state of its run."""
    import torch
    from zoo_authors_weights import upernet_swin

    package = checkout_plugins / "plugins/authors_weights/zoo_authors_weights"
    arrays = drawn({entry.source: entry.shape for entry in upernet_swin.entries()})
    tensors = {key: torch.from_numpy(value) for key, value in arrays.items()}
    tensors["backbone.layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    stream = io.BytesIO()
    torch.save({"meta": {"epoch": 1, "CLASSES": ("wall",)}, "state_dict": tensors}, stream)
    row = row_of(package, "upernet_swin_tiny_ade20k")
    publish(
        stream.getvalue(),
        "upernet.pth",
        package / "configs/upernet_swin-t_ade20k-512x512.py",
        task="semantic",
        converter="authors_weights.upernet_swin_tiny_ade20k",
        parameters=row["parameters"],
    )

    pin()
    model = zoo.load("elsewhere", device="cpu")

    assert len(model.model.classes) == 150
    assert model(picture()).labels.shape == (64, 96)


def test_backbone_of_timm_is_pinned_and_converted(publish: Publish, checkout_plugins: Path) -> None:
    """The classifier is left out; mmdet's backbone takes the rest."""
    import torch
    from mmdet.models.backbones import EfficientNet
    from safetensors.numpy import save
    from safetensors.torch import load_file
    from zoo_timm_backbones.efficientnet import efficientnet_b0

    package = checkout_plugins / "plugins/timm_backbones/zoo_timm_backbones"
    arrays = drawn({entry.source: entry.shape for entry in efficientnet_b0.entries()})
    arrays["classifier.weight"] = np.zeros((1000, 1280), np.float32)
    arrays["classifier.bias"] = np.zeros(1000, np.float32)
    row = row_of(package, "efficientnet_b0")
    publish(
        save(arrays),
        "model.safetensors",
        task="backbone",
        converter="timm_backbones.efficientnet_b0",
        parameters=row["parameters"],
    )

    found = load_file(pin())

    backbone = EfficientNet("b0", conv_cfg={"type": "Conv2d"}, norm_cfg={"type": "BN", "eps": 1e-5})
    backbone.load_state_dict(found, strict=True)
    expected = torch.from_numpy(arrays["conv_stem.weight"])
    assert backbone.state_dict()["layers.0.conv.weight"].equal(expected)
