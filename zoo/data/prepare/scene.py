# SPDX-License-Identifier: Apache-2.0
"""Inspect one scene, cut it into windows, and write them with their annotations."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.coco.masks import (
    Mask,
    area_of,
    box_of,
    encode_window,
    roi_of,
    shift_polygons,
    to_json,
)
from zoo.data.geometry.shapes import Box
from zoo.data.geometry.windows import Tiling, Window, chip_window, tile_windows
from zoo.data.layout.prepared import WindowFile
from zoo.data.pictures.decoding import BandChoice, decode_picture
from zoo.data.pictures.digests import digest_bytes, digest_pixels
from zoo.data.pictures.formats import read_header
from zoo.data.pictures.pixels import encode_png
from zoo.data.pictures.turning import TURNED
from zoo.data.prepare.instance import Instance, Scene, keep_inside
from zoo.data.report import ReportLine
from zoo.data.source.source import Source
from zoo.errors import DataError
from zoo.files import write_file

if TYPE_CHECKING:
    from zoo.data.pictures.pixels import Image

__all__ = ["SceneRecord", "SurveyedScene", "survey_scene", "write_scene"]


@dataclass(frozen=True, slots=True)
class SurveyedScene:
    """A scene with its size and the instances inside it.

    Args:
        scene: The planned scene with the kept instances, clipped at its edges.
        width_px: Width of the upright image.
        height_px: Height of the upright image.
        image_sha256: Digest of the image file.
        source_sha256: Digest of the file and its annotations.
        dropped: Lines for the report.
        repaired: Lines for the report.
    """

    scene: Scene
    width_px: int
    height_px: int
    image_sha256: str
    source_sha256: str
    dropped: tuple[ReportLine, ...]
    repaired: tuple[ReportLine, ...]

    @property
    def stem(self) -> str:
        """Of the scene."""
        return self.scene.stem

    @property
    def group(self) -> str:
        """Of the scene."""
        return self.scene.group

    @property
    def image(self) -> str:
        """Path in the source."""
        return self.scene.image

    @property
    def sizes(self) -> tuple[int, int, float, float]:
        """Width, height, largest box width and largest box height, in px."""
        boxes = [each.box for each in self.scene.instances if not each.is_crowd]
        widest = max((box[2] - box[0] for box in boxes), default=0.0)
        highest = max((box[3] - box[1] for box in boxes), default=0.0)
        return self.width_px, self.height_px, widest, highest


@dataclass(frozen=True, slots=True)
class SceneRecord:
    """The result for one scene.

    Args:
        files: Rows for ``dataset.json``.
        annotations: COCO annotations of each row, still without ids.
        remains: Number of parts of cut instances that were too small to keep.
        is_stretched: Whether 16-bit samples were converted to 8 bits.
        notes: Notes for the report on how the image was read.
    """

    files: tuple[WindowFile, ...]
    annotations: tuple[tuple[dict[str, Any], ...], ...]
    remains: int
    is_stretched: bool
    notes: tuple[str, ...] = ()


def survey_scene(source: Source, scene: Scene) -> SurveyedScene:
    """Return the size and digests of a scene, and its clipped instances.

    Args:
        source: Source of the image.
        scene: The planned scene.

    Raises:
        DataError: The image cannot be read, or has another size than the source states.
    """
    data = source.read(scene.image)
    where = source.where(scene.image)
    width_px, height_px = read_header(data, where).size
    if scene.size is not None and scene.size != (width_px, height_px):
        message = (
            f"cannot use the annotations of {scene.image!r}: the image has {width_px}x{height_px} "
            f"px, expected {scene.size[0]}x{scene.size[1]}."
        )
        hint = "give the images that were annotated, neither resized nor rotated."
        raise DataError(message, path=where, hint=hint)
    kept: list[Instance] = []
    dropped: list[ReportLine] = []
    repaired: list[ReportLine] = []
    for instance in scene.instances:
        found, told = keep_inside(instance, width_px, height_px)
        if found is not None:
            kept.append(found)
            if found.repair:
                repaired.append(ReportLine(instance.source, found.repair))
        if told is not None:
            (repaired if found else dropped).append(ReportLine(instance.source, told))
    image_sha256 = digest_bytes(data)
    return SurveyedScene(
        scene=Scene(scene.stem, scene.group, scene.image, tuple(kept), scene.size, scene.meta),
        width_px=width_px,
        height_px=height_px,
        image_sha256=image_sha256,
        source_sha256=digest_bytes(image_sha256.encode() + b"".join(map(_said, scene.instances))),
        dropped=tuple(dropped),
        repaired=tuple(repaired),
    )


def _said(instance: Instance) -> bytes:
    """Return the source data of an instance as bytes."""
    facts = (instance.category, instance.is_crowd, *instance.box)
    if isinstance(instance.segmentation, dict):
        return f"{facts}{json.dumps(instance.segmentation)}\n".encode()
    # As numbers: text would take most of the time for thousands of instances.
    polygons = (array("d", polygon).tobytes() for polygon in instance.segmentation)
    return f"{facts}".encode() + b"\n".join(polygons) + b"\n"


def write_scene(
    source: Source,
    surveyed: SurveyedScene,
    split: str,
    folder: Path,
    tiling: Tiling,
    *,
    bands: BandChoice = None,
) -> SceneRecord:
    """Write the images of one scene, and return their annotations.

    A whole scene that is a plain JPEG is copied unchanged; everything else becomes 8-bit PNG.

    Args:
        source: Source of the scene.
        surveyed: The scene.
        split: Split to record.
        folder: The staging folder.
        tiling: How to cut.
        bands: See :func:`zoo.data.pictures.decoding.decode_picture`.

    Raises:
        DataError: The image cannot be read or written.
    """
    scene = surveyed.scene
    data = source.read(scene.image)
    where = source.where(scene.image)
    # Decode even a copied file, because nothing else would detect damage.
    picture = decode_picture(data, where, bands=bands)
    if tiling.layout == "whole" and _is_plain_jpeg(data, where):
        window = Window(0, 0, surveyed.width_px, surveyed.height_px)
        write_file(folder / "images" / f"{scene.stem}.jpg", data)
        row = _make_row(surveyed, split, scene.stem, window, surveyed.image_sha256, ".jpg")
        return _record(surveyed, [(row, window, scene.instances)], tiling)
    pixels = picture.to_uint8()
    rows = []
    for stem, window, instances in _cut(surveyed, tiling):
        part = _crop(pixels, window)
        write_file(folder / "images" / f"{stem}.png", encode_png(part))
        row = _make_row(surveyed, split, stem, window, digest_pixels(part), ".png")
        rows.append((row, window, instances))
    record = _record(surveyed, rows, tiling)
    is_turned = bool(scene.instances) and read_header(data, where).hides_turns
    notes = (*picture.notes, TURNED) if is_turned else picture.notes
    return replace(record, is_stretched=picture.is_deep, notes=notes)


def _is_plain_jpeg(data: bytes, where: str) -> bool:
    """Return whether a file is a grey or RGB JPEG without orientation."""
    header = read_header(data, where)
    return header.kind == "JPEG" and header.channels != 4 and not header.has_exif


def _cut(
    surveyed: SurveyedScene, tiling: Tiling
) -> Iterator[tuple[str, Window, Sequence[Instance]]]:
    """Yield stem, window and the candidate instances of each window."""
    scene, size = surveyed.scene, (surveyed.width_px, surveyed.height_px)
    if tiling.layout == "whole":
        yield scene.stem, Window(0, 0, *size), scene.instances
    elif tiling.layout == "chips":
        for number, instance in enumerate(scene.instances, start=1):
            window = chip_window(instance.box, *size, tiling.tile_px)
            yield f"{scene.stem}__{number:04d}", window, (instance,)
    else:
        for window in tile_windows(*size, tiling):
            stem = f"{scene.stem}__x{window.left_px:05d}_y{window.top_px:05d}"
            yield stem, window, scene.instances


def _crop(pixels: Image, window: Window) -> Image:
    import numpy as np

    rows = slice(window.top_px, window.top_px + window.height_px)
    return np.ascontiguousarray(pixels[rows, window.left_px : window.left_px + window.width_px])


def _make_row(
    surveyed: SurveyedScene, split: str, stem: str, window: Window, sha256: str, suffix: str
) -> WindowFile:
    scene = surveyed.scene
    return WindowFile(
        stem=stem,
        group=scene.group,
        split=split,
        height_px=window.height_px,
        width_px=window.width_px,
        image_sha256=sha256,
        source_image=scene.image,
        source_sha256=surveyed.source_sha256,
        source_height_px=surveyed.height_px,
        source_width_px=surveyed.width_px,
        meta=scene.meta,
        scene=scene.stem,
        left_px=window.left_px,
        top_px=window.top_px,
        suffix=suffix,
        instances=0,
    )


def _record(
    surveyed: SurveyedScene,
    rows: Sequence[tuple[WindowFile, Window, Sequence[Instance]]],
    tiling: Tiling,
) -> SceneRecord:
    numbers = {id(each): n for n, each in enumerate(surveyed.scene.instances, start=1)}
    masks = {id(each): roi_of(each.segmentation) for each in surveyed.scene.instances}
    extents = {id(each): _extent(each, masks[id(each)]) for each in surveyed.scene.instances}
    files, annotations, remains = [], [], 0
    for row, window, instances in rows:
        shown = []
        for instance in instances:
            key = id(instance)
            if not _touches(extents[key], window.box):
                continue
            found = _annotate(instance, masks[key], extents[key], window, tiling.min_visible)
            if found is not None:
                shown.append(found | {"object": numbers[key]})
            elif not instance.is_crowd:
                remains += 1
        objects = sum(not found["iscrowd"] for found in shown)
        files.append(replace(row, instances=objects))
        annotations.append(tuple(shown))
    return SceneRecord(tuple(files), tuple(annotations), remains, is_stretched=False)


def _extent(instance: Instance, mask: Mask) -> Box:
    """Return the box around both box and mask of an instance."""
    if not isinstance(mask, list):
        boxes = [instance.box, mask.box]
    else:
        outlines = [(min(p[::2]), min(p[1::2]), max(p[::2]), max(p[1::2])) for p in mask]
        boxes = [instance.box, *outlines]
    lows = (min(box[side] for box in boxes) for side in (0, 1))
    highs = (max(box[side] for box in boxes) for side in (2, 3))
    x1, y1 = lows
    x2, y2 = highs
    return x1, y1, x2, y2


def _touches(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def _annotate(
    instance: Instance, mask: Mask, extent: Box, window: Window, min_visible: float
) -> dict[str, Any] | None:
    """Return the annotation of an instance in a window, or None if the part is too small.

    A complete instance keeps its box and polygons. For a cut instance, the box is that of the
    visible mask, and the mask is compact RLE. Any part of a crowd counts, always as RLE.
    """
    x1, y1, x2, y2 = instance.box
    left, top, right, bottom = window.box
    is_whole = extent[0] >= left and extent[1] >= top and extent[2] <= right and extent[3] <= bottom
    segmentation: Any
    if is_whole and isinstance(mask, list) and not instance.is_crowd:
        box: Box = (x1 - left, y1 - top, x2 - left, y2 - top)
        segmentation, area_px = shift_polygons(mask, window), instance.area_px
    else:
        rle = encode_window(mask, window)
        area_px = area_of(rle)
        least_px = 0.0 if instance.is_crowd else min_visible * instance.area_px
        if not area_px or area_px < least_px:
            return None
        box = (x1 - left, y1 - top, x2 - left, y2 - top) if is_whole else box_of(rle)
        segmentation = to_json(rle)
    return {
        "category_id": instance.category + 1,
        "bbox": [_plain(side) for side in (box[0], box[1], box[2] - box[0], box[3] - box[1])],
        "area": area_px,
        "iscrowd": int(instance.is_crowd),
        "segmentation": segmentation,
    }


def _plain(value: float) -> float:
    rounded = round(value, 2)
    return int(rounded) if rounded == int(rounded) else rounded
