# SPDX-License-Identifier: Apache-2.0
"""Text in pictures: letters of any script, or their escapes, and never a box."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

np = pytest.importorskip("numpy")
pytest.importorskip("PIL")
pytest.importorskip("matplotlib")

from zoo.data.pictures.legend import LegendEntry, legend_strip  # noqa: E402
from zoo.data.pictures.lettering import draw_text, fit_text, text_width  # noqa: E402

pytestmark = pytest.mark.mm


def written(text: str) -> np.ndarray:
    canvas = np.zeros((40, 900, 3), np.uint8)
    draw_text(canvas, text, (5, 28), size_px=20)
    return canvas


@pytest.mark.parametrize("text", ["Größe", "почка", "νεφρός", "الرئة", "ריאה", "mm²", "şıkça"])
def test_letters_of_an_alphabet_are_drawn_as_matplotlibs_own_font_has_them(text: str) -> None:
    """Equal to what Pillow draws with DejaVu Sans alone, and not the sign for a missing letter."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    path = f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf"
    picture = Image.new("RGB", (900, 40))
    font = ImageFont.truetype(path, 20)
    ImageDraw.Draw(picture).text((5, 28), text, (235, 235, 235), font, anchor="ls")

    np.testing.assert_array_equal(written(text), np.asarray(picture))


@pytest.mark.parametrize("letter", ["\U00012000", "\U00013000", "\U0001f9ff"])
def test_letter_that_no_font_has_is_spelled_out_with_one_warning(
    letter: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its escape is drawn, as that of what is not printable."""
    from zoo.data.pictures import lettering

    monkeypatch.setattr(lettering, "_system_fonts", list)
    monkeypatch.setattr(lettering, "_TOLD", set())
    for cached in (lettering._font_of, lettering._spelled):
        cached.cache_clear()
    escape = letter.encode("unicode_escape").decode()

    with caplog.at_level(logging.WARNING, "zoo"):
        drawn = written(f"a {letter} b")
        written(f"other {letter}")

    np.testing.assert_array_equal(drawn, written(f"a {escape} b"))
    assert caplog.text.count("no font on this machine has all letters") == 1


@pytest.mark.parametrize("at", [(-30, 10), (880, 28), (5, -50), (5, 39), (2000, 2000)])
def test_text_beyond_the_edge_is_cut_off(at: tuple[int, int]) -> None:
    """Whatever lies inside equals a part of the whole."""
    canvas = np.zeros((40, 900, 3), np.uint8)
    large = np.zeros((3000, 4000, 3), np.uint8)

    draw_text(canvas, "cut off", at, outline=(9, 9, 9))
    draw_text(large, "cut off", (at[0] + 500, at[1] + 500), outline=(9, 9, 9))

    np.testing.assert_array_equal(canvas, large[500:540, 500:1400])


@pytest.mark.parametrize("size_px", [9, 11, 14, 40, 180])
def test_width_is_that_of_the_ink(size_px: int) -> None:
    """To a fifth of the font's size, which is the letters' own margin."""
    canvas = np.zeros((300, 4000, 3), np.uint8)
    draw_text(canvas, "Hamburg 0.93", (0, 200), size_px=size_px)

    ink = np.flatnonzero(canvas.any(axis=(0, 2)))
    assert abs(text_width("Hamburg 0.93", size_px) - int(ink[-1])) <= max(2, size_px / 5)


def test_fitted_text_is_never_wider_than_asked() -> None:
    """Down to a few letters."""
    for width_px in range(30, 400, 23):
        assert text_width(fit_text("a_rather_long_name_of_a_file_0001", width_px)) <= width_px


def test_legend_gives_each_of_many_names_a_place_of_its_own() -> None:
    """25 long names: every swatch whole, in columns, inside the strip."""
    palette = [(8 * n + 5, 0, 200) for n in range(25)]
    entries = [LegendEntry(f"a rather long name, {n}", color) for n, color in enumerate(palette)]

    strip = legend_strip(entries, 700)

    assert strip.shape[1] == 700
    areas = {int((strip == color).all(axis=2).sum()) for color in palette}
    assert len(areas) == 1
    assert areas.pop() >= 100


def test_matplotlib_is_not_imported_for_its_font() -> None:
    """It takes longer to import than a legend to draw."""
    code = "import sys; from zoo.data import draw_legend; draw_legend(['ä'], [(1, 2, 3)], 99); "
    code += "assert 'matplotlib' not in sys.modules"

    subprocess.run([sys.executable, "-c", code], check=True)
