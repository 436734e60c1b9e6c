# SPDX-License-Identifier: Apache-2.0
"""A predictor of labels in Python: arrays, ids without a class, a real network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = pytest.mark.mm


def noise(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width), np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 3)])
def test_predictor_takes_an_array_as_it_takes_the_file(
    bright_run: Path, tmp_path: Path, dtype: type, shape: tuple[int, ...]
) -> None:
    import cv2

    from zoo.engine.prediction.predictor import Predictor

    rgb = np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    path = tmp_path / "x.png"
    assert cv2.imwrite(str(path), rgb if rgb.ndim == 2 else rgb[..., ::-1])
    predictor = Predictor(str(bright_run))

    from_array, from_file = predictor(rgb), predictor(path)

    assert np.array_equal(from_array.labels, from_file.labels)
    assert np.array_equal(from_array.shown, from_file.shown)
    assert from_array.areas_px["lung"] == (from_array.labels == 1).sum()
    assert sum(from_array.areas_px.values()) == 99


def test_id_without_a_class_is_an_error(bright_run: Path, tmp_path: Path) -> None:
    from zoo.engine.prediction.model import open_model
    from zoo.engine.prediction.predictor import Predictor

    predictor = Predictor(open_model(str(bright_run)))
    predictor.model.module.predict = _three_classes(predictor.model.module)

    with pytest.raises(ConfigError, match="it holds id 2, the model has 2 classes"):
        predictor(noise(4, 4))


def _three_classes(module: Any) -> Any:
    import torch

    def predict(inputs: Any, data_samples: Any) -> Any:
        logits = torch.zeros(1, 3, *inputs.shape[2:])
        logits[:, 2] = 1
        return module.postprocess_result(logits, data_samples)

    return predict


def test_unet_gives_labels_at_the_original_resolution(tmp_path: Path) -> None:
    """The pipeline resizes to 32x32; logits come back to 45x71, bilinear, then argmax."""
    import cv2
    import torch
    from mmengine.config import Config
    from mmengine.registry import MODELS, init_default_scope

    from zoo.engine.prediction.predictor import Predictor

    config = tmp_path / "unet.py"
    config.write_text(_UNET)
    init_default_scope("mmseg")
    torch.manual_seed(0)
    model = MODELS.build(Config.fromfile(config).model).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
    torch.save({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "w.pth")
    image = cv2.GaussianBlur(noise(45, 71), (0, 0), 3)

    result = Predictor(f"{config},{tmp_path / 'w.pth'}")(image)

    small = cv2.resize(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), (32, 32))
    inputs = torch.from_numpy(small).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        logits = model.encode_decode(inputs, [{"img_shape": (32, 32), "ori_shape": (45, 71)}])
    expected = torch.nn.functional.interpolate(logits, (45, 71), mode="bilinear").argmax(1)[0]
    assert 0 < expected.float().mean() < 2
    assert np.array_equal(result.labels, expected.numpy())


_UNET = """
model = dict(
    type='EncoderDecoder',
    data_preprocessor=dict(type='SegDataPreProcessor', bgr_to_rgb=False),
    backbone=dict(
        type='UNet', in_channels=3, base_channels=4, num_stages=3, strides=(1, 1, 1),
        enc_num_convs=(1, 1, 1), dec_num_convs=(1, 1), downsamples=(True, True),
        enc_dilations=(1, 1, 1), dec_dilations=(1, 1), norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='FCNHead', in_channels=4, in_index=2, channels=4, num_convs=0, concat_input=False,
        num_classes=3, dropout_ratio=0, align_corners=False),
    test_cfg=dict(mode='whole'))
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
test_dataloader = dict(dataset=dict(
    type='BaseSegDataset', pipeline=test_pipeline, metainfo=dict(classes=['ground', 'a', 'b'])))
"""
