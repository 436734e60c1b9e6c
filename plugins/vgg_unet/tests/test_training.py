# SPDX-License-Identifier: Apache-2.0
"""Every member of the family through ``zoo train`` and ``zoo predict``, on a bright square."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

cv2 = pytest.importorskip("cv2")
pytestmark = [pytest.mark.mm, pytest.mark.slow]

RunZoo = Callable[..., subprocess.CompletedProcess[str]]
NORM = {"type": "BN"}
VGG = {"type": "zoo.vgg_unet.VGG16Encoder", "base_channels": 8, "norm_cfg": NORM}
UNET = {
    "type": "zoo.vgg_unet.EncoderDecoderUNet",
    "encoder": VGG,
    "decoder_channels": (32, 16, 8, 8),
    "num_convs": 1,
}
RESNET = {"type": "ResNetV1c", "depth": 18, "base_channels": 8, "norm_cfg": NORM}
HEAD = {
    "type": "FCNHead",
    "in_index": -1,
    "in_channels": 8,
    "channels": 8,
    "num_convs": 0,
    "concat_input": False,
    "dropout_ratio": 0.0,
    "num_classes": 2,
    "loss_decode": {"type": "CrossEntropyLoss"},
}
ORIGINAL = {"type": "zoo.vgg_unet.OriginalUNet", "base_channels": 8, "depth": 2, "dropout": 0.0}
MEMBERS: dict[str, dict[str, Any]] = {
    "bilinear": {"backbone": UNET},
    "bicubic": {"backbone": {**UNET, "upsample": "bicubic"}},
    "nearest": {"backbone": {**UNET, "upsample": "nearest"}},
    "deconv": {"backbone": {**UNET, "upsample": "deconv"}},
    "unpool": {"backbone": {**UNET, "upsample": "unpool"}},
    "segnet": {"backbone": {**UNET, "upsample": "unpool", "skips": False}},
    "plain vgg": {"backbone": {**UNET, "encoder": {**VGG, "norm_cfg": None}}},
    "resnet": {"backbone": {**UNET, "encoder": RESNET, "decoder_channels": (16, 8, 8)}},
    "auxiliary head": {
        "backbone": UNET,
        "auxiliary_head": {**HEAD, "in_index": -3, "in_channels": 16, "channels": 16},
    },
    "original": {
        "type": "zoo.vgg_unet.TiledEncoderDecoder",
        "backbone": {**ORIGINAL, "norm_cfg": NORM},
        "decode_head": {**HEAD, "type": "zoo.vgg_unet.CroppedFCNHead"},
        "test_cfg": {"mode": "whole", "tile_px": 64},
    },
}
USUAL = ("bilinear", "segnet", "original")  # the others differ from them in a layer
CONFIG = """
default_scope = 'mmseg'
model = {model!r}
pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')] + {more!r}
dataset = dict(type='BaseSegDataset', data_root={root!r}, seg_map_suffix='.png',
               data_prefix=dict(img_path='images', seg_map_path='masks'),
               metainfo=dict(classes=['ground', 'square'], palette=[[0, 0, 0], [9, 9, 9]]))
train_dataloader = dict(batch_size=4, num_workers=0,
                        sampler=dict(type='InfiniteSampler', shuffle=True),
                        dataset=dict(dataset, pipeline=pipeline + [dict(type='PackSegInputs')]))
test_dataloader = dict(batch_size=1, num_workers=0,
                       sampler=dict(type='DefaultSampler', shuffle=False),
                       dataset=dict(dataset, pipeline=[dict(type='LoadImageFromFile'),
                                                       dict(type='PackSegInputs')]))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='IoUMetric')
optim_wrapper = dict(type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-2))
train_cfg = dict(type='IterBasedTrainLoop', max_iters=100)
default_hooks = dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=100))
log_processor = dict(by_epoch=False)
randomness = dict(seed=0)
"""


def _write_squares(root: Path) -> list[Path]:
    """Write four pictures of 60x60 px with a bright square each; return the masks."""
    masks = []
    for number in range(4):
        rng = np.random.default_rng(number)
        mask = np.zeros((60, 60), np.uint8)
        mask[10 + 4 * number : 40, 12 : 30 + 4 * number] = 1
        image = (rng.integers(0, 90, (60, 60, 3)) + 150 * mask[..., None]).astype(np.uint8)
        for folder, array in (("images", image), ("masks", mask)):
            (root / folder).mkdir(parents=True, exist_ok=True)
            suffix = {"images": "jpg", "masks": "png"}[folder]
            cv2.imwrite(str(root / folder / f"{number}.{suffix}"), array)
        masks.append(root / "masks" / f"{number}.png")
    return masks


@pytest.mark.parametrize(
    "member",
    [pytest.param(name, marks=() if name in USUAL else pytest.mark.release) for name in MEMBERS],
)
def test_member_when_trained_finds_the_squares(
    tmp_path: Path, run_zoo: RunZoo, member: str
) -> None:
    """A hundred steps, then labels at the pictures' own size."""
    masks = _write_squares(tmp_path / "data")
    size = (100, 100) if member == "original" else (60, 60)
    model = {
        "type": "EncoderDecoder",
        "data_preprocessor": {
            "type": "SegDataPreProcessor",
            "mean": [100.0] * 3,
            "std": [60.0] * 3,
            "size": size,
        },
        "decode_head": HEAD,
        "test_cfg": {"mode": "whole"},
        **MEMBERS[member],
    }
    margin = [{"type": "zoo.vgg_unet.MirrorPad", "margin_px": 20}]
    more = margin if member == "original" else []
    text = CONFIG.format(model=model, root=str(tmp_path / "data"), more=more)
    (tmp_path / "config.py").write_text(text)

    trained = run_zoo("train", "config.py", "--work-dir", "run", plugins="vgg_unet")
    assert trained.returncode == 0, trained.stderr
    predicted = run_zoo("predict", "run", "data/images", "--out", "out", plugins="vgg_unet")

    assert predicted.returncode == 0, predicted.stderr
    for number, path in enumerate(masks):
        label = cv2.imread(str(tmp_path / f"out/{number}_label.png"), cv2.IMREAD_UNCHANGED)
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert label.shape == mask.shape
        # Dice: all ground would be right on 85 % of the pixels.
        assert 2 * (label & mask).sum() > 0.9 * (label.sum() + mask.sum())
