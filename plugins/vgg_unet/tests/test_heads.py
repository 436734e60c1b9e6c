# SPDX-License-Identifier: Apache-2.0
"""Components of mmseg work with this backbone: heads, losses, hard pixels, sliding windows."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

HEIGHT_PX, WIDTH_PX, CLASSES = 61, 77, 3
NORM = {"type": "BN"}
BACKBONE = {
    "type": "zoo.vgg_unet.EncoderDecoderUNet",
    "encoder": {"type": "zoo.vgg_unet.VGG16Encoder", "base_channels": 4, "norm_cfg": NORM},
    "decoder_channels": (8, 8, 6, 5),
    "num_convs": 1,
}
# The four maps of the decoder, finest first.
PYRAMID = {"in_index": [4, 3, 2, 1], "in_channels": [5, 6, 8, 8]}
FINEST = {"in_index": -1, "in_channels": 5}
CROSS_ENTROPY = {"type": "CrossEntropyLoss"}
HEADS: dict[str, dict[str, Any]] = {
    "hard pixels": {
        "type": "FCNHead",
        **FINEST,
        "sampler": {"type": "OHEMPixelSampler", "thresh": 0.7, "min_kept": 100},
        "loss_decode": CROSS_ENTROPY,
    },
    "two losses": {
        "type": "PSPHead",
        **FINEST,
        "pool_scales": (1, 2),
        "loss_decode": [CROSS_ENTROPY, {"type": "TverskyLoss"}],
    },
    "dilated": {
        "type": "ASPPHead",
        **FINEST,
        "dilations": (1, 2),
        "loss_decode": {"type": "LovaszLoss", "per_image": True, "reduction": "none"},
    },
    "pyramid": {
        "type": "UPerHead",
        **PYRAMID,
        "pool_scales": (1, 2),
        "loss_decode": {**CROSS_ENTROPY, "class_weight": [1.0, 2.0, 3.0]},
    },
    "all maps": {"type": "SegformerHead", **PYRAMID, "loss_decode": CROSS_ENTROPY},
}


@pytest.mark.parametrize("upsample", ["bilinear", "unpool"])
@pytest.mark.parametrize("head", HEADS)
def test_head_of_mmseg_trains_the_backbone_and_predicts_every_pixel(
    head: str, upsample: str
) -> None:
    """On an odd size, beside an auxiliary head, prediction in windows."""
    from mmengine.config import ConfigDict
    from mmengine.structures import PixelData
    from mmseg.registry import MODELS
    from mmseg.structures import SegDataSample

    torch.manual_seed(0)
    shared = {"channels": 8, "num_classes": CLASSES, "norm_cfg": NORM, "align_corners": False}
    auxiliary = {"type": "FCNHead", "in_index": 1, "in_channels": 8, "loss_decode": CROSS_ENTROPY}
    config = {
        "type": "EncoderDecoder",
        "backbone": {**BACKBONE, "upsample": upsample},
        "decode_head": {**HEADS[head], **shared},
        "auxiliary_head": {**auxiliary, **shared},
        "test_cfg": {"mode": "slide", "crop_size": (48, 48), "stride": (32, 32)},
    }
    model = MODELS.build(ConfigDict(config))
    labels = torch.randint(0, CLASSES, (2, 1, HEIGHT_PX, WIDTH_PX))
    meta = dict.fromkeys(("img_shape", "ori_shape", "pad_shape"), (HEIGHT_PX, WIDTH_PX))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=one), metainfo=meta) for one in labels]
    images = torch.randn(2, 3, HEIGHT_PX, WIDTH_PX)

    losses = model.loss(images, samples)
    sum(value.sum() for name, value in losses.items() if "loss" in name).backward()
    with torch.no_grad():
        found = model.eval().predict(images, samples)

    assert sum("loss" in name for name in losses) == (3 if head == "two losses" else 2)
    assert all(one.grad.abs().sum() > 0 for one in model.backbone.stages.parameters())
    assert model.backbone.encoder.features[0].weight.grad.abs().sum() > 0
    assert [one.pred_sem_seg.data.shape for one in found] == [(1, HEIGHT_PX, WIDTH_PX)] * 2
