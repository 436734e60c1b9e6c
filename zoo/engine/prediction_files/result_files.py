# SPDX-License-Identifier: Apache-2.0
"""The output files of each image, by the model's task."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zoo.data import encode_png
from zoo.engine.prediction_files.described import (
    coco_document,
    coco_image,
    coco_rows,
    instance_entry,
    semantic_entry,
)
from zoo.engine.prediction_files.documents import write_object
from zoo.engine.prediction_files.kept import KeptRows
from zoo.engine.prediction_files.label_raster import write_label_raster
from zoo.engine.scenes.label_rows import release
from zoo.files import replace_file, replacing_file

if TYPE_CHECKING:
    from zoo.engine.overlays.style import OverlayStyle
    from zoo.engine.prediction.model import LoadedModel
    from zoo.engine.prediction.results import InstanceResult, SemanticResult
    from zoo.engine.prediction_files.images import InputImage

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

    def adopt(
        self, entry: dict[str, Any], shared: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Take what another process has written; return both with the numbers of this batch.

        Args:
            entry: As `write` returned it there, in a batch of this image alone.
            shared: As `write` returned it there.
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
    """A label map and an overlay for each image."""

    shared_paths: Sequence[Path] = ()

    def __init__(self, folder: Path, *, labels: bool, overlays: OverlayStyle | None) -> None:
        self._folder = folder
        self._labels = labels
        self._overlays = overlays

    def paths(self, image: InputImage) -> list[Path]:
        names = ("label.png", "label.tif", "overlay.png")
        return [self._folder / f"{image.name}_{name}" for name in names]

    def take_again(self, shared: Mapping[str, Any]) -> None:
        pass  # there are no shared files

    def adopt(
        self, entry: dict[str, Any], shared: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return entry, shared

    def write(
        self, image: InputImage, result: SemanticResult
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        label, raster, overlay = self.paths(image)
        place = result.georeference if result.windows is not None else None
        if self._labels and place is not None:
            label = raster
            write_label_raster(label, result.labels, result.palette, place)
        elif self._labels:
            replace_file(label, encode_png(result.labels))
        if self._overlays is not None:
            style, opacity = self._overlays.kind, self._overlays.opacity
            replace_file(overlay, encode_png(result.overlay(style=style, opacity=opacity)))
            release(result.labels)
        entry = semantic_entry(
            result,
            image.path.as_posix(),
            label=label.name if self._labels else None,
            overlay=None if self._overlays is None else overlay.name,
        )
        return entry, {}

    def write_shared(self) -> dict[str, Any]:
        return {}


class _InstanceFiles:
    """An overlay for each image, GeoJSON if it has coordinates, and one COCO JSON for all."""

    def __init__(self, folder: Path, model: LoadedModel, *, overlays: OverlayStyle | None) -> None:
        self._folder = folder
        self._classes = model.classes
        self._overlays = overlays
        self._images, self._annotations = KeptRows(), KeptRows()

    @property
    def shared_paths(self) -> list[Path]:
        return [self._folder / COCO_NAME]

    def paths(self, image: InputImage) -> list[Path]:
        names = (f"{image.name}_overlay.png", f"{image.name}.geojson")
        return [self._folder / name for name in names]

    def adopt(
        self, entry: dict[str, Any], shared: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        image_id, first = _next_id(self._images), _next_id(self._annotations)
        image = {**shared["image"], "id": image_id}
        rows = [
            {**row, "id": number, "image_id": image_id}
            for number, row in enumerate(shared["annotations"], first)
        ]
        found = [{**each, "id": number} for number, each in enumerate(entry["instances"], first)]
        shared = {"image": image, "annotations": rows}
        self.take_again(shared)
        return {**entry, "instances": found}, shared

    def take_again(self, shared: Mapping[str, Any]) -> None:
        self._images[shared["image"]["id"]] = shared["image"]
        for row in shared["annotations"]:
            self._annotations[row["id"]] = row

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
        shared = self._rows_of(image, result)
        self.take_again(shared)
        entry = instance_entry(
            result,
            shared["annotations"],
            image.path.as_posix(),
            overlay=None if self._overlays is None else overlay.name,
            geojson=geojson.name if has_geojson else None,
        )
        return entry, shared

    def write_shared(self) -> dict[str, Any]:
        content = coco_document(self._classes, iter(self._images), iter(self._annotations))
        with replacing_file(self._folder / COCO_NAME) as staged, staged.open("wb") as stream:
            write_object(stream, content)
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

    def _rows_of(self, image: InputImage, result: InstanceResult) -> dict[str, Any]:
        """Return the rows of an image in the COCO JSON: its own, and its annotations."""
        image_id, first = _next_id(self._images), _next_id(self._annotations)
        own = coco_image(result, image_id, image.path.as_posix())
        return {"image": own, "annotations": coco_rows(result, image_id, first)}


def _next_id(rows: KeptRows) -> int:
    return (rows.last_key or 0) + 1
