# SPDX-License-Identifier: Apache-2.0
"""A contact sheet of a prepared folder: a look at what a model will be shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zoo.data.drawing import draw_legend, draw_overlay, draw_text, fit_text
from zoo.data.images import decode_image, encode_png, fit_size, resize_image, resize_mask
from zoo.data.prepared import Prepared, PreparedFile, read_prepared
from zoo.data.staging import write_file
from zoo.errors import DataError

if TYPE_CHECKING:
    from zoo.data.images import Image

__all__ = ["choose_files", "show_prepared"]

_GROUND = (24, 26, 30)
_GAP_PX = 8
_CAPTION_PX = 22
_SPLIT_COLORS = {"train": (130, 200, 130), "val": (240, 200, 90), "test": (120, 180, 250)}


def show_prepared(
    root: Path, out: Path, *, count: int = 12, columns: int = 4, tile_px: int = 256
) -> Path:
    """Write a contact sheet of overlays and return where it lies.

    The images are taken evenly over the sorted stems of each split, so the same folder gives the
    same sheet, and each split that holds images is shown.

    Args:
        root: A prepared folder.
        out: A folder, which gets ``contact_sheet.png``, or the name of a PNG; made if missing.
        count: Of images, at least 1.
        columns: Of the sheet.
        tile_px: Longer side of each picture.

    Raises:
        DataError: The folder is not a prepared one, a picture of it cannot be read, ``out`` lies
            inside it or cannot be written.
    """
    prepared = read_prepared(root)
    out = Path(out)
    path = out if out.suffix.lower() == ".png" else out / "contact_sheet.png"
    if prepared.root.resolve() in path.resolve().parents:
        message = f"cannot write {path.name!r} into the prepared folder itself."
        raise DataError(message, path=path, hint="give another --out.")
    rows = choose_files(prepared, max(1, count))
    sheet = _compose(prepared, rows, max(1, min(columns, len(rows))), tile_px)
    write_file(path, encode_png(sheet))
    return path


def choose_files(prepared: Prepared, count: int) -> list[PreparedFile]:
    """Return ``count`` files spread over the splits by their sizes, one of each at least."""
    files = {row.stem: row for row in prepared.files}
    filled = [split.stems for split in prepared.splits.values() if split.stems]
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


def _compose(prepared: Prepared, rows: list[PreparedFile], columns: int, tile_px: int) -> Image:
    import numpy as np

    cell_px = tile_px + _GAP_PX
    lines = -(-len(rows) // columns)
    height_px = lines * (cell_px + _CAPTION_PX) + _GAP_PX
    sheet = np.full((height_px, columns * cell_px + _GAP_PX, 3), _GROUND, np.uint8)
    for index, row in enumerate(rows):
        left = _GAP_PX + (index % columns) * cell_px
        top = _GAP_PX + (index // columns) * (cell_px + _CAPTION_PX)
        tile = _draw_tile(prepared, row, tile_px)
        dy, dx = (tile_px - tile.shape[0]) // 2, (tile_px - tile.shape[1]) // 2
        sheet[top + dy : top + dy + tile.shape[0], left + dx : left + dx + tile.shape[1]] = tile
        baseline = top + tile_px + 15
        draw_text(sheet, row.split, (left, baseline), _SPLIT_COLORS.get(row.split, _GROUND))
        draw_text(sheet, fit_text(row.stem, tile_px - 46), (left + 46, baseline))
    legend = draw_legend(prepared.classes, prepared.palette, sheet.shape[1])
    return np.concatenate([sheet, legend])


def _draw_tile(prepared: Prepared, row: PreparedFile, tile_px: int) -> Image:
    image = _read(prepared.image_path(row.stem))
    labels = _read(prepared.mask_path(row.stem))
    size = fit_size(image.shape[0], image.shape[1], (tile_px, tile_px), keep_aspect=True)
    skip = (0,) if len(prepared.classes) > 1 else ()
    return draw_overlay(
        resize_image(image, size), resize_mask(labels, size), prepared.palette, skip=skip
    )


def _read(path: Path) -> Image:
    import numpy as np

    try:
        data = path.read_bytes()
    except OSError as error:
        message = f"cannot read {path.name!r}: {error.strerror}."
        raise DataError(message, path=path, hint="run zoo data check on the folder.") from error
    return decode_image(data, str(path)).astype(np.uint8, copy=False)
