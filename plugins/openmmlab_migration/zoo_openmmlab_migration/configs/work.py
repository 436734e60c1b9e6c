# SPDX-License-Identifier: Apache-2.0
"""What the steps of one migration share: the old keys, the new ones, and the ledger."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zoo_openmmlab_migration.ledger import Ledger

__all__ = ["Preprocessing", "Work", "find_family"]

_SEGMENTORS = ("EncoderDecoder", "CascadeEncoderDecoder")


@dataclass(slots=True)
class Preprocessing:
    """What pipelines did at their end, and the model's preprocessor does now.

    Attributes:
        norm: ``mean``, ``std`` and ``to_rgb``, or None without normalization.
        size: ``(height, width)`` in pixels that images are padded to, or None.
        divisor: Number of pixels that padded sides are multiples of, or None.
        pad_val: Value of padded pixels, after normalization.
        seg_pad_val: Label of padded pixels.
        mask_pad_val: Value of padded pixels of instance masks.
        crop_size: ``(height, width)`` of the last random crop or fixed resize, or None.
        has_masks: Whether instance masks are loaded.
        has_seg: Whether label maps are loaded.
        seg_scale: Factor by which label maps were reduced, or None.
    """

    norm: dict[str, Any] | None = None
    size: tuple[int, int] | None = None
    divisor: int | None = None
    pad_val: float = 0
    seg_pad_val: int = 255
    mask_pad_val: int = 0
    crop_size: tuple[int, int] | None = None
    has_masks: bool = False
    has_seg: bool = False
    seg_scale: float | None = None


@dataclass(slots=True)
class Work:
    """One migration on its way.

    Attributes:
        family: ``mmseg`` or ``mmdet``.
        old: The old keys; each step takes out what it carries.
        new: The new keys, in the order in which they are written.
        ledger: What became of each key.
        train: What the training pipeline did at its end.
        test: The same of the validation and test pipelines.
        by_epoch: Whether training counts epochs; otherwise iterations.
        length: Epochs or iterations of training.
        loader: The step of the training pipeline that loads labels, migrated; None without any.
        measured: The innermost data sets of validation and test, as evaluators need them.
    """

    family: str
    old: dict[str, Any]
    new: dict[str, Any] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    train: Preprocessing = field(default_factory=Preprocessing)
    test: Preprocessing = field(default_factory=Preprocessing)
    by_epoch: bool = True
    length: int | None = None
    loader: dict[str, Any] | None = None
    measured: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def is_seg(self) -> bool:
        """Whether it is a config of mmseg."""
        return self.family == "mmseg"

    @property
    def unit(self) -> str:
        """``epochs`` or ``iters``."""
        return "epochs" if self.by_epoch else "iters"

    def take(self, key: str, default: Any = None) -> Any:
        """Take an old key out and return a copy of its value.

        Args:
            key: At the top level.
            default: What is returned for a missing key.
        """
        return copy.deepcopy(self.old.pop(key, default))

    def take_dict(self, key: str) -> dict[str, Any]:
        """Take an old key out as a dict; None and missing keys are empty.

        Args:
            key: At the top level.
        """
        value = self.take(key)
        return dict(value) if isinstance(value, Mapping) else {}

    def leave(self, key: str, rest: Mapping[str, Any], hint: str = "") -> None:
        """Note what is left of a dict after a step took what it knows.

        Args:
            key: The dict's place.
            rest: What is left.
            hint: What to do with it.
        """
        for name, value in rest.items():
            if value is None:
                self.ledger.drop(f"{key}.{name}", "is None")
                continue
            why = "has no counterpart"
            todo = hint or f"look for what replaces it in the new {self.family}."
            self.ledger.lose(f"{key}.{name}", why, todo)


def find_family(values: Mapping[str, Any]) -> str:
    """Return ``mmseg`` or ``mmdet``, from the model, or from the keys of the data sets.

    Args:
        values: An old config.
    """
    model = values.get("model")
    if isinstance(model, Mapping):
        is_seg = model.get("type") in _SEGMENTORS or "decode_head" in model
        if "type" in model or is_seg:
            return "mmseg" if is_seg else "mmdet"
    return "mmseg" if "img_dir" in repr(values.get("data")) else "mmdet"
