# SPDX-License-Identifier: Apache-2.0
"""Encoder and decoder together: shapes, gradients, encoders of others, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

from zoo.errors import ConfigError, DataError  # noqa: E402

UPSAMPLINGS = ("bilinear", "bicubic", "nearest", "deconv", "unpool")
Build = Callable[..., Any]


@pytest.mark.parametrize("upsample", UPSAMPLINGS)
@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("size", [(32, 48), (37, 53), (47, 33)])
def test_unet_of_any_size_gives_a_map_of_that_size(
    build_unet: Build, upsample: str, skips: bool, size: tuple[int, int]
) -> None:
    """Maps before the poolings: five of them, the finest as large as the image."""
    unet = build_unet(upsample=upsample, skips=skips)

    maps = unet(torch.randn(2, 3, *size))

    sizes = [size]
    for _ in range(4):
        sizes.insert(0, (sizes[0][0] // 2, sizes[0][1] // 2))
    assert [tuple(one.shape[-2:]) for one in maps] == sizes
    assert [one.shape[1] for one in maps] == [32, 8, 8, 6, 5]


@pytest.mark.parametrize("upsample", UPSAMPLINGS)
def test_unet_with_a_stage_beyond_the_finest_map_reaches_the_image(
    build_unet: Build, upsample: str
) -> None:
    """Maps after the poolings begin at stride 2; a fifth stage has no skip."""
    unet = build_unet({"tap": "pool"}, upsample=upsample, decoder_channels=(8, 8, 6, 5, 4))

    maps = unet(torch.randn(2, 3, 37, 64))

    sizes = [(1, 2), (2, 4), (4, 8), (9, 16), (18, 32), (37, 64)]
    assert [tuple(one.shape[-2:]) for one in maps] == sizes


@pytest.mark.parametrize("upsample", UPSAMPLINGS)
def test_unet_when_trained_gives_every_parameter_a_gradient(
    build_unet: Build, upsample: str
) -> None:
    unet = build_unet({"norm_cfg": {"type": "BN"}}, upsample=upsample, bridge_channels=16)

    unet(torch.randn(2, 3, 64, 64))[-1].square().sum().backward()

    without = [name for name, one in unet.named_parameters() if not one.grad.abs().sum() > 0]
    # A bias before batch norm cannot matter.
    assert [name for name in without if not name.endswith("bias")] == []


def test_unet_without_skips_ignores_the_finer_maps(build_unet: Build) -> None:
    """SegNet: only the bottom and the places of the maxima pass."""
    unet = build_unet(skips=False, upsample="unpool").eval()
    image = torch.randn(1, 3, 32, 32)
    maps, pooled = unet.encoder.forward_with_indices(image)

    class Replaced(torch.nn.Module):
        def forward_with_indices(self, x: Any) -> Any:
            return (*[one * 0 for one in maps[:-1]], maps[-1]), pooled

    expected = unet(image)[-1]
    unet.encoder = Replaced()

    assert torch.equal(expected, unet(image)[-1])


def test_unet_with_a_resnet_finds_channels_and_strides(build_unet: Build) -> None:
    """Any backbone of mmseg: strides 4 to 32, two stages more to the image's size."""
    resnet = {"type": "ResNetV1c", "base_channels": 8, "depth": 18}
    unet = build_unet(resnet, decoder_channels=(32, 16, 8, 8, 8))

    maps = unet(torch.randn(2, 3, 65, 97))

    assert unet.stage_strides == [16, 8, 4, 2, 1]
    assert [tuple(one.shape[-2:]) for one in maps][1:] == [
        (5, 7),
        (9, 13),
        (17, 25),
        (33, 49),
        (65, 97),
    ]


