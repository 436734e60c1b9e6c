# SPDX-License-Identifier: Apache-2.0
"""The style that QGIS loads with a file of the same name: a colour for each class."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

__all__ = ["style_of"]

_VERSION = "3.28.0"
_FILL_OPACITY = 90  # of 255
_OUTLINE_MM = 0.4
# Where a model states no colours: Okabe and Ito 2008, told apart by the colour-blind too.
_COLORS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115)),
    *((240, 228, 66), (0, 114, 178), (213, 94, 0)),
)

Color = tuple[int, int, int]


def style_of(attribute: str, values: Sequence[str], palette: Sequence[Color] = ()) -> bytes:
    """Return a QML: polygons by the value of an attribute, filled so that the image shows.

    Args:
        attribute: Name of the attribute.
        values: Its values, in the order of the legend.
        palette: RGB colour of each value; empty for colours that are told apart well.
    """
    root = ElementTree.Element("qgis", version=_VERSION, styleCategories="Symbology")
    renderer = ElementTree.SubElement(
        root, "renderer-v2", type="categorizedSymbol", attr=attribute, enableorderby="0"
    )
    categories = ElementTree.SubElement(renderer, "categories")
    symbols = ElementTree.SubElement(renderer, "symbols")
    for number, value in enumerate(values):
        name = str(number)
        row = {"symbol": name, "value": value, "label": value, "render": "true", "type": "string"}
        ElementTree.SubElement(categories, "category", row)
        color = palette[number] if palette else _COLORS[number % len(_COLORS)]
        symbols.append(_symbol(name, color))
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _symbol(name: str, color: Color) -> ElementTree.Element:
    symbol = ElementTree.Element("symbol", type="fill", name=name, alpha="1", clip_to_extent="1")
    layer = ElementTree.SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1"})
    options = ElementTree.SubElement(layer, "Option", type="Map")
    rgb = ",".join(map(str, color))
    for key, value in {
        "color": f"{rgb},{_FILL_OPACITY}",
        "outline_color": f"{rgb},255",
        "outline_style": "solid",
        "outline_width": str(_OUTLINE_MM),
        "outline_width_unit": "MM",
        "style": "solid",
    }.items():
        ElementTree.SubElement(options, "Option", name=key, type="QString", value=value)
    return symbol
