# SPDX-License-Identifier: Apache-2.0
"""Backbones beside torchvision's classifiers: the maps before the classifier."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.errors import ConversionError

pytestmark = pytest.mark.mm

WIDE = "zoo.torchvision_weights.WideResNet"
# torchvision's name -> backbones that take its weights, with their settings.
RESNETS: dict[str, list[dict[str, Any]]] = {
    **{
        f"resnet{depth}": [
            {"type": f"{scope}.ResNet", "depth": depth} for scope in ("mmseg", "mmdet")
        ]
        for depth in (18, 34, 50, 101, 152)
    },
    **{
        f"resnext{depth}_{groups}x{width}d": [
            {"type": f"{scope}.ResNeXt", "depth": depth, "groups": groups, "base_width": width}
            for scope in ("mmseg", "mmdet")
        ]
        for depth, groups, width in ((50, 32, 4), (101, 32, 8), (101, 64, 4))
    },
    "wide_resnet50_2": [{"type": WIDE, "depth": 50}],
    "wide_resnet101_2": [{"type": WIDE, "depth": 101}],
}
VGGS = [f"vgg{depth}{norms}" for depth in (11, 13, 16, 19) for norms in ("", "_bn")]
MOBILENETS = {"mobilenet_v2_mmseg": "mmseg.MobileNetV2", "mobilenet_v2_mmdet": "mmdet.MobileNetV2"}
BATCHES = ((2, 33, 47), (1, 64, 35))
# Deep networks take seconds each; their blocks are those of the shallow ones.
DEEP = ("resnet101", "resnet152", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet101_2")


def convert(name: str, state_dict: Any) -> Any:
    from zoo_torchvision_weights import backbones, mobilenet

    return getattr(mobilenet if "mobilenet" in name else backbones, name)(state_dict)


def build(config: dict[str, Any]) -> Any:
    """Return a backbone of mmseg, mmdet or the plugin in evaluation mode, without its weights."""
    import torch
    from mmdet.registry import MODELS as OF_MMDET
    from mmseg.registry import MODELS as OF_MMSEG

    import zoo  # noqa: F401

    registry = OF_MMDET if config["type"].startswith("mmdet.") else OF_MMSEG
    with torch.device("meta"):
        backbone = registry.build(config)
    backbone.train(mode=False)  # OpenMMLab's eval() returns None
    return backbone


def draw_images(count: int, height: int, width: int) -> Any:
    import torch

    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(height))


def assert_near(expected: Any, found: Any) -> None:
    assert expected.shape == found.shape
    assert float((expected - found).abs().max()) <= 1e-5 * float(expected.max() - expected.min())


def maps_of_resnet(model: Any, images: Any) -> list[Any]:
    """Return torchvision's maps of the four stages."""
    maps = [model.maxpool(model.relu(model.bn1(model.conv1(images))))]
    for stage in (model.layer1, model.layer2, model.layer3, model.layer4):
        maps.append(stage(maps[-1]))
    return maps[1:]


@pytest.mark.slow
@pytest.mark.parametrize("name", list(RESNETS))
def test_resnet_when_converted_has_the_maps_of_torchvision(
    torchvision: Any, randomise: Any, name: str
) -> None:
    """All four maps, in the classes of mmseg and mmdet that configs use."""
    import torch

    with torch.device("meta"):
        theirs = getattr(torchvision.models, name)(weights=None)
    tensors = convert(name, randomise(theirs, seed=len(name)).state_dict())

    for config in RESNETS[name][: 1 if name in DEEP else 2]:
        ours = build(config)
        ours.load_state_dict(tensors, strict=True, assign=True)
        for batch in BATCHES[:1] if name in DEEP else BATCHES:
            images = draw_images(*batch)
            with torch.no_grad():
                pairs = zip(maps_of_resnet(theirs, images), ours(images), strict=True)
                for expected, found in pairs:
                    assert_near(expected, found)


@pytest.mark.slow
@pytest.mark.parametrize("name", VGGS)
def test_vgg_when_converted_has_the_map_of_torchvision(
    torchvision: Any, randomise: Any, name: str
) -> None:
    """The last map, in mmcv's VGG, from which mmdet's SSD backbone inherits."""
    import torch
    from mmcv.cnn import VGG

    theirs = randomise(thin_vgg(torchvision, name), seed=len(name))
    tensors = convert(name, with_classifier(theirs.state_dict()))
    depth = int(name[3:5])
    ours = VGG(depth, with_bn=name.endswith("_bn"), out_indices=(4,))
    ours.train(mode=False)
    ours.load_state_dict(tensors, strict=True)

    for batch in BATCHES:
        images = draw_images(*batch)
        with torch.no_grad():
            assert_near(theirs.features(images), ours(images))


