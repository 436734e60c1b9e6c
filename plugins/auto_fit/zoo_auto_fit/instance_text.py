# SPDX-License-Identifier: Apache-2.0
"""Texts of the configs of the planner ``instance``."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from zoo.interfaces import Fingerprint, Machine
from zoo_auto_fit.config_text import Labels, loader_text, loss_loader_text, train_loader_text
from zoo_auto_fit.network import Network

__all__ = ["data_text", "model_text"]

_LOAD = 'dict(type="zoo.folder_data.LoadImage")'
_OUTLINES = 'dict(type="zoo.segmentation_transforms.LoadInstanceAnnotations")'
_LABELS = Labels(
    files="annotations/{}.json",
    prefix='img="images"',
    evaluator="""dict(
    type="zoo.instance_metrics.CocoMetric",
    ann_file=f"{{data_root}}/{}",
    metric=["bbox", "segm"],
)""",
    # Images without objects show what is none.
    training="        filter_cfg=dict(filter_empty_gt=False),\n",
    testing="        test_mode=True,\n",
)
_META = '"img_id", "img_path", "ori_shape", "img_shape", "scale_factor"'


def data_text(
    data: Fingerprint,
    machine: Machine,
    batch: int,
    *,
    zoom: float,
    crop: int,
    degree: int,
    windows: tuple[int, int] | None,
) -> str:
    """Return pipelines and data loaders.

    Args:
        data: Type of the data set, splits.
        machine: CPUs for loading.
        batch: Images in a step.
        zoom: Pixels of the network per pixel of an image.
        crop: Side of crops in training, in px of the network.
        degree: Largest rotation in training.
        windows: Side and overlap of windows in px of the image, or None.
    """
    # The crop is made in one resampling, which must not shrink by more than half.
    before, rest = ("", zoom) if zoom >= 0.8 else (_resize(zoom), 1.0)
    resize = _resize(zoom)  # at 1 too: heads ask for the scale that it notes
    steps = f'{_LOAD},\n{_OUTLINES},\n{textwrap.dedent(resize)}dict(type="PackDetInputs"),\n'
    tiling = f"tiling = dict(tile_px={windows[0]}, overlap_px={windows[1]})\n" if windows else ""
    return f"""{tiling}train_pipeline = [
    {_LOAD},
    # As outlines, boxes and masks stay exact under rotation.
    {_OUTLINES},
{before}    dict(
        type="zoo.segmentation_transforms.RandomInstanceCrop",
        size=({crop}, {crop}),
        degree={degree},
        scale=({rest / 1.6:.4g}, {rest * 1.6:.4g}),
    ),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    {_LOAD},
{resize}    dict(type="LoadAnnotations", with_bbox=True),  # for drawing
    dict(type="PackDetInputs", meta_keys=({_META})),
]
{train_loader_text(data, _LABELS, machine, batch)}\
{loader_text("val", data, _LABELS, machine)}\
{loader_text("test", data, _LABELS, machine)}\
{loss_loader_text(data, _LABELS, 1, steps)}"""


def _resize(zoom: float) -> str:
    return f'    dict(type="Resize", scale_factor={zoom:g}, keep_ratio=True),\n'


def model_text(network: Network, classes: int, anchor: float, ratios: Sequence[float]) -> str:
    """Return the differences of the network from its base.

    Args:
        network: Whether its encoder is pretrained.
        classes: Number of classes.
        anchor: Base scale of anchors.
        ratios: Of height to width.
    """
    # Norms that are never trained would let an encoder without weights pass nothing on.
    scratch = "" if network.pretrained else "\n    backbone=dict(init_cfg=None, norm_eval=False),"
    shape = f"octave_base_scale={anchor:g}, ratios={[*ratios]}"
    return f"""model = dict({scratch}
    rpn_head=dict(anchor_generator=dict({shape})),
    roi_head=dict(
        bbox_head=dict(num_classes={classes}),
        mask_head=dict(num_classes={classes}),
    ),
)
"""
