# SPDX-License-Identifier: Apache-2.0
"""The part of an image's metadata that a result keeps: few, plain values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["meta_so_far", "plain_meta"]

# What every OpenMMLab pipeline packs about its own resizing; the rest comes from the reader.
_PIPELINE_KEYS = frozenset(
    {
        "bands",
        "batch_input_shape",
        "flip",
        "flip_direction",
        "img",
        "img_id",
        "img_padding_size",
        "img_path",
        "img_shape",
        "keep_ratio",
        "label_map",
        "ori_shape",
        "pad_shape",
        "padding_size",
        "reduce_zero_label",
        "sample_idx",
        "scale",
        "scale_factor",
        "seg_fields",
        "seg_map_path",
    }
)
_MAX_META_VALUES = 64


def meta_so_far(results: dict[str, Any]) -> dict[str, Any] | None:
    """Return what is known of an image once its pixels are loaded, else None.

    Args:
        results: The dict that a pipeline fills; shapes are set in it if a loader left them out.
    """
    if not isinstance(results.get("img"), np.ndarray):
        return None
    shape = results["img"].shape[:2]
    results.setdefault("img_shape", shape)
    results.setdefault("ori_shape", shape)
    return dict(results)


def plain_meta(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that a plugin's transform set for an image, as JSON values.

    Args:
        values: The ``metainfo`` of a data sample.

    Returns:
        Values without what every pipeline sets about its own resizing, and without large arrays.
    """
    meta = {}
    for key, value in values.items():
        if key in _PIPELINE_KEYS:
            continue
        plain = _plain(value)
        if plain is not None:
            meta[key] = plain
    return meta


def _plain(value: Any) -> Any:
    """Return a value as JSON takes it, or None if JSON cannot represent it."""
    if isinstance(value, np.generic) or (
        isinstance(value, np.ndarray) and value.size <= _MAX_META_VALUES
    ):
        value = value.tolist()
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and len(value) <= _MAX_META_VALUES:
        return [_plain(item) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return None
