# SPDX-License-Identifier: Apache-2.0
"""Convert the stored values of a DICOM image to 8-bit grey.

1. The modality table, or rescale slope and intercept.
2. The VOI table, if present: its smallest and largest entry become 0 and 255. Otherwise the first
   window, with any function (linear, linear exact, sigmoid): its lower and upper end become 0 and
   255. Otherwise samples of up to 8 bits stay, and samples of more bits follow the rule of 16-bit
   images, ``zoo.data.to_uint8``, which ignores padding.
3. MONOCHROME1, where small values are bright, is inverted.

Source: DICOM PS3.3, C.7.5.1.1.2 (padding), C.7.6.3.1.2, C.11.1 and C.11.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zoo.data import find_limits, to_uint8

__all__ = ["describe_rule", "to_grey"]

_TABLE, _WINDOW, _KEPT, _STRETCHED = (
    "its VOI table",
    "its first window",
    "keeping them",
    "stretching, because it states no window",
)


def describe_rule(dataset: Any, left_out: Sequence[str] = ()) -> str:
    """Describe how a DICOM image becomes 8 bits, with equal words for equal treatment.

    Args:
        dataset: Elements of the file, after `tidy_tables`.
        left_out: Kinds of tables without entries.
    """
    rule = _rule(dataset)
    padded = ", its padding left out" if rule == _STRETCHED and _padding(dataset) else ""
    empty = "".join(f", its empty {name} left out" for name in left_out)
    inverted = ", MONOCHROME1 inverted" if _is_inverted(dataset) else ""
    return f"DICOM of {dataset.BitsStored} bits made 8 bits by {rule}{padded}{empty}{inverted}"


def to_grey(stored: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Return an image as viewers display it; see the module docstring for the rule.

    Args:
        stored: ``(H, W)`` integers of at most 16 bits.
        dataset: Elements of the file, after `tidy_tables`.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        ValueError: The standard does not allow the window.
    """
    low, high = int(stored.min()), int(stored.max())
    # Compute each possible value once, not every pixel.
    table = _grey_of(np.arange(low, high + 1), dataset)
    shown = table[stored.astype(np.int32) - low]
    grey: NDArray[np.uint8] = to_uint8(shown, _limits(shown, stored, dataset))
    return 255 - grey if _is_inverted(dataset) else grey


def _limits(shown: NDArray[Any], stored: NDArray[Any], dataset: Any) -> tuple[int, int] | None:
    """Return the limits of a stretch that ignores padding, or None without padding."""
    padding = _padding(dataset)
    if padding is None or shown.dtype == np.uint8:
        return None
    is_picture = (stored < padding[0]) | (stored > padding[1])
    return find_limits(shown[is_picture]) if is_picture.any() else None


def _padding(dataset: Any) -> tuple[int, int] | None:
    """Return the smallest and the largest stored value of padding, or None."""
    ends = [dataset.get(f"PixelPadding{what}") for what in ("Value", "RangeLimit")]
    if not isinstance(ends[0], int):
        return None
    ends = [end for end in ends if isinstance(end, int)]
    # Some devices write a negative value as an unsigned one, or the reverse.
    span = 2**dataset.BitsAllocated
    if dataset.get("PixelRepresentation"):
        ends = [end - span if end >= span // 2 else end for end in ends]
    else:
        ends = [end + span if end < 0 else end for end in ends]
    return min(ends), max(ends)


def _is_inverted(dataset: Any) -> bool:
    return bool(dataset.PhotometricInterpretation == "MONOCHROME1")


def _rule(dataset: Any) -> str:
    if dataset.get("VOILUTSequence"):
        return _TABLE
    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        return _WINDOW
    changed = dataset.get("ModalityLUTSequence") or _rescale(dataset) != (1, 0)
    unsigned = not dataset.get("PixelRepresentation")
    return _KEPT if dataset.BitsStored <= 8 and unsigned and not changed else _STRETCHED


def _rescale(dataset: Any) -> tuple[float, float]:
    """Return slope and intercept, 1 and 0 if missing or empty."""
    slope, intercept = (dataset.get(f"Rescale{what}") for what in ("Slope", "Intercept"))
    return 1 if slope is None else slope, 0 if intercept is None else intercept


def _grey_of(stored: NDArray[Any], dataset: Any) -> NDArray[np.uint8] | NDArray[np.uint16]:
    from pydicom.pixels.processing import apply_modality_lut

    rule = _rule(dataset)
    dataset.RescaleSlope, dataset.RescaleIntercept = _rescale(dataset)
    values = np.asarray(apply_modality_lut(stored, dataset))
    if rule == _TABLE:
        return _look_up(values, dataset)
    if rule == _WINDOW:
        return _window(values, dataset)
    if rule == _KEPT:
        return np.clip(values, 0, 255).astype(np.uint8)
    return _to_uint16(values)


def _look_up(values: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_voi

    item = dataset.VOILUTSequence[0]
    count, first, _ = item.LUTDescriptor
    # pydicom 3.0 uses 8-bit indices for tables with 8-bit entries, which is wrong from the 257th
    # entry on.
    item.LUTDescriptor = [count, first, 16]
    places = np.arange(first, first + (count or 2**16))
    entries = apply_voi(places, dataset).astype(np.float64)
    found = apply_voi(np.rint(values).astype(np.int64), dataset).astype(np.float64)
    return _spread(found, entries.min(), entries.max())


def _window(values: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_windowing

    centre, width = (_first(dataset[key].value) for key in ("WindowCenter", "WindowWidth"))
    # Values outside the window on either side, to measure the output range: pydicom scales by the
    # possible range of the image.
    ends = [centre - 100 * width, centre + 100 * width]
    with np.errstate(over="ignore"):  # far out, a sigmoid overflows to 0
        shown = apply_windowing(np.concatenate([values, ends]), dataset)
    return _spread(shown[:-2], shown[-2], shown[-1])


def _first(value: Any) -> float:
    return float(np.ravel(value)[0])


def _spread(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Map ``low`` to 0 and ``high`` to 255, rounded."""
    share = (values - low) / (high - low if high != low else 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _to_uint16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Return values as 16 bits for ``to_uint8``, which depends only on their relative distances."""
    above = values - values.min()
    if above.max() > 65535 or not np.array_equal(above, np.rint(above)):
        above = above * (65535 / above.max())
    return np.asarray(np.rint(above), np.uint16)
