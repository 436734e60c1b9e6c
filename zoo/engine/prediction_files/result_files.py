# SPDX-License-Identifier: Apache-2.0
"""The output files of each image, by the model's task."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo.data import encode_png
from zoo.files import replace_file

if TYPE_CHECKING:
    from zoo.engine.overlays.style import OverlayStyle
    from zoo.engine.prediction.model import LoadedModel
    from zoo.engine.prediction.results import InstanceResult, SemanticResult
    from zoo.engine.prediction_files.inputs import InputImage

__all__ = ["ResultFiles", "files_of"]

COCO_NAME = "coco.json"
_LOG = logging.getLogger("zoo")


class ResultFiles(Protocol):
    """Writes the results of a model of one task."""

    @property
    def shared_paths(self) -> Sequence[Path]:
        """The files that all images share."""

    def paths(self, image: InputImage) -> Sequence[Path]:
        """Return the files that may be written for an image.

        Args:
            image: One of the batch's images.
        """

    def write(self, image: InputImage, result: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Write an image's files; return its entry in the JSON, and what the shared files need.

        Args:
            image: One of the batch's images.
            result: The model's prediction.
        """

    def take_again(self, shared: Mapping[str, Any]) -> None:
        """Load what the shared files need from an image that was finished before.

        Args:
            shared: As `write` returned it, read back from the journal.
        """

    def write_shared(self) -> dict[str, Any]:
        """Write the files that all images share, and return the keys that name them."""


def files_of(
    model: LoadedModel, folder: Path, *, labels: bool, overlays: OverlayStyle | None
) -> ResultFiles:
    """Return the writer of a model's results.

    Args:
        model: Its task decides.
        folder: The output folder.
        labels: Whether a semantic model's label PNGs are written.
        overlays: Style of the overlay PNGs; None to write none.
    """
    if model.task == "semantic":
        return _SemanticFiles(folder, labels=labels, overlays=overlays)
    return _InstanceFiles(folder, model, overlays=overlays)


