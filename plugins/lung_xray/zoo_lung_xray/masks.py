# SPDX-License-Identifier: Apache-2.0
"""Convert any mask of lungs to labels 0 and 1.

1. A colour mask becomes grey by its brightest channel (step 2 uses its colours).
2. A mask with 3 to 8 grey levels or colours that each fill more than 1 % of the pixels is refused:
   it is a label map, and any choice of lung would be a guess. The many rare levels along an
   interpolated edge do not count.
3. If no value is above 1, the values are the labels. With two values, the brighter one is lung.
4. Otherwise lung is above half of the range: above 127.5 if no value exceeds 255, else above
   32767.5 (a 16-bit file with 8-bit values counts as 8-bit).
5. If the result has no lung, but a grey level above 0 fills more than 1 % of the pixels, the mask
   is refused, because a dark mask is more likely than an empty one. An empty mask is kept and
   reported.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zoo.errors import DataError

__all__ = ["binarize_mask", "unite_masks"]

SHARE_OF_A_LEVEL = 0.01
FEWEST_LEVELS, MOST_LEVELS = 3, 8


def binarize_mask(mask: NDArray[np.uint8 | np.uint16]) -> tuple[NDArray[np.uint8], str]:
    """Return the labels of a mask, and how they were read.

    Args:
        mask: ``(H, W)`` or ``(H, W, 3)``, uint8 or uint16.

    Returns:
        ``(H, W)`` uint8 of 0 and 1, and a sentence for the report, empty if the mask held
        exactly 0 and 1.

    Raises:
        DataError: The mask is a label map or dark everywhere; see the module docstring.
    """
    _check_levels(mask)
    grey = mask if mask.ndim == 2 else mask.max(axis=2)
    values = np.flatnonzero(np.bincount(grey.ravel()))
    brightest = int(values[-1])
    if brightest <= 1:
        return grey.astype(np.uint8), ""
    if len(values) == 2:
        cut, how = (int(values[0]) + brightest) / 2, f"two values, {brightest} is lung"
    else:
        cut = 127.5 if brightest <= 255 else 32767.5
        how = f"grey levels, lung above {cut}"
    labels = (grey > cut).astype(np.uint8)
    if not labels.any():
        _check_empty(grey, brightest, cut)
    return labels, how


def unite_masks(
    masks: Sequence[NDArray[np.uint8 | np.uint16]],
) -> tuple[NDArray[np.uint8], list[str]]:
    """Return the union of the lungs in several masks of an image, and how they were read.

    Args:
        masks: One mask or more of equal height and width, each read by ``binarize_mask``.

    Returns:
        ``(H, W)`` uint8 of 0 and 1, and sentences for the report.

    Raises:
        DataError: One of the masks is refused, or their sizes differ.
    """
    read = [binarize_mask(mask) for mask in masks]
    sizes = {labels.shape for labels, _ in read}
    if len(sizes) > 1:
        found = " and ".join(f"{width}x{height}" for height, width in sorted(sizes))
        message = f"cannot merge left and right masks: found {found}, expected one size."
        raise DataError(message, hint="use both masks from the same release.")
    repairs = list(dict.fromkeys(how for _, how in read if how))
    if len(read) > 1:
        repairs.append(f"merged {len(read)} masks")
    return np.maximum.reduce([labels for labels, _ in read]), repairs


def _check_levels(mask: NDArray[np.uint8 | np.uint16]) -> None:
    if mask.ndim == 2:
        counts = np.bincount(mask.ravel())
    else:
        red, green, blue = np.moveaxis(mask.astype(np.uint64), -1, 0)
        packed = red << np.uint64(32) | green << np.uint64(16) | blue
        counts = np.unique(packed, return_counts=True)[1]
    pixels = mask.shape[0] * mask.shape[1]
    levels = int((counts > SHARE_OF_A_LEVEL * pixels).sum())
    if FEWEST_LEVELS <= levels <= MOST_LEVELS:
        kind = "grey levels" if mask.ndim == 2 else "colours"
        message = (
            f"cannot read mask: found {levels} {kind} that fill over 1 % of the pixels each, "
            "expected 2, lung and background."
        )
        hint = "this is a label map; keep one class of it, or prepare it with folder_data."
        raise DataError(message, hint=hint)


def _check_empty(grey: NDArray[np.uint8 | np.uint16], brightest: int, cut: float) -> None:
    counts = np.bincount(grey.ravel())[1:]
    if counts.max() > SHARE_OF_A_LEVEL * grey.size:
        message = f"cannot read mask: its brightest value is {brightest}, expected more than {cut}."
        hint = "write lung as 255 (or 65535 in a 16-bit file), or the whole mask as 0 and 1."
        raise DataError(message, hint=hint)
