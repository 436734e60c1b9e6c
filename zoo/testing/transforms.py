# SPDX-License-Identifier: Apache-2.0
"""Transforms, called with what a mmseg pipeline hands on."""

from __future__ import annotations

import pickle
from copy import deepcopy
from typing import Any

import pytest

from zoo.testing.subject import Subject

__all__ = ["TransformChecks"]


class TransformChecks(Subject):
    """Checks of ``[[transform]]`` rows; override ``make_results`` for one that reads files."""

    def make_results(self, name: str) -> dict[str, Any]:
        """Return what earlier steps of a pipeline put together, for one transform.

        Args:
            name: Of the transform.

        Returns:
            A loaded image ``(24, 32, 3)`` uint8 with its labels ``(24, 32)`` uint8, and paths.
        """
        import numpy as np

        rng = np.random.default_rng(0)
        return {
            "img_path": "images/a.png",
            "seg_map_path": "masks/a.png",
            "img": rng.integers(0, 256, (24, 32, 3), dtype=np.uint8),
            "img_shape": (24, 32),
            "ori_shape": (24, 32),
            "gt_seg_map": rng.integers(0, 2, (24, 32)).astype(np.uint8),
            "seg_fields": ["gt_seg_map"],
            "reduce_zero_label": False,
            "label_map": None,
        }

    def test_transform_keeps_image_and_labels_together(self) -> None:
        """Equal sizes before and after; no label appears that was not there, but 255."""
        for row, transform in self._transforms():
            before = self.make_results(row)
            after = transform(deepcopy(before))
            if after is None or "gt_seg_map" not in before:
                continue

            assert after["img"].shape[:2] == after["gt_seg_map"].shape, row
            assert set(after["gt_seg_map"].flat) <= {*before["gt_seg_map"].flat, 255}, row

    def test_transform_without_labels_leaves_them_alone(self) -> None:
        """Prediction runs the same pipeline on images that have none."""
        for row, transform in self._transforms():
            results = self.make_results(row)
            for key in ("gt_seg_map", "seg_map_path"):
                results.pop(key, None)
            results["seg_fields"] = []

            after = transform(results)

            assert after is None or "gt_seg_map" not in after, row

    def test_transform_when_pickled_still_works(self) -> None:
        """Spawned loader workers get it by pickle."""
        for row, transform in self._transforms():
            copy = pickle.loads(pickle.dumps(transform))  # noqa: S301

            after = copy(self.make_results(row))

            assert after is None or isinstance(after, dict), row

    def _transforms(self) -> list[tuple[str, Any]]:
        registry = pytest.importorskip("mmengine.registry")
        return [
            (row.name, registry.TRANSFORMS.build(config))
            for row in self.rows_of("transform")
            for config in self.variants_of(row)
        ]