class _SemanticFiles:
    """A label PNG and an overlay for each image."""

    shared_paths: Sequence[Path] = ()

    def __init__(self, folder: Path, *, labels: bool, overlays: OverlayStyle | None) -> None:
        self._folder = folder
        self._labels = labels
        self._overlays = overlays

    def paths(self, image: InputImage) -> list[Path]:
        return [self._folder / f"{image.name}_{what}.png" for what in ("label", "overlay")]

    def take_again(self, shared: Mapping[str, Any]) -> None:
        pass  # there are no shared files

    def write(
        self, image: InputImage, result: SemanticResult
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        label, overlay = self.paths(image)
        if self._labels:
            replace_file(label, encode_png(result.labels))
        if self._overlays is not None:
            style, opacity = self._overlays.kind, self._overlays.opacity
            replace_file(overlay, encode_png(result.overlay(style=style, opacity=opacity)))
        height_px, width_px = result.labels.shape
        areas_mm2, areas_m2 = result.areas_mm2, result.areas_m2
        entry = {
            "file": image.path.as_posix(),
            "label": label.name if self._labels else None,
            "overlay": None if self._overlays is None else overlay.name,
            "height_px": height_px,
            "width_px": width_px,
            "areas": {
                name: {"px": area_px, "fraction": area_px / result.labels.size}
                | ({} if areas_mm2 is None else {"mm2": areas_mm2[name]})
                | ({} if areas_m2 is None else {"m2": round(areas_m2[name], 3)})
                for name, area_px in result.areas_px.items()
            },
            "meta": dict(result.meta),
        }
        return entry, {}

    def write_shared(self) -> dict[str, Any]:
        return {}


class _InstanceFiles:
    """An overlay for each image, GeoJSON if it has coordinates, and one COCO JSON for all."""

    def __init__(self, folder: Path, model: LoadedModel, *, overlays: OverlayStyle | None) -> None:
        self._folder = folder
        self._classes = model.classes
        self._overlays = overlays
        self._images: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []

    @property
    def shared_paths(self) -> list[Path]:
        return [self._folder / COCO_NAME]

    def paths(self, image: InputImage) -> list[Path]:
        names = (f"{image.name}_overlay.png", f"{image.name}.geojson")
        return [self._folder / name for name in names]

    def take_again(self, shared: Mapping[str, Any]) -> None:
        self._images.append(shared["image"])
        self._annotations += shared["annotations"]

    def write(
        self, image: InputImage, result: InstanceResult
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        overlay, geojson = self.paths(image)
        if self._overlays is not None:
            style, opacity = self._overlays.kind, self._overlays.opacity
            replace_file(overlay, encode_png(result.overlay(style=style, opacity=opacity)))
        has_geojson = result.georeference is not None and self._can_write_geojson(geojson)
        if has_geojson:
            from zoo.engine.prediction_files.geojson import geojson_text

            replace_file(geojson, geojson_text(result).encode())
        rows = self._take(image, result)
        entry = {
            "file": image.path.as_posix(),
            "overlay": None if self._overlays is None else overlay.name,
            "geojson": geojson.name if has_geojson else None,
            "height_px": result.height_px,
            "width_px": result.width_px,
            "windows": result.windows,
            "score_thr": result.score_thr,
            "counts": result.counts,
            "counts_at": {f"{thr:.1f}": count for thr, count in result.counts_at.items()},
            "instances": [
                {
                    "id": row["id"],
                    "class": self._classes[row["category_id"] - 1],
                    "score": row["score"],
                    "box": [*row["bbox"][:2], *_far_corner(row["bbox"])],
                    "area_px": row["area"],
                }
                for row in rows
            ],
            "meta": dict(result.meta),
        }
        return entry, {"image": self._images[-1], "annotations": rows}

    def write_shared(self) -> dict[str, Any]:
        content = {
            "info": {"description": "instances that zoo predict found", "version": "1"},
            "licenses": [],
            "images": self._images,
            "categories": [
                {"id": index, "name": name, "supercategory": ""}
                for index, name in enumerate(self._classes, start=1)
            ],
            "annotations": self._annotations,
        }
        text = json.dumps(content, separators=(",", ":"), allow_nan=False)
        replace_file(self._folder / COCO_NAME, text.encode() + b"\n")
        return {"coco": COCO_NAME}

    def _can_write_geojson(self, path: Path) -> bool:
        """Return whether shapely is installed; without it, the other results are still written."""
        try:
            import shapely  # noqa: F401
        except ImportError as error:
            text = '%s is left out: %s; pip install "mmzoo[geo]".'
            _LOG.warning(text, path.name, error)
            return False
        return True

    def _take(self, image: InputImage, result: InstanceResult) -> list[dict[str, Any]]:
        """Return an image's COCO annotations, and keep them for the file."""
        image_id, first = _next_id(self._images), _next_id(self._annotations)
        size = {"width": result.width_px, "height": result.height_px}
        self._images.append({"id": image_id, "file_name": image.path.as_posix(), **size})
        areas = result.areas_px.tolist()
        rows = []
        for index, (left, top, right, bottom) in enumerate(result.boxes.tolist()):
            row = {
                "id": first + index,
                "image_id": image_id,
                "category_id": int(result.class_ids[index]) + 1,
                "bbox": [round(value, 2) for value in (left, top, right - left, bottom - top)],
                "area": areas[index],
                "iscrowd": 0,
                "score": round(float(result.scores[index]), 4),
            }
            if result.masks is not None:
                row["segmentation"] = result.rle(index)
            rows.append(row)
        self._annotations += rows
        return rows


def _next_id(rows: Sequence[Mapping[str, Any]]) -> int:
    return int(rows[-1]["id"]) + 1 if rows else 1


def _far_corner(bbox: Sequence[float]) -> list[float]:
    left, top, width, height = bbox
    return [round(left + width, 2), round(top + height, 2)]
