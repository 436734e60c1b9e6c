# SPDX-License-Identifier: Apache-2.0
"""Draw overviews of the demonstrations: right, missed and false, with a legend.

    python tools/overviews.py tanks demo_tanks --count 1 --out docs/images/tanks.jpg
    python tools/overviews.py lungs demo --count 4 --out docs/images/lungs.jpg

redraw an overview from the folder of a demonstration.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Match", "draw_lungs", "draw_tanks", "match", "resolution_m", "scale_bar_m"]

DPI = 100
TANKS_M_PER_PX = 1.2  # of the sample's scenes, as plugins/oil_storage draws them
_LEAST_IOU = 0.5
_ROUND = (1, 2, 5)
_BAR_SHARE = 0.25  # of a scene's width, at most
# Distinguishable with any colour vision, and by shape.
RIGHT, MISSED, FALSE, TRUTH = "#35E08F", "#FFB000", "#FF3FB4", "#3FA7FF"
_TITLE_PT, _TEXT_PT = 9, 9


@dataclass(frozen=True, slots=True)
class Match:
    """The agreement of predictions and true instances.

    Args:
        right: Indices of right predictions.
        false: Indices of false predictions.
        missed: Indices of missed true instances.
    """

    right: list[int]
    false: list[int]
    missed: list[int]


def match(ious: Any, least: float = _LEAST_IOU) -> Match:
    """Pair each prediction with the free true instance with the largest overlap.

    Args:
        ious: ``(predictions, true instances)`` in 0..1, predictions by score, best first.
        least: Smallest IoU of a pair.

    Source:
        COCO's matching at one threshold (pycocotools, ``COCOeval.evaluateImg``), without crowds.
    """
    finds, trues = ious.shape
    free = set(range(trues))
    right, false = [], []
    for find in range(finds):
        best = max(free, key=lambda true: ious[find, true], default=None)
        if best is not None and ious[find, best] >= least:
            free.remove(best)
            right.append(find)
        else:
            false.append(find)
    return Match(right, false, sorted(free))


def scale_bar_m(width_m: float) -> float:
    """Return a round length in m for the scale bar of a scene.

    Args:
        width_m: Width of the scene in m.

    Example:
        >>> scale_bar_m(921.6)
        200
    """
    power = 10.0 ** math.floor(math.log10(_BAR_SHARE * width_m))
    return max(step * power for step in _ROUND if step * power <= _BAR_SHARE * width_m)


def resolution_m(path: Path) -> float | None:
    """Return the width of a TIFF's pixel on the ground in m, or None if unknown.

    Requires projected coordinates and rasterio (``pip install "mmzoo[geo]"``).

    Args:
        path: The file.
    """
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        import rasterio
    except ImportError:
        return None
    with rasterio.open(path) as file:
        if file.crs is None or not file.crs.is_projected:
            return None
        across = math.hypot(file.transform.a, file.transform.d)
        return float(across * file.crs.linear_units_factor[1])


def draw_tanks(
    folder: Path, out: Path, *, count: int, m_per_px: float | None = TANKS_M_PER_PX
) -> None:
    """Draw test scenes twice: with the true tanks, and with the predictions.

    Args:
        folder: Output of ``tools/demo_tanks.py``.
        out: Image to write.
        count: Largest number of scenes.
        m_per_px: Pixel size for the scale bar; the coordinates of a scene have priority. Without
            either, no bar is drawn.
    """
    truth = _instances(folder / "raw" / "truth" / "annotations.json")
    found = _instances(folder / "predictions" / "coco.json")
    scenes = sorted(found)[:count]
    sheet = _Sheet(columns=min(2 * len(scenes), 4), tiles=2 * len(scenes), tile_in=4.4)
    sums = [0, 0, 0]
    for scene in scenes:
        image = _read(folder / "raw" / "images" / scene)
        finds = sorted(found[scene], key=lambda row: -row["score"])
        matched = match(_ious(finds, truth.get(scene, []), image.shape))
        kinds = (len(matched.right), len(matched.missed), len(matched.false))
        sums = [total + number for total, number in zip(sums, kinds, strict=True)]
        name = Path(scene).stem
        left = sheet.next(image, f"{name}: {len(truth.get(scene, []))} tanks")
        for row in truth.get(scene, []):
            _outline(left, row, image.shape, color=TRUTH, linestyle="-")
        shown = f"{name}: {kinds[0]} right, {kinds[1]} missed, {kinds[2]} false"
        right = sheet.next(image, shown)
        _mark_finds(right, finds, truth.get(scene, []), matched, image.shape)
        known = resolution_m(folder / "raw" / "images" / scene) or m_per_px
        if known:
            for tile in (left, right):
                _draw_scale_bar(tile, image.shape[1], known)
    sheet.save(
        out,
        [
            ("a tank that is there", {"color": TRUTH, "linestyle": "-"}),
            (f"right: {sums[0]}", {"color": RIGHT, "linestyle": "-"}),
            (f"missed: {sums[1]}", {"color": MISSED, "linestyle": "--", "marker": "v"}),
            (f"false: {sums[2]}", {"color": FALSE, "linestyle": ":", "marker": "X"}),
        ],
    )


def draw_lungs(folder: Path, out: Path, *, count: int) -> None:
    """Draw test images with the predicted lungs and the differences from the truth.

    Args:
        folder: Output of ``tools/demo.py``.
        out: Image to write.
        count: Largest number of images.
    """
    import numpy as np

    record = json.loads((folder / "data" / "dataset.json").read_text(encoding="utf-8"))
    masks = {
        Path(row["source_image"]).name: (row["stem"], row["source_masks"])
        for row in record["files"]
    }
    written = json.loads((folder / "predictions" / "predictions.json").read_text(encoding="utf-8"))
    rows = sorted(written["images"], key=lambda row: Path(row["file"]).name)[:count]
    sheet = _Sheet(columns=min(len(rows), 4), tiles=len(rows), tile_in=2.8)
    for row in rows:
        stem, sources = masks[Path(row["file"]).name]
        image = _read(Path(row["file"]))
        parts = [_read(folder / "raw" / name)[..., 0] for name in sources]
        true = np.logical_or.reduce([part > 127 for part in parts])
        label = _read(folder / "predictions" / row["label"])[..., 0]
        found = label == written["classes"].index("lung")
        both = int(found.sum()) + int(true.sum())
        dice = 2 * int((found & true).sum()) / both if both else 1.0
        painted = image.copy()
        kinds = ((found & true, RIGHT, 0.25), (true & ~found, MISSED, 0.9))
        for pixels, color, opacity in (*kinds, (found & ~true, FALSE, 0.9)):
            blue_green_red = [int(color[at : at + 2], 16) for at in (5, 3, 1)]
            mixed = (1 - opacity) * painted[pixels] + opacity * np.array(blue_green_red)
            painted[pixels] = mixed.astype(np.uint8)
        tile = sheet.next(painted, f"{stem}: Dice {dice:.3f}")
        tile.contour(true, levels=[0.5], colors=TRUTH, linewidths=0.8)
    square = {"linestyle": "none", "marker": "s", "markersize": 8}
    sheet.save(
        out,
        [
            ("outline of the true lungs", {"color": TRUTH, "linestyle": "-"}),
            ("right", {"color": RIGHT, **square}),
            ("missed", {"color": MISSED, **square}),
            ("false", {"color": FALSE, **square}),
            ("not for diagnosis", {"linestyle": "none"}),
        ],
    )


def _read(path: Path) -> Any:
    """Read an image as ``(H, W, 3)`` uint8 BGR, with equal channels for grey."""
    import cv2

    picture = cv2.imread(str(path))
    if picture is None:
        message = f"cannot draw an overview: {path} is no picture that OpenCV reads."
        raise SystemExit(message)
    return picture


class _Sheet:
    """A figure of tiles with titles and one legend below."""

    def __init__(self, *, columns: int, tiles: int, tile_in: float) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        rows = math.ceil(tiles / columns)
        size = (columns * tile_in, rows * (tile_in + 0.25) + 0.35)
        self._figure = Figure(figsize=size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(self._figure)
        grid = self._figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in grid:
            axes.set_axis_off()
        self._free = iter(grid)

    def next(self, image: Any, title: str) -> Any:
        """Show a picture, ``(H, W, 3)`` BGR, in the next tile and return its axes."""
        axes = next(self._free)
        axes.imshow(image[..., ::-1])
        axes.set_title(title, fontsize=_TITLE_PT, loc="left")
        return axes

    def save(self, out: Path, entries: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """Write the image with its legend."""
        from matplotlib.lines import Line2D

        handles = [Line2D([], [], **{"markersize": 6, **style}) for _, style in entries]
        texts = [text for text, _ in entries]
        style = {"ncols": len(texts), "fontsize": _TEXT_PT, "frameon": False}
        self._figure.legend(handles, texts, loc="outside lower left", **style)
        self._figure.savefig(out, pil_kwargs={"quality": 85} if out.suffix == ".jpg" else None)


def _instances(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return file name -> annotations of a COCO JSON, of images without any too."""
    document = json.loads(path.read_text(encoding="utf-8"))
    names = {image["id"]: Path(image["file_name"]).name for image in document["images"]}
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for row in document["annotations"]:
        rows[names[row["image_id"]]].append(row)
    return rows


