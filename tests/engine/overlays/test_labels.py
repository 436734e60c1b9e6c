# SPDX-License-Identifier: Apache-2.0
"""What an overlay shows, told from its pixels."""

from __future__ import annotations

import numpy as np
import pytest

from zoo.engine.overlays.labels import draw_overlay
from zoo.engine.overlays.palette import default_palette, is_background
from zoo.errors import DataError
from zoo.texts import printable

pytestmark = pytest.mark.mm

CLASSES = ("background", "lung")
PALETTE = ((0, 0, 0), (200, 40, 10))


def square(height: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return labels whose middle half, each way, is class 1."""
    labels = np.zeros((height, width), np.uint8)
    labels[height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
    return labels


@pytest.mark.parametrize(("height", "width"), [(64, 64), (37, 101), (512, 400), (1500, 2001)])
def test_overlay_keeps_the_picture_and_fills_the_class(height: int, width: int) -> None:
    image = np.full((height, width), 120, np.uint8)

    overlay = draw_overlay(image, square(height, width), CLASSES, PALETTE)

    assert overlay.dtype == np.uint8
    assert overlay.shape[0] > height
    assert overlay.shape[1] >= width
    assert overlay[0, 0].tolist() == [120, 120, 120]
    # 0.65 * 120 + 0.35 * colour
    assert overlay[height // 2, width // 2].tolist() == pytest.approx([148, 92, 82], abs=1)
    # The contour is smooth: nearly the bare colour.
    assert overlay[height // 2, width // 4].tolist() == pytest.approx(PALETTE[1], abs=15)


def test_overlay_leaves_the_input_as_it_was() -> None:
    image = np.full((64, 64, 3), 50, np.uint8)

    draw_overlay(image, square(64, 64), CLASSES, PALETTE)

    assert (image == 50).all()


def test_overlay_of_a_colour_image_is_rgb() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[..., 0] = 255

    overlay = draw_overlay(image, np.zeros((64, 64), np.uint8), CLASSES, PALETTE)

    assert overlay[10, 10].tolist() == [255, 0, 0]


def test_ids_without_a_class_are_not_painted() -> None:
    labels = np.full((64, 64), 255, np.uint8)

    overlay = draw_overlay(np.full((64, 64), 120, np.uint8), labels, CLASSES, PALETTE)

    assert (overlay[:64, :64] == 120).all()


@pytest.mark.parametrize("side", [64, 200, 1000, 3000])
def test_legend_shows_the_colour_at_a_size_that_goes_with_the_picture(side: int) -> None:
    overlay = draw_overlay(np.zeros((side, side), np.uint8), square(side, side), CLASSES, PALETTE)

    strip = overlay[side:]
    swatch = (strip == PALETTE[1]).all(axis=2)
    assert 11 <= strip.shape[0] <= max(30, side // 10)
    assert swatch.sum() > (side / 45) ** 2
    # Light text beside it: letters, not an empty strip.
    assert (strip[:, np.flatnonzero(swatch.any(axis=0))[-1] + 4 :] > 200).any()


def test_legend_of_a_narrow_picture_makes_the_canvas_wider_not_the_text_cut() -> None:
    overlay = draw_overlay(np.zeros((64, 20), np.uint8), square(64, 20), CLASSES, PALETTE)

    text = (overlay[64:] > 150).all(axis=2).any(axis=0)
    assert overlay.shape[1] > 60
    assert not text[-3:].any()


def test_legend_of_many_classes_stays_small_and_counts_the_rest() -> None:
    labels = np.repeat(np.arange(1, 121, dtype=np.uint8), 60)[None].repeat(90, axis=0)
    classes = ("background", *(f"a rather long class name {i}" for i in range(120)))

    overlay = draw_overlay(np.zeros_like(labels), labels, classes, default_palette(classes))

    assert overlay.shape[1] == labels.shape[1]
    assert overlay.shape[0] < 4 * 90


@pytest.mark.parametrize("text", ["lu\nng", "lung\x1b[2J", "lung\0", "\u202elung"])
def test_legend_spells_out_what_a_font_cannot_draw(text: str) -> None:
    """A class may be called anything; its name is one line of letters."""
    name = printable(text)

    overlay, spelled = (
        draw_overlay(np.zeros((64, 64), np.uint8), square(64, 64), ("background", one), PALETTE)
        for one in (text, name)
    )

    np.testing.assert_array_equal(overlay, spelled)


def test_sizes_that_differ_are_an_error() -> None:
    with pytest.raises(DataError, match="image is 5x4 pixels, the labels are 4x4"):
        draw_overlay(np.zeros((4, 5), np.uint8), np.zeros((4, 4), np.uint8), CLASSES, PALETTE)


def test_default_palette_leaves_the_background_black_and_has_no_colour_twice() -> None:
    palette = default_palette(["background", *map(str, range(60))])

    assert palette[0] == (0, 0, 0)
    assert len(set(palette)) == 61


@pytest.mark.parametrize("name", ["background", "Background", "_background_", " bg "])
def test_background_is_known_by_its_names(name: str) -> None:
    assert is_background(name)


def test_other_names_are_no_background() -> None:
    assert not is_background("lung")


@pytest.mark.parametrize(
    ("width", "height", "most_px"),
    [(4892, 4020, 4892 * 4020), (10_000, 10_000, 12e6), (90_000, 300, 12e6), (8193, 10, 8193 * 10)],
)
def test_size_that_is_shown_is_the_images_own_up_to_20_megapixels(
    width: int, height: int, most_px: float
) -> None:
    """Beyond that, 12 megapixels and 8192 px a side, of the same shape."""
    from zoo.engine.scenes.scene import shown_size

    shown = shown_size(width, height)

    assert shown[0] * shown[1] <= most_px * 1.01
    assert max(shown) <= 8192
    assert shown[0] / shown[1] == pytest.approx(width / height, rel=0.2)
    if width * height <= 20e6 and width <= 8192:
        assert shown == (width, height)


def test_overlay_of_a_large_result_is_smaller_and_says_so() -> None:
    """Shares and areas are those of all pixels; the picture's strip has one line more."""
    from zoo.engine.prediction.results import SemanticResult

    def overlay(side: int, **more: object) -> np.ndarray:
        image = np.full((side, side), 120, np.uint8)
        counts = {"background": side * side // 2, "lung": side * side // 2}
        return SemanticResult(
            square(side, side), CLASSES, PALETTE, counts, {}, image, **more
        ).overlay(opacity=1.0)

    large, plain, noted = overlay(5000), overlay(3464), overlay(3464, notice="Not for diagnosis.")

    assert large.shape[1] == 3464
    assert large[1700, 1700].tolist() == list(PALETTE[1])
    assert large.shape[0] == noted.shape[0] > plain.shape[0]


@pytest.mark.parametrize(
    ("meta", "text"),
    [
        ({"spacing_mm": [0.5, 0.5]}, "1,024 mm²"),
        ({"spacing_mm": [0.1, 0.02]}, "8.192 mm²"),
        ({"spacing_mm": [0.0, 0.5]}, None),
        ({"spacing_mm": "0.5"}, None),
        ({"pHYs": [0.5, 0.5]}, None),
        ({}, None),
    ],
)
def test_area_in_mm2_is_said_where_the_spacing_is_known(
    meta: dict[str, object], text: str | None
) -> None:
    """As the text that draws the same legend; what is no spacing says nothing."""
    from zoo.engine.prediction.results import SemanticResult

    labels, image = square(128, 128), np.full((128, 128), 120, np.uint8)
    areas_px = {"background": 128 * 128 - 64 * 64, "lung": 64 * 64}

    overlay = SemanticResult(labels, CLASSES, PALETTE, areas_px, meta, image).overlay()

    areas = {} if text is None else {"lung": text}
    expected = draw_overlay(image, labels, CLASSES, PALETTE, areas=areas)
    np.testing.assert_array_equal(overlay, expected)
