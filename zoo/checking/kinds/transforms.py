# SPDX-License-Identifier: Apache-2.0
"""Checks of transforms with the results of an mmseg pipeline."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

from zoo.checking.expecting import NotMeant, expect, named, needs
from zoo.checking.kinds.base import KindChecks

__all__ = ["TransformChecks"]

_DTYPES = ("uint8", "float32")
"""What OpenCV and upstream's transforms read; a pipeline may hold float32 after it normalizes."""


class TransformChecks(KindChecks):
    """Checks of ``[[transform]]`` rows; override ``make_results`` if more is needed."""

    def make_results(self, name: str, folder: Path) -> dict[str, Any]:
        """Return the results of earlier pipeline steps, as input for one transform.

        Args:
            name: Name of the transform.
            folder: Folder to write the files to that the paths refer to.

        Returns:
            An image ``(24, 32, 3)`` uint8 and its labels ``(24, 32)`` uint8, as arrays and as
            8-bit PNG files.
        """
        import cv2
        import numpy as np

        rng = np.random.default_rng(0)
        labels = np.zeros((24, 32), np.uint8)
        labels[3:20, 5:11] = labels[14:20, 5:26] = 1  # a shape that each flip and turn changes
        image = (40 + 150 * labels[..., None] + rng.integers(0, 30, (24, 32, 3))).astype(np.uint8)
        cv2.imwrite(str(folder / "image.png"), image)
        cv2.imwrite(str(folder / "mask.png"), labels)
        return {
            "img_path": str(folder / "image.png"),
            "seg_map_path": str(folder / "mask.png"),
            "img": image,
            "img_shape": (24, 32),
            "ori_shape": (24, 32),
            "gt_seg_map": labels,
            "seg_fields": ["gt_seg_map"],
            "reduce_zero_label": False,
            "label_map": None,
        }

    def test_transform_keeps_image_and_labels_together(
        self, each_transform: dict[str, Any], tmp_path: Path
    ) -> None:
        """Image and labels have equal sizes, and no new label except 255 appears."""
        said = named(each_transform)
        transform = _build(each_transform)
        before = self.make_results(_name(each_transform), tmp_path)
        if "gt_seg_map" not in before:
            message = f"make_results gives {each_transform['type']} no labels"
            raise NotMeant(message)

        after = transform(deepcopy(before))

        if after is None:
            message = f"{each_transform['type']} passes the image over"
            raise NotMeant(message)
        size, labelled = after["img"].shape[:2], after["gt_seg_map"].shape
        told = f"{said}: the image is {size} after it and the labels {labelled}"
        expect(size == labelled, told)
        new = sorted({*after["gt_seg_map"].flat} - {*before["gt_seg_map"].flat, 255})
        expect(not new, f"{said}: it makes the labels {new[:5]}, which were not there")

    def test_transform_moves_labels_with_the_image(
        self, each_transform: dict[str, Any], tmp_path: Path
    ) -> None:
        """What is labelled before is labelled after, wherever it has moved."""
        said, transform = named(each_transform), _build(each_transform)
        before = self.make_results(_name(each_transform), tmp_path)
        if "gt_seg_map" not in before or _agreement(before) < 1:
            message = "make_results gives no image whose pixels tell their labels"
            raise NotMeant(message)

        for _ in range(4):  # it may draw random numbers
            after = transform(deepcopy(before))

            if after is not None and after["img"].shape[:2] == after["gt_seg_map"].shape:
                share = _agreement(after)
                told = f"{said}: {1 - share:.0%} of the pixels have the label of other pixels"
                expect(share > 0.85, told)

    def test_transform_returns_images_that_the_next_step_takes(
        self, each_transform: dict[str, Any], tmp_path: Path
    ) -> None:
        """The image stays uint8, or becomes float32."""
        said, transform = named(each_transform), _build(each_transform)
        before = self.make_results(_name(each_transform), tmp_path)
        if str(getattr(before.get("img"), "dtype", "")) not in _DTYPES:
            message = f"make_results gives {each_transform['type']} no image of 8 bits"
            raise NotMeant(message)

        for _ in range(4):  # it may draw whether to change the image
            after = transform(deepcopy(before))

            if after is not None and "img" in after:
                kind = str(getattr(after["img"], "dtype", type(after["img"]).__name__))
                told = f"{said}: the image is {kind} after it, expected {' or '.join(_DTYPES)}"
                expect(kind.removeprefix("torch.") in _DTYPES, told)

    def test_transform_without_labels_leaves_them_alone(
        self, each_transform: dict[str, Any], tmp_path: Path
    ) -> None:
        """It takes an image without labels, as in prediction, and adds none."""
        said = named(each_transform)
        transform = _build(each_transform)
        results = self.make_results(_name(each_transform), tmp_path)
        for key in ("gt_seg_map", "seg_map_path"):
            results.pop(key, None)
        results["seg_fields"] = []

        after = transform(results)

        told = f"{said}: it adds labels to an image that has none"
        expect(after is None or "gt_seg_map" not in after, told)

    def test_transform_when_pickled_still_works(
        self, each_transform: dict[str, Any], tmp_path: Path
    ) -> None:
        """It can be pickled: spawned loader workers receive it so."""
        said = named(each_transform)
        copy = pickle.loads(pickle.dumps(_build(each_transform)))  # noqa: S301

        after = copy(self.make_results(_name(each_transform), tmp_path))

        told = f"{said}: it returns a {type(after).__name__}, expected a dict or None"
        expect(after is None or isinstance(after, dict), told)


def _agreement(results: dict[str, Any]) -> float:
    """Return the share of labelled pixels that are as bright as their label's; 1 if there is one.

    Args:
        results: Image and labels.
    """
    import numpy as np

    labels = np.asarray(results["gt_seg_map"])
    image = np.asarray(results["img"], dtype=np.float64).reshape(*labels.shape, -1).mean(axis=-1)
    means = [image[labels == label].mean() for label in (0, 1) if (labels == label).any()]
    known = labels < 2
    if len(means) < 2:
        return 1.0
    is_one = (image > sum(means) / 2) == (means[1] > means[0])
    return float((is_one == labels)[known].mean())


def _name(config: dict[str, Any]) -> str:
    return str(config["type"]).rpartition(".")[2]


def _build(config: dict[str, Any]) -> Any:
    return needs("mmengine.registry").TRANSFORMS.build(config)
