# SPDX-License-Identifier: Apache-2.0
"""The original U-Net within mmseg: loss on cropped labels, prediction of any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.mm
torch = pytest.importorskip("torch")

from zoo.errors import ConfigError, DataError  # noqa: E402

HEAD = {
    "type": "zoo.vgg_unet.CroppedFCNHead",
    "in_index": -1,
    "in_channels": 4,
    "channels": 4,
    "num_convs": 0,
    "concat_input": False,
    "num_classes": 3,
    "dropout_ratio": 0.0,
    "loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
}


def _build(**changes: Any) -> Any:
    """Return a model of depth 2: margin 20 px, least input 44 px."""
    from mmengine.config import ConfigDict
    from mmseg.registry import MODELS

    torch.manual_seed(0)
    config = {
        "type": "zoo.vgg_unet.TiledEncoderDecoder",
        "backbone": {"type": "zoo.vgg_unet.OriginalUNet", "base_channels": 4, "depth": 2},
        "decode_head": HEAD,
        "test_cfg": {"mode": "whole", "tile_px": 60},
        **changes,
    }
    return MODELS.build(ConfigDict(config))


def _samples(*labels: Any) -> list[Any]:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    return [SegDataSample(gt_sem_seg=PixelData(data=one[None])) for one in labels]


def test_loss_is_cross_entropy_with_the_middle_of_the_labels() -> None:
    model = _build().eval()
    images, labels = torch.randn(2, 3, 60, 60), torch.randint(0, 3, (2, 60, 60))

    losses = model.loss(images, _samples(*labels))

    scores = model.decode_head.conv_seg(model.backbone(images)[-1])
    expected = torch.nn.functional.cross_entropy(scores, labels[:, 20:-20, 20:-20])
    torch.testing.assert_close(losses["decode.loss_ce"], expected)


def test_loss_leaves_the_labels_of_the_samples_as_they_are() -> None:
    samples = _samples(torch.zeros(60, 60, dtype=torch.int64))

    _build().loss(torch.randn(1, 3, 60, 60), samples)

    assert samples[0].gt_sem_seg.data.shape == (1, 60, 60)


def test_auxiliary_head_on_a_deeper_map_takes_the_labels_around_it() -> None:
    """Scores of stride 2 see twice their size, about the same middle."""
    aux = {**HEAD, "in_index": -2, "in_channels": 8, "channels": 8, "stride": 2}
    model = _build(auxiliary_head=aux).eval()
    images, labels = torch.randn(1, 3, 60, 60), torch.randint(0, 3, (1, 60, 60))

    losses = model.loss(images, _samples(*labels))

    scores = model.auxiliary_head.conv_seg(model.backbone(images)[-2])
    assert scores.shape[-2:] == (12, 12)
    scores = torch.nn.functional.interpolate(scores, scale_factor=2, mode="bilinear")
    expected = torch.nn.functional.cross_entropy(scores, labels[:, 18:-18, 18:-18])
    torch.testing.assert_close(losses["aux.loss_ce"], expected)


@pytest.mark.parametrize("size", [(30, 41), (97, 20)])
def test_predict_of_any_size_gives_a_label_for_every_pixel(size: tuple[int, int]) -> None:
    model = _build().eval()

    with torch.no_grad():
        found = model.predict(torch.randn(2, 3, *size))

    assert [tuple(one.pred_sem_seg.data.shape) for one in found] == [(1, *size)] * 2


def test_predict_gives_each_pixel_the_same_whatever_the_tiles() -> None:
    image = torch.randn(1, 3, 90, 75)
    models = [_build(test_cfg={"mode": "whole", "tile_px": px}).eval() for px in (48, 200)]

    with torch.no_grad():
        small, large = (model.predict(image)[0].seg_logits.data for model in models)

    torch.testing.assert_close(small, large, atol=1e-5, rtol=1e-4)


def test_predict_in_mmsegs_own_segmentor_is_refused() -> None:
    """There the scores would be stretched over the margin."""
    model = _build(type="EncoderDecoder").eval()

    with pytest.raises(ConfigError, match=r"expected the model's type 'zoo\.vgg_unet\.Tiled"):
        model.predict(torch.randn(1, 3, 60, 60))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test_cfg": {"mode": "slide"}}, "cannot tile in mode 'slide': expected 'whole'"),
        (
            {"test_cfg": {"mode": "whole", "tile_px": 44}},
            "cannot use tiles of 44 px: expected 48 px, or more by steps of 4 px.",
        ),
        ({"test_cfg": {"mode": "whole", "tile_px": 50}}, "cannot use tiles of 50 px"),
        (
            {"backbone": {"type": "ResNet", "depth": 18}},
            "cannot tile for the backbone ResNet: it has no margin_px",
        ),
    ],
)
def test_config_that_does_not_hold_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _build(**changes)

    assert message in str(caught.value)


def test_labels_smaller_than_the_scores_are_refused() -> None:
    with pytest.raises(DataError, match="cannot crop 10x10 px to its middle 20x20 px"):
        _build().loss(torch.randn(1, 3, 60, 60), _samples(torch.zeros(10, 10).long()))


def test_mirror_pad_mirrors_image_and_labels_alike() -> None:
    from zoo_vgg_unet.mirror_pad import MirrorPad

    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    labels = image[..., 0].copy()
    results = {"img": image, "gt_seg_map": labels, "seg_fields": ["gt_seg_map"]}

    found = MirrorPad(margin_px=2)(results)

    assert np.array_equal(found["img"][..., 0], found["gt_seg_map"])
    assert np.array_equal(found["img"][2:-2, 2:-2], image)
    assert found["gt_seg_map"][0].tolist() == [36, 33, 30, 33, 36, 39, 42, 39, 36]
    assert found["img_shape"] == (8, 9)


def test_mirror_pad_by_less_than_nothing_is_refused() -> None:
    from zoo_vgg_unet.mirror_pad import MirrorPad

    with pytest.raises(ConfigError, match="margin_px is -1, expected at least 0"):
        MirrorPad(margin_px=-1)