def _rle(row: dict[str, Any], shape: Sequence[int]) -> Any:
    from pycocotools import mask

    outline = row["segmentation"]
    if isinstance(outline, list):
        return mask.merge(mask.frPyObjects(outline, shape[0], shape[1]))
    return outline


def _ious(finds: Sequence[Any], trues: Sequence[Any], shape: Sequence[int]) -> Any:
    """Return ``(finds, true ones)`` overlaps of masks."""
    import numpy as np
    from pycocotools import mask

    if not finds or not trues:
        return np.zeros((len(finds), len(trues)))
    sides = [[_rle(row, shape) for row in rows] for rows in (finds, trues)]
    return np.asarray(mask.iou(*sides, [0] * len(trues)))


def _outline(axes: Any, row: dict[str, Any], shape: Sequence[int], **style: Any) -> None:
    """Draw the outline of an instance's mask."""
    import cv2
    from pycocotools import mask

    pixels = mask.decode(_rle(row, shape))
    for ring in cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]:
        points = [*ring[:, 0].tolist(), ring[0, 0].tolist()]
        axes.plot(*zip(*points, strict=True), linewidth=1.2, **style)


def _mark_finds(
    axes: Any, finds: Sequence[Any], trues: Sequence[Any], matched: Match, shape: Sequence[int]
) -> None:
    marks = (
        ([finds[place] for place in matched.right], RIGHT, "-", None),
        ([trues[place] for place in matched.missed], MISSED, "--", "v"),
        ([finds[place] for place in matched.false], FALSE, ":", "X"),
    )
    for rows, color, linestyle, marker in marks:
        for row in rows:
            _outline(axes, row, shape, color=color, linestyle=linestyle)
            if marker:
                x, y, width, height = row["bbox"]
                place = (x + width / 2, y + height / 2)
                axes.plot(*place, marker, color=color, markersize=7, markeredgecolor="black")


def _draw_scale_bar(axes: Any, width_px: int, m_per_px: float) -> None:
    """Draw a bar of a round length into the lower left corner, with its length."""
    import matplotlib.patheffects

    length_m = scale_bar_m(width_px * m_per_px)
    height_px = axes.get_ylim()[0]
    ends, up = (0.04 * width_px, 0.04 * width_px + length_m / m_per_px), 0.95 * height_px
    edge = [matplotlib.patheffects.withStroke(linewidth=4, foreground="black")]
    axes.plot(ends, (up, up), color="white", linewidth=2.5, path_effects=edge)
    place = (ends[0], up - 0.015 * height_px)
    axes.text(*place, f"{length_m:g} m", color="white", fontsize=_TEXT_PT, path_effects=edge)


def main() -> None:
    """Read the arguments and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["tanks", "lungs"])
    parser.add_argument("folder", type=Path, help="what the demonstration left")
    parser.add_argument("--count", type=int, default=4, help="scenes or images")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    draw = draw_tanks if args.what == "tanks" else draw_lungs
    draw(args.folder, args.out, count=args.count)


if __name__ == "__main__":
    main()
