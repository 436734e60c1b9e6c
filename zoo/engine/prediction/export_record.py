# SPDX-License-Identifier: Apache-2.0
"""What an exported file says of its model, checked value by value: anyone may have written it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo.engine.records.exported_values import (
    MAX_CLASSES,
    are_classes,
    are_colors,
    is_licence,
    is_text,
)
from zoo.errors import CheckpointError

__all__ = ["check_export_record"]


def check_export_record(record: object, path: Path) -> None:
    """Refuse a record that is not of the shape that zoo and the runtime read.

    Args:
        record: What the file says of its model.
        path: The file, for messages.

    Raises:
        CheckpointError: A value is missing, or is of another kind.
    """
    if not isinstance(record, Mapping):
        raise _wrong(path, f"it is {record!r:.60}, expected a table")
    for key, (is_right, wanted) in _RULES.items():
        if not is_right(record.get(key)):
            raise _wrong(path, f"{key!r} is {record.get(key)!r:.60}, expected {wanted}")
    colors, classes = len(record["palette"]), len(record["classes"])
    if colors != classes:
        raise _wrong(
            path, f"'palette' has {colors} colours, expected {classes}, one for each class"
        )


def _wrong(path: Path, fault: str) -> CheckpointError:
    message = f"cannot open {path.name!r}: of its record, {fault}."
    return CheckpointError(message, path=path, hint="export the model again.")


def _is_share(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and 0 < value <= 1)


def _is_number(value: Any) -> bool:
    return value is None or (type(value) in (int, float) and math.isfinite(value))


def _is_tiling(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or set(value) != {"tile_px", "overlap_px"}:
        return False
    return all(type(side) is int for side in value.values())


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (is_text, "a text"),
    "task": (lambda value: value in ("semantic", "instance"), "'semantic' or 'instance'"),
    "classes": (are_classes, f"1 to {MAX_CLASSES} different names"),
    "palette": (are_colors, "a list of colours of three numbers from 0 to 255"),
    "licence": (is_licence, "an object with 'weights' and 'data', or null"),
    "notice": (lambda value: value is None or is_text(value), "a text, or null"),
    "postprocess": (lambda value: value is None or isinstance(value, dict), "an object, or null"),
    "threshold": (_is_number, "a number, or null"),
    "mask_threshold": (_is_share, "a number above 0 and up to 1, or null"),
    "tiling": (_is_tiling, "an object with 'tile_px' and 'overlap_px', or null"),
}
