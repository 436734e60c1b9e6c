# SPDX-License-Identifier: Apache-2.0
"""Stored values of a DICOM image -> 8 bits of grey.

1. The modality table, or rescale slope and intercept.
2. The VOI table if there is one, its least and largest entry becoming 0 and 255; else the first
   window, of whichever function (linear, linear exact, sigmoid), its lower and upper end becoming
   0 and 255; else samples of up to 8 bits as they are, and of more bits by the rule of 16-bit
   pictures, ``zoo.data.to_uint8``, in which padding does not count.
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
    """Return how a DICOM image becomes 8 bits, in words that are equal for equal treatment.

    Args:
        dataset: What the file says, its tables tidied.
        left_out: Kinds of tables that it has without entries.
    """
    rule = _rule(dataset)
    padded = ", its padding left out" if rule == _STRETCHED and _padding(dataset) else ""
    empty = "".join(f", its empty {name} left out" for name in left_out)
    inverted = ", MONOCHROME1 inverted" if _is_inverted(dataset) else ""
    return f"DICOM of {dataset.BitsStored} bits made 8 bits by {rule}{padded}{empty}{inverted}"


def to_grey(stored: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    """Return an image as people look at it; see the module for the rule.

    Args:
        stored: ``(H, W)`` integers of at most 16 bits.
        dataset: What the file says of them, its tables tidied.

    Returns:
        ``(H, W)`` uint8.

    Raises:
        ValueError: A window that the standard does not allow.
    """
    low, high = int(stored.min()), int(stored.max())
    # Each value that occurs is worked out once, not for every pixel.
    table = _grey_of(np.arange(low, high + 1), dataset)
    shown = table[stored.astype(np.int32) - low]
    grey: NDArray[np.uint8] = to_uint8(shown, _limits(shown, stored, dataset))
    return 255 - grey if _is_inverted(dataset) else grey


def _limits(shown: NDArray[Any], stored: NDArray[Any], dataset: Any) -> tuple[int, int] | None:
    """Return the limits of a stretch that leaves padding out, None where there is none."""
    padding = _padding(dataset)
    if padding is None or shown.dtype == np.uint8:
        return None
    is_picture = (stored < padding[0]) | (stored > padding[1])
    return find_limits(shown[is_picture]) if is_picture.any() else None


def _padding(dataset: Any) -> tuple[int, int] | None:
    """Return the least and the largest stored value of padding, or None."""
    ends = [dataset.get(f"PixelPadding{what}") for what in ("Value", "RangeLimit")]
    if not isinstance(ends[0], int):
        return None
    ends = [end for end in ends if isinstance(end, int)]
    # Some devices state a negative value as an unsigned one, and the other way round.
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
    """Return slope and intercept; what is missing or empty changes nothing."""
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
    # pydicom 3.0 counts the places of a table with entries of 8 bits in 8 bits, and goes wrong
    # from the 257th on.
    item.LUTDescriptor = [count, first, 16]
    places = np.arange(first, first + (count or 2**16))
    entries = apply_voi(places, dataset).astype(np.float64)
    found = apply_voi(np.rint(values).astype(np.int64), dataset).astype(np.float64)
    return _spread(found, entries.min(), entries.max())


def _window(values: NDArray[Any], dataset: Any) -> NDArray[np.uint8]:
    from pydicom.pixels.processing import apply_windowing

    centre, width = (_first(dataset[key].value) for key in ("WindowCenter", "WindowWidth"))
    # Beyond the window on either side; pydicom scales by what the image could hold, and this
    # tells to what.
    ends = [centre - 100 * width, centre + 100 * width]
    with np.errstate(over="ignore"):  # far out, a sigmoid's exponential is infinite and it is 0
        shown = apply_windowing(np.concatenate([values, ends]), dataset)
    return _spread(shown[:-2], shown[-2], shown[-1])


def _first(value: Any) -> float:
    return float(np.ravel(value)[0])


def _spread(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint8]:
    """Return values as 0 at ``low`` to 255 at ``high``, rounded."""
    share = (values - low) / (high - low if high != low else 1)
    return np.rint(255 * np.clip(share, 0, 1)).astype(np.uint8)


def _to_uint16(values: NDArray[Any]) -> NDArray[np.uint16]:
    """Return values as 16 bits for ``to_uint8``, which asks only how they lie to each other."""
    above = values - values.min()
    if above.max() > 65535 or not np.array_equal(above, np.rint(above)):
        above = above * (65535 / above.max())
    return np.asarray(np.rint(above), np.uint16)
