# SPDX-License-Identifier: Apache-2.0
"""Converted backbones give timm's own maps, and tensors of other networks are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_timm_backbones
from torch import Tensor, nn
from zoo_timm_backbones.efficientnet import efficientnet_b0, efficientnet_b4
from zoo_timm_backbones.resnet import resnet50
from zoo_timm_backbones.swin import swin_tiny

from zoo.errors import ConversionError

pytestmark = pytest.mark.mm
Timm = Callable[..., Any]
SHELF = json.loads((Path(zoo_timm_backbones.__file__).parent / "shelf.json").read_text())
CONVERTERS: dict[str, Callable[[Any], dict[str, Tensor]]] = {
    "resnet50": resnet50,
    "swin_tiny": swin_tiny,
    "efficientnet_b0": efficientnet_b0,
    "efficientnet_b4": efficientnet_b4,
}
NAMES = {
    "resnet50": ("resnet", "resnet50"),
    "swin_tiny": ("swin_transformer", "swin_tiny_patch4_window7_224"),
    "efficientnet_b0": ("efficientnet", "efficientnet_b0"),
    "efficientnet_b4": ("efficientnet", "efficientnet_b4"),
}
# As the README says that they are to be built.
SYMMETRIC = {"conv_cfg": {"type": "Conv2d"}, "norm_cfg": {"type": "BN", "eps": 1e-5}}


def backbone(name: str, **changes: Any) -> Any:
    """Return the OpenMMLab backbone that the row of a converter is for."""
    from mmdet.models.backbones import EfficientNet, ResNet, SwinTransformer

    if name == "resnet50":
        built = ResNet(50, **changes)
    elif name == "swin_tiny":
        built = SwinTransformer(**{"out_indices": (3,), **changes})
    else:
        built = EfficientNet(name.removeprefix("efficientnet_"), **{**SYMMETRIC, **changes})
    built.eval()  # which returns nothing
    return built


def drawn(model: nn.Module) -> Any:
    """Return the model with numbers everywhere, in float64: no term hides behind 0 or 1."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if not value.is_floating_point() or name.endswith("attn_mask"):
                continue
            spread = 1 / max(value[0].numel(), 1) ** 0.5 if value.ndim > 1 else 0.2
            noise = torch.randn(value.shape, generator=generator) * spread
            is_scale = value.ndim == 1 and name.endswith(("weight", "running_var"))
            value.copy_(noise.abs() + 0.5 if is_scale else noise)
    return model.double().eval()


@pytest.fixture(scope="module")
def sources(timm: Timm) -> dict[str, Any]:
    """Each of timm's networks with drawn weights."""
    return {name: drawn(timm(*names)) for name, names in NAMES.items()}


@pytest.mark.parametrize("name", CONVERTERS)
def test_converted_tensors_are_all_of_the_backbone_and_no_others(
    name: str, sources: dict[str, Any]
) -> None:
    """Names, shapes, buffers; and the row's number of parameters."""
    target = backbone(name)
    expected = {key: tuple(value.shape) for key, value in target.state_dict().items()}

    converted = CONVERTERS[name](sources[name].state_dict())

    assert {key: tuple(value.shape) for key, value in converted.items()} == expected
    (row,) = [row for row in SHELF["weights"] if row["converter"] == name]
    assert row["parameters"] == sum(each.numel() for each in target.parameters())


