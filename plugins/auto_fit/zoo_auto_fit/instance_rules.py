# SPDX-License-Identifier: Apache-2.0
"""Rules of the planner ``instance``: zoom, crop, anchors, rotation, windows."""

from __future__ import annotations

import math
from collections.abc import Callable

from zoo.errors import DataError
from zoo.interfaces import Fingerprint, Machine, Reason
from zoo_auto_fit.rules import most_of, round_up

__all__ = ["plan_anchors", "plan_crop", "plan_rotation", "plan_windows", "plan_zoom"]

LEAST_OBJECT_PX = 36.0
CPU_CROP_PX, GPU_CROP_PX = 384, 512
MOST_OBJECT_PX = 256.0
MOST_ZOOM = 2.0
WINDOW_PX, OVERLAP_PX = 512, 64
"""Of the network: the least side of a window, and what two share at least."""
ZOOM_RANGE = 1.6
"""Training zooms by this factor to either side of the plan's zoom, as configs/_base_/tanks.py."""
ROUND_ASPECT = 1.25
UNIT_PX = 32
MOST_WHOLE_PX = 4_000_000


def plan_zoom(data: Fingerprint) -> tuple[float, Reason]:
    """Return pixels of the network per pixel of an image.

    A tenth of the objects may be smaller than 36 px for the network, unless a tenth would then be
    larger than 256 px, or the image more than twice as large. Zooms are quarters, and below a half
    numbers of two digits, rounded so that both bounds hold.

    Args:
        data: Sizes of objects.

    Raises:
        DataError: There is no object to learn from.

    Source:
        docs/results.md: tanks, a tenth of 25 px or less, enlarged by half, reach an AP of 0.9075.
    """
    if data.object_px is None:
        message = "cannot plan for instances: none of the images that were read has an object."
        raise DataError(message, hint="annotate objects, or fit masks with --task semantic.")
    wanted = _round_zoom(LEAST_OBJECT_PX / data.object_px.low, math.ceil)
    most = _round_zoom(min(MOST_ZOOM, MOST_OBJECT_PX / data.object_px.high), math.floor)
    zoom = min(wanted, most)
    why = f"a tenth of the objects have a side of {data.object_px.low:.0f} px or less, "
    why += f"a tenth of {data.object_px.high:.0f} px or more"
    return zoom, Reason("zoom", f"{zoom:g}", why)


def _round_zoom(zoom: float, whole: Callable[[float], int]) -> float:
    """Return a plain number, rounded up or down."""
    unit = 0.25 if zoom >= 0.5 else 10.0 ** (math.floor(math.log10(zoom)) - 1)
    # An exact multiple stays what it is.
    return float(f"{unit * whole(round(zoom / unit, 6)):.6g}")


def plan_crop(data: Fingerprint, machine: Machine, zoom: float) -> tuple[int, Reason]:
    """Return the side of the crops of training.

    384 px on a CPU and 512 px on a GPU; as large as the largest objects twice, if that is more; not
    larger than the images.

    Args:
        data: Sizes of images and objects.
        machine: Whether it has a GPU.
        zoom: Of `plan_zoom`.

    Source:
        configs/_base_/tanks_384.py and tanks.py, measured in docs/results.md.
    """
    side = GPU_CROP_PX if machine.gpu else CPU_CROP_PX
    objects = 2 * data.object_px.high * zoom if data.object_px else 0.0
    image = zoom * max(most_of(data.width_px), most_of(data.height_px))
    crop = round_up(min(max(side, objects), image), UNIT_PX)
    why = f"{'a GPU' if machine.gpu else 'a CPU'}; objects have up to {objects / 2:.0f} px for the "
    why += f"network, images up to {image:.0f} px"
    return crop, Reason("crop", f"{crop}x{crop}", why)


def plan_anchors(data: Fingerprint, zoom: float) -> tuple[float, tuple[float, ...], Reason]:
    """Return the base scale of anchors and their ratios of height to width.

    The smallest anchor (stride 4 times the scale) is half of the small objects as training shows
    them at their smallest. The five levels with three sizes each reach 25 times that. Two more
    ratios are there if a tenth of the boxes are half again as long as wide.

    Args:
        data: Sizes and aspects of objects.
        zoom: Of `plan_zoom`.
    """
    small = data.object_px.low * zoom if data.object_px else LEAST_OBJECT_PX
    scale = round(min(8.0, max(1.0, small / 2 / ZOOM_RANGE / 4)), 2)
    long = data.aspect.high if data.aspect else 1.0
    ratios = (0.5, 1.0, 2.0) if long > 1.5 else (1.0,)
    why = f"small objects have {small:.0f} px for the network, and boxes are up to {long:.1f} times"
    why += " as long as wide"
    text = f"from {4 * scale:.0f} px, ratios {', '.join(f'{r:g}' for r in ratios)}"
    return scale, ratios, Reason("anchors", text, why)


def plan_rotation(data: Fingerprint) -> tuple[int, Reason]:
    """Return the largest rotation in training, in degrees.

    Whether up is up cannot be known from the data. Round objects look the same in any orientation,
    so these turn freely; others turn by 15 degrees. Both are flipped.

    Args:
        data: Aspects of objects.
    """
    long = data.aspect.high if data.aspect else math.inf
    degree = 180 if long <= ROUND_ASPECT else 15
    why = f"a tenth of the boxes are {long:.2f} times as long as wide or more"
    return degree, Reason("rotation", f"{degree} degrees", why)


def plan_windows(data: Fingerprint, zoom: float) -> tuple[tuple[int, int] | None, Reason]:
    """Return side and overlap of the windows of test and prediction; None for none.

    Both are px of the image. For the network, a window has 512 px or more.

    Args:
        data: Sizes of images and objects.
        zoom: Of `plan_zoom`.

    Raises:
        DataError: Images are so large that validation, which sees them whole, needs too much
            memory.
    """
    width, height = most_of(data.width_px), most_of(data.height_px)
    pixels = zoom**2 * (most_of(data.area_px) if data.area_px else width * height)
    if pixels > 4 * MOST_WHOLE_PX:
        message = "cannot plan for instances in images of up to "
        message += f"{width:.0f}x{height:.0f} px: validation sees whole "
        message += f"images, expected at most {4 * MOST_WHOLE_PX / 1e6 / zoom**2:.0f} million px."
        hint = "give the raw folder with --layout tiles, or prepare it so."
        raise DataError(message, hint=hint)
    if pixels <= MOST_WHOLE_PX:
        return None, Reason("windows", "none", f"an image has {pixels / 1e6:.1f} million px")
    large = data.object_px.high + 1 if data.object_px else 0.0
    overlap = round_up(max(OVERLAP_PX / zoom, large), UNIT_PX)
    side = max(round_up(WINDOW_PX / zoom, UNIT_PX), 2 * overlap)
    why = f"an image has {pixels / 1e6:.1f} million px; windows share more than a large object"
    return (side, overlap), Reason("windows", f"{side} px, {overlap} px shared", why)
