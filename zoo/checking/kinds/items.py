# SPDX-License-Identifier: Apache-2.0
"""What a data set hands to heads, item by item."""

from __future__ import annotations

from typing import Any

from zoo.checking.expecting import expect

__all__ = ["check_instance_item", "check_semantic_item"]

_METAINFO = {"img_path", "ori_shape", "img_shape"}


def check_semantic_item(name: str, item: dict[str, Any], classes: int) -> None:
    """Check one packed item of a semantic data set.

    Args:
        name: Name of the data set, for messages.
        item: ``inputs`` and ``data_samples``.
        classes: Number of classes.

    Raises:
        Broken: An mmseg head could not train on it.
    """
    import torch

    image, sample = item["inputs"], item["data_samples"]
    _check_image(name, image, sample)
    labels = sample.gt_sem_seg.data
    told = f"{name}: the labels are {labels.dtype}, expected {torch.int64}"
    expect(labels.dtype == torch.int64, told)
    shape, wanted = tuple(labels.shape), (1, *image.shape[1:])
    expect(shape == wanted, f"{name}: the labels have the shape {shape}, expected {wanted}")
    strange = sorted(set(labels.unique().tolist()) - {*range(classes), 255})
    expect(not strange, f"{name}: the labels hold {strange[:5]}, expected 0 to {classes - 1}, 255")


def check_instance_item(name: str, item: dict[str, Any], classes: int) -> None:
    """Check one packed item of an instance data set.

    Args:
        name: Name of the data set, for messages.
        item: ``inputs`` and ``data_samples``.
        classes: Number of classes.

    Raises:
        Broken: An mmdet head could not train on it.
    """
    import torch

    image, found = item["inputs"], item["data_samples"].gt_instances
    _check_image(name, image, item["data_samples"])
    height, width = image.shape[1:]
    boxes, shape = found.bboxes.tensor, tuple(found.bboxes.tensor.shape)
    expect(shape == (len(found), 4), f"{name}: {len(found)} instances have boxes {shape}")
    expect((boxes[:, 2:] > boxes[:, :2]).all(), f"{name}: a box is empty: {boxes.tolist()[:3]}")
    is_inside = (boxes >= 0).all() and (boxes <= torch.tensor([width, height] * 2)).all()
    expect(is_inside, f"{name}: a box leaves the image of {width} x {height} px")
    kind = found.labels.dtype
    expect(kind == torch.int64, f"{name}: the labels are {kind}, expected {torch.int64}")
    strange = sorted(set(found.labels.tolist()) - set(range(classes)))
    expect(not strange, f"{name}: the labels hold {strange[:5]}, expected 0 to {classes - 1}")
    masks, wanted = found.masks.masks.shape, (len(found), height, width)
    expect(masks == wanted, f"{name}: the masks have the shape {masks}, expected {wanted}")
    expect(found.masks.masks.any(axis=(1, 2)).all(), f"{name}: a mask is empty")


def _check_image(name: str, image: Any, sample: Any) -> None:
    import torch

    found = f"{image.dtype} {tuple(image.shape)}"
    is_image = image.dtype == torch.uint8 and image.ndim == 3 and image.shape[0] == 3
    expect(is_image, f"{name}: the image is {found}, expected {torch.uint8} (3, H, W)")
    missing = sorted(_METAINFO - set(sample.metainfo))
    expect(not missing, f"{name}: the data sample lacks {', '.join(missing)}")
