# SPDX-License-Identifier: Apache-2.0
"""``model.data_preprocessor``: what pipelines did at their end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_openmmlab_migration.configs.work import Preprocessing, Work

__all__ = ["make_preprocessor"]


def make_preprocessor(work: Work, model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the preprocessor of a model.

    Args:
        work: The migration, after its data.
        model: The model's old settings.
    """
    train, test = work.train, work.test
    norm = train.norm or test.norm or _stated(work)
    _check_equal(work, train, test)
    made: dict[str, Any] = {
        "type": "SegDataPreProcessor" if work.is_seg else "DetDataPreprocessor",
    }
    if norm is not None:
        made |= {"mean": norm["mean"], "std": norm["std"], "bgr_to_rgb": bool(norm["to_rgb"])}
        if len(norm["mean"]) != 3:
            made["bgr_to_rgb"] = False
    make = _seg if work.is_seg else _det
    return made | make(train, test)


def _stated(work: Work) -> dict[str, Any] | None:
    """Return ``img_norm_cfg``, for a config whose pipelines are elsewhere."""
    stated = work.old.get("img_norm_cfg")
    if not isinstance(stated, Mapping) or "mean" not in stated or "data" in work.old:
        return None
    if work.measured or "train_dataloader" in work.new:
        return None  # pipelines are here, and do not normalize
    return {"mean": stated["mean"], "std": stated["std"], "to_rgb": stated.get("to_rgb", True)}


def _check_equal(work: Work, train: Preprocessing, test: Preprocessing) -> None:
    if train.norm and test.norm and train.norm != test.norm:
        why = "training and test normalize differently, and a model has one preprocessor"
        work.ledger.lose(
            "data.test.pipeline Normalize", why, "train and test with the same values."
        )


def _seg(train: Preprocessing, test: Preprocessing) -> dict[str, Any]:
    made: dict[str, Any] = {"pad_val": train.pad_val, "seg_pad_val": train.seg_pad_val}
    if train.size is not None:
        made["size"] = train.size
    elif train.divisor is not None:
        made["size_divisor"] = train.divisor
    elif train.crop_size is not None:
        made["size"] = train.crop_size
    else:
        made["size_divisor"] = 1
    if test.size is not None:
        made["test_cfg"] = {"size": test.size}
    elif test.divisor not in (None, 1):
        made["test_cfg"] = {"size_divisor": test.divisor}
    return made


def _det(train: Preprocessing, test: Preprocessing) -> dict[str, Any]:
    divisor = train.divisor or test.divisor or 1
    made: dict[str, Any] = {"pad_size_divisor": divisor}
    if train.pad_val:
        made["pad_value"] = train.pad_val
    if train.has_masks:
        made |= {"pad_mask": True, "mask_pad_value": train.mask_pad_val}
    if train.has_seg:
        made |= {"pad_seg": True, "seg_pad_value": train.seg_pad_val}
    if train.size is not None:
        made["batch_augments"] = [_fixed_size(train, train.size)]
    return made


def _fixed_size(train: Preprocessing, size: tuple[int, int]) -> dict[str, Any]:
    """Return the batch augmentation that pads every image to one size."""
    made: dict[str, Any] = {
        "type": "BatchFixedSizePad",
        "size": size,
        "img_pad_value": train.pad_val,
        "pad_mask": train.has_masks,
        "mask_pad_value": train.mask_pad_val,
        "pad_seg": train.has_seg,
    }
    if train.has_seg:
        made["seg_pad_value"] = train.seg_pad_val
    return made