def test_unet_with_stated_maps_runs_its_encoder_only_in_forward(
    build_unet: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An encoder that fails on a small image can still be used."""
    from zoo_vgg_unet.vgg import VGG16Encoder

    monkeypatch.setattr(VGG16Encoder, "forward", lambda self, x: 1 / 0)

    unet = build_unet(in_channels=(4, 8, 16, 32, 32), strides=(1, 2, 4, 8, 16))

    assert unet.stage_strides == [8, 4, 2, 1]


def test_decoder_has_batch_norm_unless_told_none(build_unet: Build) -> None:
    """As in mmseg, ``norm_cfg=None`` means none; convolutions then have a bias."""

    def norms(unet: Any) -> int:
        return sum(isinstance(one, torch.nn.BatchNorm2d) for one in unet.modules())

    assert (norms(build_unet()), norms(build_unet(norm_cfg=None))) == (4, 0)
    assert build_unet(norm_cfg=None).stages[0].convs[0].conv.bias is not None


def test_parameters_of_the_encoder_begin_with_encoder(build_unet: Build) -> None:
    """So that a learning rate multiplier reaches them, and nothing else."""
    from mmengine.optim import build_optim_wrapper

    unet = build_unet()
    wrapper = build_optim_wrapper(
        torch.nn.ModuleDict({"backbone": unet}),
        {
            "optimizer": {"type": "SGD", "lr": 1.0},
            "paramwise_cfg": {"custom_keys": {"backbone.encoder": {"lr_mult": 0.1}}},
        },
    )

    slow = {id(one["params"][0]) for one in wrapper.param_groups if one["lr"] == 0.1}
    assert slow == {id(one) for one in unet.encoder.parameters()}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"upsample": "bilinaer"},
            "no up-sampling named 'bilinaer': expected one of bilinear, bicubic, nearest, "
            "deconv, unpool.",
        ),
        (
            {"upsample": "unpool", "encoder": {"type": "ResNet", "depth": 18}},
            "cannot unpool: the encoder ResNet keeps no pooling indices.",
        ),
        (
            {"decoder_channels": (8, 8)},
            "decoder_channels has 2 stages, expected 4 to 4 for an encoder with maps of strides "
            "[1, 2, 4, 8, 16].",
        ),
        (
            {"encoder": {"type": "ResNet", "depth": 18}, "decoder_channels": (8,) * 6},
            "decoder_channels has 6 stages, expected 3 to 5 for an encoder with maps of strides "
            "[4, 8, 16, 32].",
        ),
        (
            {"encoder": {"type": "ResNet", "depth": 18, "strides": (1, 2, 1, 1)}},
            "the encoder's maps have strides [4, 8, 8, 8], expected each to be coarser",
        ),
        (
            {"encoder": {"type": "FCNHead", "in_channels": 3, "channels": 3, "num_classes": 2}},
            "cannot measure the maps of FCNHead: it fails on an image of 64x64 px",
        ),
        (
            {"encoder": {"type": "zoo.vgg_unet.VGG16Encoder", "tap": "relu"}},
            "cannot build VGG16Encoder: tap is 'relu', expected 'conv' or 'pool'.",
        ),
        (
            {"encoder": {"type": "zoo.vgg_unet.VGG16Encoder", "num_blocks": 6}},
            "cannot build VGG16Encoder: num_blocks is 6, expected 1 to 5.",
        ),
    ],
)
def test_config_that_does_not_hold_is_refused(
    build_unet: Build, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        build_unet(**settings)

    assert message in str(caught.value)
    assert "HINT: " in str(caught.value)


@pytest.mark.parametrize("encoder", ["VGG16Encoder", ["VGG16Encoder"], None])
def test_encoder_that_is_no_dict_is_refused(encoder: Any) -> None:
    from zoo_vgg_unet.unet import EncoderDecoderUNet

    with pytest.raises(ConfigError) as caught:
        EncoderDecoderUNet(encoder)

    assert caught.value.message == (
        f"cannot build EncoderDecoderUNet: encoder is {encoder!r}, expected a dict."
    )
    assert caught.value.where == "encoder"
    assert caught.value.hint


@pytest.mark.parametrize(("tap", "least"), [("conv", 16), ("pool", 32)])
def test_image_smaller_than_the_poolings_need_is_refused(
    build_unet: Build, tap: str, least: int
) -> None:
    """The least size is named, and it is enough."""
    unet = build_unet({"tap": tap}).eval()

    with pytest.raises(DataError) as caught:
        unet(torch.zeros(1, 3, 64, least - 1))

    assert f"of {least - 1}x64 px: expected at least {least}x{least} px" in str(caught.value)
    assert unet(torch.zeros(1, 3, least, least))[0].shape[-2:] == (1, 1)
