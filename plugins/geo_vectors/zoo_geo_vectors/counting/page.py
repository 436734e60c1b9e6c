# SPDX-License-Identifier: Apache-2.0
"""One page without scripts and other files: a table of counts, and the outlines of each image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import shapely

from zoo_geo_vectors.counting.counts import Count
from zoo_geo_vectors.features import Feature

__all__ = ["MOST_DRAWN", "MOST_PICTURES", "Part", "page_of"]

MOST_PICTURES = 20  # images
MOST_DRAWN = 20_000  # objects of an image: the largest
_MOST_HIGH = 675  # px on the page, in which the border is that of the image
_PLAIN = (0, 114, 178)  # of a class without a colour
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>Counts</title>
<style>
body { font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 60em; padding: 0 1em }
table { border-collapse: collapse }
td, th { border-bottom: 1px solid #ccc; padding: .2em .8em; text-align: right }
td:first-child, th:first-child { text-align: left }
h2 { font-size: 1.1em; margin-top: 2em; overflow-wrap: anywhere }
svg { background: #f4f4f4; border: 1px solid #999; display: block; margin-top: 1em;
  max-width: 100% }
path { fill-opacity: .35; fill-rule: evenodd; stroke-width: 1.5; vector-effect: non-scaling-stroke }
i { display: inline-block; height: .8em; margin-right: .5em; width: .8em }
</style>
</head>
<body>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """An image of the page.

    Attributes:
        name: Its name.
        size: Width and height in px, or None.
        features: Its objects, with their outlines in px.
        counts: Those of its classes.
    """

    name: str
    size: tuple[int, int] | None
    features: Sequence[Feature]
    counts: Mapping[str, Count]


def page_of(
    parts: Sequence[Part],
    total: Mapping[str, Count],
    colors: Mapping[str, tuple[int, int, int]],
    score_thr: float | None,
    remarks: Sequence[str],
) -> bytes:
    """Return the page.

    Args:
        parts: The images.
        total: Counts over all images.
        colors: RGB colour of each class, as far as it has one.
        score_thr: Least score of the objects; None for a label map.
        remarks: What was left out, and what to know of the images.
    """
    return "".join(_lines(parts, total, colors, score_thr, remarks)).encode()


def _lines(
    parts: Sequence[Part],
    total: Mapping[str, Count],
    colors: Mapping[str, tuple[int, int, int]],
    score_thr: float | None,
    remarks: Sequence[str],
) -> Iterator[str]:
    yield _HEAD
    yield "<h1>Counts</h1>\n"
    found = "regions of a label map" if score_thr is None else f"scores of {score_thr:g} or more"
    yield f"<p>{len(parts)} {'image' if len(parts) == 1 else 'images'}; {found}.</p>\n"
    yield from (f"<p>{escape(line)}</p>\n" for line in remarks)
    if len(parts) > 1:
        yield "<h2>All images</h2>\n"
        yield from _table(total, colors)
    for number, part in enumerate(parts):
        yield f"<h2>{escape(part.name)}</h2>\n"
        yield from _table(part.counts, colors)
        if number < MOST_PICTURES and part.size is not None:
            yield from _picture(part, part.size, colors)
    if len(parts) > MOST_PICTURES:
        yield f"<p>Outlines are drawn of the first {MOST_PICTURES} images.</p>\n"
    yield "</body>\n</html>\n"


def _table(
    counts: Mapping[str, Count], colors: Mapping[str, tuple[int, int, int]]
) -> Iterator[str]:
    """Yield a table; its areas are in m² if those of all classes are known."""
    on_ground = all(count.area_m2 is not None for count in counts.values())
    unit = "m²" if on_ground else "px"
    yield "<table>\n<tr><th>class</th><th>objects</th>"
    yield f"<th>total area, {unit}</th><th>median area, {unit}</th></tr>\n"
    for name, count in counts.items():
        area, median = (count.area_px, count.median_px)
        if on_ground:
            area, median = (count.area_m2 or 0.0, count.median_m2)
        dot = f'<i style="background:{_color(colors, name)}"></i>'
        cells = (f"{count.objects:,}", f"{area:,.1f}", "" if median is None else f"{median:,.1f}")
        yield f"<tr><td>{dot}{escape(name)}</td>"
        yield "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>\n"
    yield "</table>\n"


def _picture(
    part: Part, size: tuple[int, int], colors: Mapping[str, tuple[int, int, int]]
) -> Iterator[str]:
    width, height = size
    drawn = sorted(part.features, key=lambda each: -(each.measures["area_px"] or 0.0))
    shown = max(1, round(width * min(1, _MOST_HIGH / height)))
    yield f'<svg viewBox="0 0 {width} {height}" width="{shown}" role="img" '
    yield f'aria-label="outlines of {escape(part.name)}">\n'
    for each in drawn[:MOST_DRAWN]:  # small ones above large ones
        color = _color(colors, each.label)
        score = "" if each.score is None else f", {each.score:.2f}"
        yield f'<path d="{_path_of(each.shape)}" fill="{color}" stroke="{color}">'
        yield f"<title>{each.id}: {escape(each.label)}{score}</title></path>\n"
    yield "</svg>\n"
    if len(drawn) > MOST_DRAWN:
        yield f"<p>The {MOST_DRAWN:,} largest objects are drawn.</p>\n"


def _path_of(shape: Any) -> str:
    """Return the rings of a shape in px as a path, to a tenth of a pixel."""
    rings = shapely.get_parts(shapely.get_rings(shapely.get_parts(shape)))
    parts = []
    for ring in rings:
        points = np.round(shapely.get_coordinates(ring)[:-1], 1).tolist()
        parts.append("M" + "L".join(f"{x} {y}" for x, y in points) + "Z")
    return "".join(parts)


def _color(colors: Mapping[str, tuple[int, int, int]], name: str) -> str:
    red, green, blue = colors.get(name, _PLAIN)
    return f"#{red:02x}{green:02x}{blue:02x}"
