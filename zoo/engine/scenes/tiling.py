# SPDX-License-Identifier: Apache-2.0
"""Windows through which a model processes scenes: allowed values, and where to set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.data import Tiling, parse_tiling
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["EXPECTED", "check_tiling", "find_tiling", "is_tiling", "windows_text"]

_LEAST_PX, _MOST_PX = 32, 2**16 - 1
_MOST_SHARED = 0.75  # share of a window: each pixel is then processed 16 times
EXPECTED = f"tile_px from {_LEAST_PX} and an overlap_px of at most three quarters of it"


def is_tiling(value: Any) -> bool:
    """Return whether a value of a config or a record states usable windows.

    Args:
        value: Any value; usable is a dict of ``tile_px`` and ``overlap_px``.
    """
    if not isinstance(value, Mapping) or set(value) != {"tile_px", "overlap_px"}:
        return False
    return all(type(side) is int for side in value.values()) and _fits(**value)


def find_tiling(config: Config) -> Tiling | None:
    """Return the windows that a config states for its model, or None.

    Args:
        config: The whole config, or a record's.

    Raises:
        ConfigError: They are invalid, or so small or overlapping that a scene would never end.
    """
    stated = config.get("tiling")
    if stated is None:
        return None
    if not is_tiling(stated):
        shown = dict(stated) if isinstance(stated, Mapping) else stated
        message = f"cannot cut images with tiling={shown!r}: expected {EXPECTED}."
        hint = "write tiling = dict(tile_px=512, overlap_px=128), both in px of the image."
        raise ConfigError(message, where="tiling", hint=hint)
    return parse_tiling("tiles", stated["tile_px"], stated["overlap_px"])


def check_tiling(tiling: Tiling) -> None:
    """Raise ConfigError for requested windows that are too small or overlap too much.

    Args:
        tiling: Windows that a user asked for.
    """
    if not _fits(tiling.tile_px, tiling.overlap_px):
        message = f"cannot cut images into windows of {tiling.tile_px} px that share "
        message += f"{tiling.overlap_px} px: expected {EXPECTED}."
        hint = "use for example --tile-size 512 --overlap 128."
        raise ConfigError(message, where="--tile-size", hint=hint)


def windows_text(tiling: Tiling | Mapping[str, int] | None) -> str:
    """Describe how images are processed: ``through windows of 512 px that share 128 px``.

    Args:
        tiling: Windows in px, as values or as a config states them; None for whole images.
    """
    if tiling is None:
        return "whole images"
    if isinstance(tiling, Tiling):
        tiling = {"tile_px": tiling.tile_px, "overlap_px": tiling.overlap_px}
    return f"through windows of {tiling['tile_px']} px that share {tiling['overlap_px']} px"


def _fits(tile_px: int, overlap_px: int) -> bool:
    return _LEAST_PX <= tile_px <= _MOST_PX and 0 <= overlap_px <= _MOST_SHARED * tile_px
