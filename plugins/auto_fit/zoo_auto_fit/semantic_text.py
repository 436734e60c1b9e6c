# SPDX-License-Identifier: Apache-2.0
"""Texts of the configs of the planner ``semantic``."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from zoo.interfaces import Fingerprint, Machine
from zoo_auto_fit.config_text import Labels, loader_text, loss_loader_text, train_loader_text
from zoo_auto_fit.network import Network
from zoo_auto_fit.semantic_rules import Crop

__all__ = ["data_text", "model_text"]

_LOAD = 'dict(type="zoo.folder_data.LoadImage")'
_LABELS = Labels(
    files="splits/{}.txt",
    prefix='img_path="images", seg_map_path="masks"',
    evaluator='dict(type="zoo.segmentation_metrics.DiceMetric")',
)


def data_text(data: Fingerprint, machine: Machine, crop: Crop, batch: int, colours: bool) -> str:
    """Return pipelines and data loaders.

    Args:
        data: Type of the data set, splits.
        machine: CPUs for loading.
        crop: What the network sees.
        batch: Images in a step.
        colours: Whether colours vary.
    """
    changes = "" if colours else ", hue_delta=1, saturation_range=(1.0, 1.0)"
    train, resize = _train_steps(crop), _resize(crop)
    # The loss is that of a crop, drawn equally each time: whole images differ in size.
    cut = '    dict(type="RandomCrop", crop_size=crop_size),\n'
    seen = resize.replace(', interpolation="area"', "") if crop.is_whole else resize + cut
    loaded = f'{_LOAD},\ndict(type="LoadAnnotations"),\n'
    loss_steps = f'{loaded}{textwrap.dedent(seen)}dict(type="PackSegInputs"),\n'
    return f'''crop_size = ({crop.height_px}, {crop.width_px})  # px, height and width
train_pipeline = [
    {_LOAD},
    dict(type="LoadAnnotations"),
    dict(type="RandomFlip", prob=0.5),
{train}
    dict(type="PhotoMetricDistortion"{changes}),
    dict(type="PackSegInputs"),
]
# Labels are loaded after Resize, so predictions are evaluated at the size of the files.
test_pipeline = [
    {_LOAD},
{resize}    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
{train_loader_text(data, _LABELS, machine, batch)}\
{loader_text("val", data, _LABELS, machine)}\
{loader_text("test", data, _LABELS, machine)}\
{loss_loader_text(data, _LABELS, batch, loss_steps)}'''


def _train_steps(crop: Crop) -> str:
    if crop.is_whole:
        return f"""    dict(
        type="zoo.segmentation_transforms.RandomAffine",
        size=({crop.width_px}, {crop.height_px}),
        degree=12,
        scale=(0.85, 1.2),
        aspect=1.15,
        shift=0.08,
    ),"""
    # Room for the turn and the zoom of what is cropped at the end.
    width, height = (math.ceil(1.5 * side / crop.scale) for side in (crop.width_px, crop.height_px))
    return f"""    dict(type="RandomCrop", crop_size=({height}, {width})),
{_resize(crop)}    dict(
        type="zoo.segmentation_transforms.RandomAffine",
        degree=12,
        scale=(0.85, 1.2),
        aspect=1.1,
        shift=0,
    ),
    # A crop in which one class has more than three quarters is drawn again, at most ten times.
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),"""


def _resize(crop: Crop) -> str:
    if crop.is_whole:
        size = f"scale=({crop.width_px}, {crop.height_px}), keep_ratio=False"
        return f'    dict(type="Resize", {size}, interpolation="area"),\n'
    if crop.scale == 1:
        return ""
    return f'    dict(type="Resize", scale_factor={crop.scale:g}, keep_ratio=True),\n'


def model_text(network: Network, crop: Crop, classes: int, weights: Sequence[float] | None) -> str:
    """Return the differences of the network from its base.

    Args:
        network: The base.
        crop: What it sees.
        classes: Number of classes.
        weights: Of the classes in cross-entropy, or None.
    """
    backbone = "\n    backbone=dict(strides=(1, 1, 1, 1, 1))," if network.full_resolution else ""
    weighted = f", class_weight={[*weights]}" if weights else ""
    test = _test_text(crop)
    return f"""model = dict(
    data_preprocessor=dict(size=crop_size, test_cfg=dict(size_divisor=32)),{backbone}
    decode_head=dict(
        num_classes={classes},
        loss_decode=[
            dict(type="zoo.dice_loss.DiceLoss", loss_name="loss_dice"),
            dict(
                type="CrossEntropyLoss", loss_name="loss_ce", avg_non_ignore=True{weighted}
            ),
        ],
    ),{test}
)
"""


def _test_text(crop: Crop) -> str:
    if crop.is_whole:
        return '\n    test_cfg=dict(_delete_=True, mode="whole"),'
    stride = (max(1, crop.height_px * 3 // 4), max(1, crop.width_px * 3 // 4))
    size = f"crop_size=crop_size, stride={stride}"
    return f'\n    test_cfg=dict(_delete_=True, mode="slide", {size}),'
