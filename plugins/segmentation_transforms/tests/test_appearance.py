# SPDX-License-Identifier: Apache-2.0
"""What grey values become; the oracles are a NumPy twin with the same draws, and moments."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

# Each step alone: what is off leaves the values as they are.
OFF: dict[str, Any] = {
    "gamma": (1, 1),
    "contrast": (1, 1),
    "brightness": 0,
    "lighting": 0,
    "blur": 0,
    "noise": 0,
}


def _changed(image: NDArray[Any], **settings: Any) -> NDArray[Any]:
    from zoo_segmentation_transforms.appearance import RandomAppearance

    found = RandomAppearance(**settings).transform({"img": image})["img"]
    return np.asarray(found)


def _image(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _twin(image: NDArray[Any], seed: int) -> NDArray[Any]:
    """Return the image after every step at its default strength, written as formulas in float64."""
    draw = np.random.RandomState(seed)
    values = image.astype(float)
    draw.random_sample()
    values = 255 * (values / 255) ** (0.7 * (1.4 / 0.7) ** draw.uniform())
    draw.random_sample()
    factor = 0.7 * (1.4 / 0.7) ** draw.uniform()
    values = factor * values + (1 - factor) * values.mean()
    draw.random_sample()
    values += 255 * (0.2 * draw.uniform() - 0.1)
    draw.random_sample()
    rows, columns = draw.randint(2, 7, 2)
    across = _cubic(columns, image.shape[1])
    field = _cubic(rows, image.shape[0]) @ draw.standard_normal((rows, columns)) @ across.T
    values *= np.exp(0.15 * field)[..., None]
    draw.random_sample()
    sigma_px = 1.5 * draw.uniform()
    reach = round(sigma_px * 8 + 1) // 2  # of OpenCV's kernel for float values: 4 sigma
    values = _smooth(_smooth(values, sigma_px, reach, 0), sigma_px, reach, 1)
    draw.random_sample()
    values += 255 * 0.03 * draw.uniform() * draw.standard_normal(image.shape[:2])[..., None]
    return np.clip(np.round(values), 0, 255)


def _cubic(knots: int, size_px: int) -> NDArray[np.float64]:
    """Return the ``(size_px, knots)`` weights of Keys' cubic (a = -0.75), repeated at the ends."""
    weights = np.zeros((size_px, knots))
    for pixel in range(size_px):
        place = (pixel + 0.5) * knots / size_px - 0.5
        for knot in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            away = abs(place - knot)
            near = 1.25 * away**3 - 2.25 * away**2 + 1
            far = -0.75 * (away**3 - 5 * away**2 + 8 * away - 4)
            weights[pixel, np.clip(knot, 0, knots - 1)] += near if away <= 1 else far
    return weights


def _smooth(
    values: NDArray[np.float64], sigma_px: float, reach: int, axis: int
) -> NDArray[np.float64]:
    """Return values convolved with a Gaussian, mirrored about the outermost pixels."""
    steps = np.arange(-reach, reach + 1)
    kernel = np.exp(-(steps**2) / (2 * sigma_px**2))
    pads = [(reach, reach) if each == axis else (0, 0) for each in range(values.ndim)]
    padded = np.pad(values, pads, mode="reflect")
    parts = [
        weight * np.take(padded, np.arange(values.shape[axis]) + shift, axis)
        for shift, weight in enumerate(kernel / kernel.sum())
    ]
    return np.asarray(sum(parts))


@pytest.mark.parametrize("seed", range(6))
def test_all_steps_equal_their_formulas(seed: int) -> None:
    """To one grey level, where float32 rounds to the other side."""
    image = _image(40, 56, 3)
    np.random.seed(seed)

    found = _changed(image, prob=1)

    expected = _twin(image, seed)
    assert np.abs(found - expected).max() <= 1
    assert (found != expected).mean() < 0.01
    assert np.abs(found - image.astype(float)).mean() > 1


def test_noise_has_the_spread_that_is_drawn() -> None:
    image = np.full((200, 200), 128, np.uint8)
    np.random.seed(1)
    found = [_changed(image, **{**OFF, "noise": 0.05}, prob=1).std() for _ in range(40)]

    # The spread is uniform between 0 and 12.75; rounding adds a variance of 1/12.
    assert max(found) < np.sqrt(12.75**2 + 1 / 12) * 1.03
    assert np.mean(found) == pytest.approx(12.75 / 2, rel=0.25)


def test_gamma_leaves_black_white_and_the_order_of_greys() -> None:
    ramp = np.arange(256, dtype=np.uint8)[None]
    np.random.seed(2)

    for _ in range(20):
        found = _changed(ramp, **{**OFF, "gamma": (0.5, 2)}, prob=1)[0].astype(int)

        assert (found[0], found[255]) == (0, 255)
        assert (np.diff(found) >= 0).all()


def test_settings_without_strength_change_nothing() -> None:
    image = _image(31, 17, 3)

    np.testing.assert_array_equal(_changed(image, **OFF, prob=1), image)


def test_without_chance_nothing_changes() -> None:
    image = _image(31, 17, 3)

    np.testing.assert_array_equal(_changed(image, prob=0), image)


def test_grey_images_stay_grey_in_each_shape() -> None:
    """A plane, one channel and three equal channels get the same change."""
    plane = _image(33, 29)
    found = []

    for image in (plane, plane[..., None], cv2.cvtColor(plane, cv2.COLOR_GRAY2BGR)):
        np.random.seed(4)
        found.append(_changed(image, prob=1))
        assert found[-1].shape == image.shape
        assert found[-1].dtype == np.uint8

    np.testing.assert_array_equal(found[1][..., 0], found[0])
    for channel in range(3):
        np.testing.assert_array_equal(found[2][..., channel], found[0])


def test_equal_seeds_give_equal_images() -> None:
    image = _image(32, 32)
    found = []

    for seed in (5, 5, 6):
        np.random.seed(seed)
        found.append(_changed(image, prob=1))

    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0] != found[2]).any()


def test_image_of_16_bits_is_refused() -> None:
    with pytest.raises(ValueError, match="uint16 values, expected uint8"):
        _changed(np.zeros((4, 4), np.uint16))


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("gamma", (0, 1)),
        ("contrast", (1.2, 0.8)),
        ("brightness", 1.5),
        ("lighting", -0.1),
        ("cells", (0, 3)),
        ("blur", -1),
        ("noise", 2),
        ("prob", 1.5),
    ],
)
def test_a_setting_out_of_range_is_named(setting: str, value: object) -> None:
    from zoo_segmentation_transforms.appearance import RandomAppearance

    with pytest.raises(ConfigError, match=f"{setting} is ") as caught:
        RandomAppearance(**{setting: value})  # type: ignore[arg-type]

    assert repr(value) in str(caught.value)
