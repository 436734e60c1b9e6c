# SPDX-License-Identifier: Apache-2.0
"""FCN beside torchvision itself: the logits of both heads at odd sizes."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.errors import ConversionError

pytestmark = pytest.mark.mm

BATCHES = ((2, 33, 47), (1, 64, 31), (1, 41, 40))


def torchvision_model(torchvision: Any, depth: int, **settings: Any) -> Any:
    import torch

    builder = getattr(torchvision.models.segmentation, f"fcn_resnet{depth}")
    settings = {"aux_loss": True, "num_classes": 21, **settings}
    with torch.device("meta"):
        return builder(weights=None, weights_backbone=None, **settings)


def convert(depth: int, state_dict: Any) -> Any:
    from zoo_torchvision_weights import fcn

    return getattr(fcn, f"fcn_resnet{depth}")(state_dict)


@pytest.mark.slow
@pytest.mark.parametrize("depth", [50, 101])
def test_model_when_converted_predicts_what_torchvision_predicts(
    torchvision: Any, randomise: Any, build: Any, depth: int
) -> None:
    """Logits of the decoder and of the auxiliary head within 1e-5 of their range."""
    import torch
    from torch.nn.functional import interpolate

    theirs = randomise(torchvision_model(torchvision, depth), seed=depth)
    with torch.device("meta"):
        ours = build(f"tv_fcn_r{depth}_coco-voc")
    ours.load_state_dict(convert(depth, theirs.state_dict()), strict=True, assign=True)

    for seed, (count, *size) in enumerate(BATCHES[: 1 if depth == 101 else 3]):
        images = torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            expected = theirs(images)
            found = ours.encode_decode(images, [{"img_shape": size}] * count)
            auxiliary = ours.auxiliary_head(ours.extract_feat(images))
        assert not ours.align_corners
        auxiliary = interpolate(auxiliary, size, mode="bilinear", align_corners=False)
        for one, other in ((expected["out"], found), (expected["aux"], auxiliary)):
            assert one.shape == other.shape == (count, 21, *size)
            assert float((one - other).abs().max()) <= 1e-5 * float(one.max() - one.min())


def test_converter_when_given_another_architecture_names_what_differs(torchvision: Any) -> None:
    """Another depth, other classes, no auxiliary head, DeepLabV3."""
    import torch

    state = torchvision_model(torchvision, 50).state_dict()
    with torch.device("meta"):
        deep = torchvision.models.segmentation.deeplabv3_resnet50(
            weights=None, weights_backbone=None, aux_loss=True, num_classes=21
        )
    for depth, wrong, kind in (
        (101, state, "missing"),
        (50, torchvision_model(torchvision, 101).state_dict(), "unexpected"),
        (50, torchvision_model(torchvision, 50, num_classes=19).state_dict(), "misshaped"),
        (50, torchvision_model(torchvision, 50, aux_loss=False).state_dict(), "missing"),
        (50, deep.state_dict(), "missing"),
    ):
        with pytest.raises(ConversionError, match=f"torchvision's fcn_resnet{depth}") as caught:
            convert(depth, wrong)
        assert getattr(caught.value, kind)
