# SPDX-License-Identifier: Apache-2.0
"""Recognize the JSON formats of other tools by their keys, for error messages."""

from __future__ import annotations

from typing import Any

__all__ = ["find_other_tool"]

# Keys of the first object that identify a format, and its name. Sources: exports of LabelMe 5, VIA
# 2, Label Studio 1, Create ML and Supervisely; RFC 7946; COCO's format of results.
_OBJECTS = (
    (("shapes",), "a file of LabelMe"),
    (("_via_img_metadata",), "a project of VIA"),
    (("regions", "filename"), "annotations of VIA"),
    (("objects", "size"), "a file of Supervisely"),
    (("type", "features"), "GeoJSON"),
)
_ROWS = (
    (("data", "annotations"), "tasks of Label Studio"),
    (("image", "annotations"), "annotations of Create ML"),
    (("image_id", "category_id", "score"), "results in COCO's format, not labels"),
)


def find_other_tool(content: Any) -> str | None:
    """Return the format of JSON that is not a COCO label file, or None if unknown.

    Args:
        content: Parsed JSON.

    Example:
        >>> find_other_tool({"version": "5.0", "shapes": [], "imagePath": "a.png"})
        'a file of LabelMe'
    """
    if isinstance(content, list):
        return _find(content[0] if content else None, _ROWS)
    if not isinstance(content, dict):
        return None
    inner = next(iter(content.values()), None)
    return _find(content, _OBJECTS) or _find(inner, _OBJECTS[2:3])


def _find(row: Any, known: tuple[tuple[tuple[str, ...], str], ...]) -> str | None:
    if not isinstance(row, dict):
        return None
    return next((name for keys, name in known if all(key in row for key in keys)), None)