@pytest.mark.parametrize("size", [(71, 93)])
def test_resnet_gives_the_maps_of_timm(size: tuple[int, int], sources: dict[str, Any]) -> None:
    """All four stages, for an image whose sides are no multiples of 32."""
    source, image = sources["resnet50"], picture(size)

    with torch.no_grad():
        found = loaded("resnet50", source)(image)
        expected = [source.maxpool(source.act1(source.bn1(source.conv1(image))))]
        for layer in (source.layer1, source.layer2, source.layer3, source.layer4):
            expected.append(layer(expected[-1]))

    agree(found, expected[1:])


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnet_b4"])
@pytest.mark.parametrize("size", [(64, 61)])
def test_efficientnet_gives_the_maps_of_timm(
    name: str, size: tuple[int, int], sources: dict[str, Any]
) -> None:
    """Every layer up to the last convolution; one side is odd: the padding is symmetric."""
    source, image = sources[name], picture(size)

    with torch.no_grad():
        found = loaded(name, source, out_indices=range(7))(image)
        stages = [source.bn1(source.conv_stem(image))]
        for block in source.blocks:
            stages.append(block(stages[-1]))
        head = source.bn2(source.conv_head(stages[-1]))

    agree(found, [*(stages[at] for at in (0, 1, 2, 3, 5, 7)), head])


@pytest.mark.slow
def test_swin_gives_the_map_of_timm(timm: Timm) -> None:
    """Patch mergings included, whichever stage the file gives them to.

    At 448 px every stage has several whole windows: timm does not shift the only window of 224 px,
    and pads maps of broken windows after it shifts them; OpenMMLab does otherwise.
    """
    source = drawn(timm(*NAMES["swin_tiny"], img_size=448, window_size=7))
    image, tensors = picture((448, 448)), source.state_dict()

    with torch.no_grad():
        (found,) = loaded("swin_tiny", source)(image)
        expected = source.forward_features(image).permute(0, 3, 1, 2)

    agree([found], [expected])
    old = swin_tiny({moved(key): value for key, value in tensors.items()})
    assert all(value.equal(old[key]) for key, value in swin_tiny(tensors).items())
    assert not any(moved(key) == key for key in tensors if ".downsample." in key)


def moved(key: str) -> str:
    for stage in (1, 2, 3):
        key = key.replace(f"layers.{stage}.downsample", f"layers.{stage - 1}.Downsample")
    return key.replace("Downsample", "downsample")


def test_padding_of_mmdet_unless_told_otherwise_gives_other_maps(sources: dict[str, Any]) -> None:
    """What the README's settings are for."""
    source, image = sources["efficientnet_b0"], picture((64, 64))
    every = {"out_indices": range(7)}
    stock = backbone("efficientnet_b0", conv_cfg={"type": "Conv2dAdaptivePadding"}, **every)
    stock.load_state_dict(efficientnet_b0(source.state_dict()))

    with torch.no_grad():
        right = loaded("efficientnet_b0", source, **every)(image)[0]
        wrong = stock.double()(image)[0]

    assert (right - wrong).abs().max() > 1e-2 * right.abs().max()


def picture(size: tuple[int, int]) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(1, 3, *size, generator=generator, dtype=torch.float64)


def loaded(name: str, source: Any, tensors: Any = None, **changes: Any) -> Any:
    target = backbone(name, **changes)
    converted = CONVERTERS[name](source.state_dict() if tensors is None else tensors)
    target.load_state_dict(converted, strict=True)
    return target.double()


def agree(found: Any, expected: Any) -> None:
    assert len(found) == len(expected)
    for level, (got, wanted) in enumerate(zip(found, expected, strict=True)):
        assert wanted.std() > 1e-3
        assert (got - wanted).abs().max() <= 1e-9 * wanted.abs().max(), level


@pytest.mark.parametrize("name", CONVERTERS)
def test_tensors_of_other_networks_are_refused(name: str, sources: dict[str, Any]) -> None:
    """What is missing and unknown is named; so is one tensor of another shape."""
    for other in CONVERTERS:
        if other != name:
            with pytest.raises(ConversionError) as caught:
                CONVERTERS[name](sources[other].state_dict())
            assert caught.value.missing or caught.value.misshaped

    tensors = sources[name].state_dict()
    key = next(key for key in tensors if key.endswith("weight"))
    with pytest.raises(ConversionError) as caught:
        CONVERTERS[name]({**tensors, key: tensors[key][:-1]})
    assert caught.value.misshaped == (key,)