def thin_vgg(torchvision: Any, name: str) -> Any:
    """Return torchvision's VGG without its classifier, which has 120 million parameters."""
    import torch
    from torchvision.models.vgg import VGG, cfgs, make_layers

    layers = cfgs[{"11": "A", "13": "B", "16": "D", "19": "E"}[name[3:5]]]
    with torch.device("meta"):
        model = VGG(torch.nn.Identity(), init_weights=False)
    model.classifier = torch.nn.Identity()
    model.features = make_layers(layers, batch_norm=name.endswith("_bn"))
    return model


def with_classifier(state_dict: Any) -> dict[str, Any]:
    """Return a state dict with torchvision's classifier, as tensors of the shapes alone."""
    import torch

    sizes = ((0, 25088, 4096), (3, 4096, 4096), (6, 4096, 1000))
    weights = {
        f"classifier.{n}.weight": torch.empty(out, wide, device="meta") for n, wide, out in sizes
    }
    biases = {f"classifier.{n}.bias": torch.empty(out, device="meta") for n, _, out in sizes}
    return {**state_dict, **weights, **biases}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(MOBILENETS))
def test_mobilenet_when_converted_has_the_maps_of_torchvision(
    torchvision: Any, randomise: Any, name: str
) -> None:
    """The map after each stage; mmdet's has the last convolution too."""
    import torch

    with torch.device("meta"):
        theirs = torchvision.models.mobilenet_v2(weights=None)
    randomise(theirs, seed=1)
    indices = tuple(range(8 if name.endswith("mmdet") else 7))
    ours = build({"type": MOBILENETS[name], "out_indices": indices})
    ours.load_state_dict(convert(name, theirs.state_dict()), strict=True, assign=True)

    for batch in BATCHES:
        images = draw_images(*batch)
        with torch.no_grad():
            maps = [images]
            for block in theirs.features:
                maps.append(block(maps[-1]))
            # The stem is block 0; stages end with the blocks 1, 3, 6, 10, 13, 16, 17.
            ends = [maps[number + 1] for number in (1, 3, 6, 10, 13, 16, 17, 18)]
            for expected, found in zip(ends, ours(images), strict=False):
                assert_near(expected, found)


def test_half_precision_becomes_single_and_counters_appear(torchvision: Any) -> None:
    """The first Wide ResNet was published in halves, and old files count no batches."""
    import torch

    with torch.device("meta"):
        model = torchvision.models.wide_resnet50_2(weights=None).half()
    state = model.to_empty(device="cpu").state_dict()
    state["layer1.0.conv2.weight"].normal_()
    old = {key: one for key, one in state.items() if not key.endswith("num_batches_tracked")}

    found = convert("wide_resnet50_2", old)

    assert {one.dtype for one in found.values()} == {torch.float32, torch.int64}
    assert torch.equal(state["layer1.0.conv2.weight"].float(), found["layer1.0.conv2.weight"])
    assert set(build(RESNETS["wide_resnet50_2"][0]).state_dict()) == set(found)


@pytest.mark.parametrize("name", [*RESNETS, *VGGS, *MOBILENETS])
def test_converter_when_given_any_other_architecture_refuses_it(
    torchvision: Any, name: str
) -> None:
    """Of all architectures of this plugin it takes its own alone, and only with 1000 classes."""
    import torch

    own = name.removesuffix("_mmseg").removesuffix("_mmdet")
    with torch.device("meta"):
        states = {
            other: getattr(torchvision.models, other)(weights=None).state_dict()
            for other in {own, "resnet18", "resnet50", "resnext50_32x4d", "vgg11", "vgg13_bn"}
        }
        few = getattr(torchvision.models, own)(weights=None, num_classes=10).state_dict()

    assert convert(name, states.pop(own))
    for state in states.values():
        with pytest.raises(
            ConversionError, match=f"cannot convert the weights to torchvision's {own}:"
        ):
            convert(name, state)
    with pytest.raises(ConversionError) as caught:
        convert(name, few)
    assert caught.value.misshaped
    assert not caught.value.missing
