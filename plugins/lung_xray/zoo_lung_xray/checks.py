# SPDX-License-Identifier: Apache-2.0
"""Whether the masks of a prepared folder can be lungs; ``zoo data check`` calls this."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from zoo.data import MaskedFile, Prepared, decode_image
from zoo.interfaces import CheckResult

__all__ = ["check_lung_masks"]

# Of the 300 masks of Montgomery and Shenzhen that were looked at, lungs fill 10 to 41 % of the
# image, and the smaller half of an image holds at least 32 % of the lungs.
_LEAST_SHARE, _MOST_SHARE, _LEAST_HALF = 0.05, 0.6, 0.1
_LUNG, _IGNORED = 1, 255
_MEND = "look at it with zoo data show; correct or leave out its raw mask, and prepare again."


def check_lung_masks(prepared: Prepared) -> Iterator[CheckResult]:
    """Yield a warning for each mask that is hardly a pair of lungs.

    Args:
        prepared: A folder of this plugin's data set.
    """
    rows = [row for row in prepared.files if isinstance(row, MaskedFile)]
    doubtful = 0
    for row in rows:
        path = prepared.mask_path(row.stem)
        fault = _fault_of(decode_image(path.read_bytes(), path.name))
        if fault is not None:
            doubtful += 1
            where = path.relative_to(prepared.root).as_posix()
            yield CheckResult(fault, "warning", where, _MEND)
    if not doubtful:
        yield CheckResult(f"each of {len(rows)} masks can be a pair of lungs")


def _fault_of(mask: NDArray[np.uint8 | np.uint16]) -> str | None:
    known = mask != _IGNORED
    lung = mask == _LUNG
    count = int(lung.sum())
    if not count:
        return "it has no lung"
    share = count / int(known.sum())
    if share > _MOST_SHARE:
        expected = f"expected at most {_MOST_SHARE:.0%}"
        return f"lungs fill {share:.0%} of it, {expected}: is the mask inverted?"
    if share < _LEAST_SHARE:
        return f"lungs fill {share:.1%} of it, expected at least {_LEAST_SHARE:.0%}"
    left = int(lung[:, : lung.shape[1] // 2].sum()) / count
    if min(left, 1 - left) < _LEAST_HALF:
        side = "right" if left < _LEAST_HALF else "left"
        return f"{max(left, 1 - left):.0%} of the lungs lie in its {side} half: is one missing?"
    return None
