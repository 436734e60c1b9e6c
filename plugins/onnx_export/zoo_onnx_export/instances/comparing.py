# SPDX-License-Identifier: Apache-2.0
"""How far the objects that a graph finds depart from the original's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

import zoo
from zoo.errors import DataError
from zoo_onnx_export.comparing import beyond
from zoo_onnx_export.images import Sample, smooth_noise
from zoo_onnx_export.instances.running import exported_predictor
from zoo_onnx_export.running import Session
from zoo_onnx_export.tolerances import INSTANCE_TOLERANCE, Departure, departures_of

__all__ = ["MeasuredInstances", "compare_instances"]

_SIZES = ((31, 47), (64, 96), (97, 33), (200, 120), (313, 260))
_SAME_PX = 1.0  # sides by which two boxes may differ to be of one object


@dataclass(slots=True)
class MeasuredInstances:
    """What was compared.

    Attributes:
        images: Number of images.
        objects: Number of objects that the original found, on generated images too.
        missed: Objects that only one side found, or with another label.
        largest_box_px: Largest difference of a side of a box.
        largest_score: Largest difference of a score.
        pixels: Pixels of the original's masks.
        differing: Pixels that are in one of two masks of an object.
        worst: The image on which it departs most, with its pixels.
        sizes: Sizes of generated images on which it was compared besides.
    """

    tolerance: ClassVar[dict[str, float]] = INSTANCE_TOLERANCE

    images: int = 0
    objects: int = 0
    missed: int = 0
    largest_box_px: float = 0.0
    largest_score: float = 0.0
    pixels: int = 0
    differing: int = 0
    worst: Sample | None = None
    sizes: list[str] = field(default_factory=list)

    def values(self) -> dict[str, Any]:
        """Return what a certificate states."""
        return {
            "objects": self.objects,
            "detections_differ": self.missed,
            "largest_box_px": self.largest_box_px,
            "largest_score": self.largest_score,
            "masks_differ": self.differing / max(1, self.pixels),
            "metric": None,
        }

    def departures(self) -> list[Departure]:
        """Return what is out of tolerance."""
        return departures_of(self.values(), self.tolerance)

    def see(
        self, sample: Sample, original: zoo.InstanceResult, exported: zoo.InstanceResult
    ) -> None:
        """Count one image."""
        pairs = list(_pairs(original, exported))
        missed = len(original) + len(exported) - 2 * len(pairs)
        if self.worst is None or (missed and not self.missed):
            self.worst = sample
        self.objects += len(original)
        self.missed += missed
        for one, other in pairs:
            box = float(np.abs(original.boxes[one] - exported.boxes[other]).max())
            score = abs(float(original.scores[one]) - float(exported.scores[other]))
            if not box <= max(self.largest_box_px, self.tolerance["largest_box_px"]):
                self.worst = sample
            self.largest_box_px = max(self.largest_box_px, box)
            self.largest_score = max(self.largest_score, score)
            if original.masks is not None and exported.masks is not None:
                first, second = original.masks[one], exported.masks[other]
                shared = first.shared_with(second)
                self.pixels += first.area_px
                self.differing += first.area_px + second.area_px - 2 * shared


def _pairs(original: zoo.InstanceResult, exported: zoo.InstanceResult) -> Iterator[tuple[int, int]]:
    """Yield the objects that both found: of one label, the nearest boxes first."""
    if not len(original) or not len(exported):
        return
    apart = np.abs(original.boxes[:, None] - exported.boxes[None]).max(axis=2)
    apart[original.class_ids[:, None] != exported.class_ids[None]] = np.inf
    while True:
        one, other = np.unravel_index(int(apart.argmin()), apart.shape)
        if not apart[one, other] <= _SAME_PX:
            return
        yield int(one), int(other)
        apart[one], apart[:, other] = np.inf, np.inf


def compare_instances(
    model: zoo.Predictor, session: Session, samples: Sequence[Sample]
) -> MeasuredInstances:
    """Compare on images, through the windows of the model, and on generated ones of odd sizes.

    Args:
        model: The original.
        session: The graph.
        samples: The images.

    Raises:
        DataError: The original fails on an image, or neither side finds an object in any of them.
        FileError: The graph fails on an image.
    """
    measured = MeasuredInstances()
    original: zoo.Predictor[zoo.InstanceResult] = zoo.Predictor(
        model.model, score_thr=0.0, tiling=model.tiling
    )
    exported = exported_predictor(model, session, tiling=model.tiling)
    for sample in samples:
        measured.see(sample, original(sample.pixels), exported(sample.pixels))
    measured.images = len(samples)
    for height, width in (*_SIZES, *beyond(model, _SIZES)):
        size = f"{height}x{width}"
        image = smooth_noise(height, width, seed=height)
        try:
            found = original(image)
        except DataError:  # the original takes no image of this size
            continue
        measured.see(Sample(f"a generated image of {size} px", image), found, exported(image))
        measured.sizes.append(size)
    if not measured.objects and not measured.missed:
        message = (
            f"cannot compare {model.model.name!r} with its export: in {len(samples)} images and "
        )
        message += "in generated ones, it finds no object."
        hint = "give images of what it was trained to find: --data FOLDER."
        raise DataError(message, path=samples[0].name, hint=hint)
    return measured
