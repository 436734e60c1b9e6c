# SPDX-License-Identifier: Apache-2.0
"""A contact sheet of a prepared folder, showing what a model will see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.bands.reading import read_bands
from zoo.data.bands.showing import show_bands
from zoo.data.coco.masks import MaskInRoi, roi_of
from zoo.data.coco.reading import CocoAnnotation, read_coco
from zoo.data.layout.check_instances import MOST_BYTES
from zoo.data.layout.dataset_json import read_prepared
from zoo.data.layout.prepared import Prepared, PreparedFile, WindowFile
from zoo.data.pictures.drawing import Outline, draw_outlines, draw_overlay
from zoo.data.pictures.legend import draw_legend
from zoo.data.pictures.lettering import draw_text, fit_text, text_width
from zoo.data.pictures.pixels import (
    decode_image,
    encode_png,
    fit_size,
    load_cv2,
    resize_image,
    resize_mask,
)
from zoo.documents import DocumentError, read_file, reason_of
from zoo.errors import DataError
from zoo.files import write_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from zoo.data.bands.table import BandTable
    from zoo.data.pictures.pixels import Image

Shown = dict[str, list[tuple[int, CocoAnnotation]]]

__all__ = ["choose_files", "show_prepared"]

_GROUND = (24, 26, 30)
_GAP_PX = 8
_CAPTION_PX = 22
_SPLIT_COLORS = {"train": (130, 200, 130), "val": (240, 200, 90), "test": (120, 180, 250)}


def show_prepared(
    root: Path, out: Path, *, count: int = 12, columns: int = 4, tile_px: int | None = None
) -> Path:
    """Write a contact sheet of overlays and return its path.

    The images are evenly spaced in the sorted stems of each split, so the result is reproducible,
    and each split with images is shown.

    Args:
        root: A prepared folder.
        out: A folder for ``contact_sheet.png``, or a PNG file; created if missing.
        count: Number of images, at least 1.
        columns: Number of columns.
        tile_px: Longer side of each image; None for 256, or 384 for instances.

    Raises:
        DataError: The folder is not a prepared one, an image cannot be read, or ``out`` is inside
            the folder or cannot be written.
    """
    prepared = read_prepared(root)
    out = Path(out)
    path = out if out.suffix.lower() == ".png" else out / "contact_sheet.png"
    if prepared.root.resolve() in path.resolve().parents:
        message = f"cannot write {path.name!r} into the prepared folder itself."
        raise DataError(message, path=path, hint="give another --out.")
    rows = choose_files(prepared, max(1, count))
    side_px = tile_px or (384 if prepared.task == "instance" else 256)
    sheet = _compose(prepared, rows, max(1, min(columns, len(rows))), side_px)
    write_file(path, encode_png(sheet))
    return path


def choose_files(prepared: Prepared, count: int) -> list[PreparedFile]:
    """Return ``count`` files, distributed over the splits by size, at least one of each.

    For instance data, prefers files that show an instance.

    Args:
        prepared: A prepared folder.
        count: Number of files, 1 or more.
    """
    files = {row.stem: row for row in prepared.files}
    filled = [_worth_showing(split.stems, files) for split in prepared.splits.values()]
    filled = [stems for stems in filled if stems]
    left = max(count, len(filled))
    chosen: list[PreparedFile] = []
    for index, stems in enumerate(filled):
        later = len(filled) - index - 1
        total = sum(len(other) for other in filled[index:])
        wanted = left - later if later == 0 else round(left * len(stems) / total)
        number = min(len(stems), max(1, min(wanted, left - later)))
        chosen += [files[stems[i * len(stems) // number]] for i in range(number)]
        left -= number
    return chosen


def _worth_showing(stems: Sequence[str], files: Mapping[str, PreparedFile]) -> Sequence[str]:
    shown = [stem for stem in stems if getattr(files[stem], "instances", 1)]
    return shown or stems


def _compose(prepared: Prepared, rows: list[PreparedFile], columns: int, tile_px: int) -> Image:
    import numpy as np

    cell_px = tile_px + _GAP_PX
    lines = -(-len(rows) // columns)
    height_px = lines * (cell_px + _CAPTION_PX) + _GAP_PX
    sheet = np.full((height_px, columns * cell_px + _GAP_PX, 3), _GROUND, np.uint8)
    shown = _read_shown(prepared, {row.split for row in rows})
    for index, row in enumerate(rows):
        left = _GAP_PX + (index % columns) * cell_px
        top = _GAP_PX + (index // columns) * (cell_px + _CAPTION_PX)
        tile = _draw_tile(prepared, row, tile_px, shown)
        dy, dx = (tile_px - tile.shape[0]) // 2, (tile_px - tile.shape[1]) // 2
        sheet[top + dy : top + dy + tile.shape[0], left + dx : left + dx + tile.shape[1]] = tile
        baseline = top + tile_px + 15
        draw_text(sheet, row.split, (left, baseline), _SPLIT_COLORS[row.split])
        name_px = text_width(row.split) + _GAP_PX
        draw_text(sheet, fit_text(row.stem, tile_px - name_px), (left + name_px, baseline))
    legend = draw_legend(prepared.classes, prepared.palette, sheet.shape[1])
    return np.concatenate([sheet, legend])


def _draw_tile(prepared: Prepared, row: PreparedFile, tile_px: int, shown: Shown) -> Image:
    path = prepared.root / "images" / row.image_name
    image = _read(path) if prepared.bands is None else _read_bands(path, prepared.bands)
    size = fit_size(image.shape[0], image.shape[1], (tile_px, tile_px), keep_aspect=True)
    small = resize_image(image, size)
    if isinstance(row, WindowFile):
        scale = size[0] / image.shape[1]
        outlines = [
            Outline([ring * scale for ring in rings], prepared.palette[index], annotation.is_crowd)
            for index, annotation in shown.get(row.image_name, [])
            for rings in _rings(annotation)
        ]
        return _name_crowds(draw_outlines(small, outlines), outlines)
    labels = _read(prepared.mask_path(row.stem))
    skip = (0,) if len(prepared.classes) > 1 else ()
    return draw_overlay(small, resize_mask(labels, size), prepared.palette, skip=skip)


def _read_shown(prepared: Prepared, splits: set[str]) -> Shown:
    """Return the annotations of each image in these splits, with class indices."""
    shown: Shown = {}
    for split in sorted(splits & prepared.annotations.keys()):
        path = prepared.annotations_path(split)
        content = read_coco(_read_bytes(path), str(path))
        if tuple(content.categories.values()) != prepared.classes:
            message = f"cannot show {path.name!r}: its categories are not those of dataset.json."
            raise DataError(message, path=path, hint="run zoo data check on the folder.")
        places = {key: index for index, key in enumerate(content.categories)}
        names = {image.id: image.file_name for image in content.images}
        for annotation in content.annotations:
            found = shown.setdefault(names[annotation.image_id], [])
            found.append((places[annotation.category_id], annotation))
    return shown


def _rings(annotation: CocoAnnotation) -> list[list[NDArray[np.float64]]]:
    """Return the rings of a mask, both outlines and holes."""
    import numpy as np

    mask = roi_of(annotation.segmentation or [])
    if not isinstance(mask, MaskInRoi):
        return [[np.asarray(polygon, np.float64).reshape(-1, 2)] for polygon in mask]
    cv2 = load_cv2()
    found, _ = cv2.findContours(mask.pixels, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    corner = np.array([mask.left_px + 0.5, mask.top_px + 0.5])
    return [[ring[:, 0].astype(np.float64) + corner for ring in found]]


def _name_crowds(tile: Image, outlines: Sequence[Outline]) -> Image:
    """Write ``crowd`` into each region of undistinguished objects."""
    for outline in outlines:
        if outline.is_crowd and outline.rings:
            x, y = outline.rings[0].mean(axis=0)
            left = int(min(max(0, x - text_width("crowd") / 2), tile.shape[1] - 1))
            draw_text(tile, "crowd", (left, int(y)), outline=(0, 0, 0))
    return tile


def _read(path: Path) -> Image:
    import numpy as np

    return decode_image(_read_bytes(path), str(path)).astype(np.uint8, copy=False)


def _read_bands(path: Path, table: BandTable) -> Image:
    choice, values = table.choice, table.to_loader()
    image = read_bands(_read_bytes(path), str(path), choice)
    return show_bands(image.samples, choice.names, values["mean"], values["std"])


def _read_bytes(path: Path) -> bytes:
    try:
        return read_file(path, MOST_BYTES)
    except (OSError, DocumentError) as error:
        message = f"cannot read {path.name!r}: {reason_of(error)}."
        raise DataError(message, path=path, hint="run zoo data check on the folder.") from error
