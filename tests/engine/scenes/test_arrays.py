# SPDX-License-Identifier: Apache-2.0
"""Arrays that stand for pictures."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.engine.scenes.arrays import as_picture
from zoo.errors import DataError

pytestmark = pytest.mark.mm


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(3, 4), (3, 4, 3)])
def test_picture_is_given_back(shape: tuple[int, ...], dtype: type) -> None:
    """Grey and RGB at both depths."""
    image = np.arange(np.prod(shape), dtype=dtype).reshape(shape)

    assert np.array_equal(image, as_picture(image))


def test_transparency_is_dropped() -> None:
    """As of a file."""
    image = np.arange(48, dtype=np.uint8).reshape(3, 4, 4)

    assert np.array_equal(image[..., :3], as_picture(image))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((9, 9), "float32"),
        ((9, 9), "bool"),
        ((9, 9), "int64"),
        ((9, 9, 2), "uint8"),
        ((3, 9, 9), "uint8"),
        ((2, 9, 9, 3), "uint8"),
        ((0, 9), "uint8"),
        ((), "uint8"),
    ],
)
def test_what_is_no_picture_is_refused(shape: tuple[int, ...], dtype: str) -> None:
    """One message for every array that the model could not take."""
    with pytest.raises(DataError) as caught:
        as_picture(np.zeros(shape, dtype))

    assert caught.value.message == (
        f"cannot read an array of shape {shape} and type {dtype}: "
        "expected (H, W) or (H, W, 3), uint8 or uint16."
    )
    assert caught.value.where == "an array"
