# SPDX-License-Identifier: Apache-2.0
"""What masks hold tells blurred edges from classes, for shapes and blurs of many kinds.

The oracle for two classes is the middle between them; for label maps, the ids that were drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from zoo_folder_data.guess import Guess, guess_classes  # noqa: E402
from zoo_folder_data.survey import Survey  # noqa: E402 (after the skip)

SIDE, FINE = 64, 8
Rng = Any


def blobs(rng: Rng, fine: Any) -> None:
    for _ in range(3):
        cv2.circle(fine, point(rng, 0.2), int(rng.uniform(0.08, 0.15) * len(fine)), 1, -1)


def dots(rng: Rng, fine: Any) -> None:
    for _ in range(30):
        cv2.circle(fine, point(rng), int(rng.uniform(1.5, 3) * FINE), 1, -1)


def lines(rng: Rng, fine: Any) -> None:
    for _ in range(6):
        cv2.line(fine, point(rng), point(rng), 1, int(rng.uniform(1, 3) * FINE))


def hairs(rng: Rng, fine: Any) -> None:
    """Draw lines of one pixel, which have no inner one."""
    for _ in range(6):
        cv2.line(fine, point(rng), point(rng), 1, FINE)


def ground(rng: Rng, fine: Any) -> None:
    """Draw a class that fills nearly all."""
    fine[:] = 1
    cv2.circle(fine, point(rng, 0.3), len(fine) // 6, 0, -1)


def point(rng: Rng, edge: float = 0.0) -> tuple[int, int]:
    x, y = rng.uniform(edge, 1 - edge, 2) * SIDE * FINE
    return int(x), int(y)


def sharp(fine: Any) -> Any:
    return fine[FINE // 2 :: FINE, FINE // 2 :: FINE] * 255


def smooth(fine: Any) -> Any:
    return cv2.resize(fine * 255, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def steps(count: int) -> Callable[[Any], Any]:
    return lambda fine: (np.round(smooth(fine) / 255 * count) * 255 / count).astype(np.uint8)


def jpeg(quality: int, how: Callable[[Any], Any] = sharp) -> Callable[[Any], Any]:
    def blur(fine: Any) -> Any:
        data = cv2.imencode(".jpg", how(fine), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)

    return blur


def resized(interpolation: int) -> Callable[[Any], Any]:
    def blur(fine: Any) -> Any:
        small = cv2.resize(sharp(fine), (40, 40), interpolation=cv2.INTER_NEAREST)
        return cv2.resize(small, (SIDE, SIDE), interpolation=interpolation)

    return blur


BLURS: dict[str, Callable[[Any], Any]] = {
    "sharp": sharp,
    "anti-aliased": smooth,
    "one grey": steps(2),
    "three greys": steps(4),
    "JPEG 20": jpeg(20),
    "JPEG 75": jpeg(75),
    "JPEG 100": jpeg(100),
    "JPEG of anti-aliased": jpeg(90, smooth),
    "resized, linear": resized(cv2.INTER_LINEAR),
    "resized, cubic": resized(cv2.INTER_CUBIC),
}


def guess(masks: list[Any]) -> Guess | None:
    survey = Survey(total=len(masks))
    for mask in masks:
        survey.add(mask)
    return guess_classes(survey)


@pytest.mark.parametrize(
    "draw", [blobs, dots, lines, hairs, ground], ids=lambda draw: draw.__name__
)
@pytest.mark.parametrize("blur", BLURS)
def test_guess_when_two_classes_are_blurred_then_parted_near_the_middle(
    draw: Callable[[Rng, Any], None], blur: str
) -> None:
    """Thin lines and dots too, of which hardly a pixel is without a blend."""
    masks = []
    for number in range(6):
        fine = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)
        draw(np.random.default_rng(number), fine)
        masks.append(BLURS[blur](fine))

    found = guess(masks)

    assert found is not None
    (low, high) = (group.span for group in found.groups)
    assert low[0] == 0
    assert high[1] == 255
    if found.is_blurred:
        assert low[1] + 1 == high[0]
        assert abs(high[0] - 128) <= 10
    else:
        assert (low, high) == ((0, 0), (255, 255))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 60), min_size=2, max_size=20, unique=True),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_guess_when_masks_are_label_maps_then_each_id_is_a_class(
    ids: list[int], has_void: bool, seed: int
) -> None:
    """Regions of any ids, with a thin border of 255 or without; ids are never taken for blends."""
    rng = np.random.default_rng(seed)
    masks = []
    for _ in range(4):
        cells = rng.choice(np.array(ids, np.uint8), (6, 6))
        mask = np.kron(cells, np.ones((9, 9), np.uint8))
        if has_void:
            mask[::9] = 255
        masks.append(mask)
    values = sorted({int(value) for mask in masks for value in np.unique(mask)} - {255})

    found = guess(masks)

    assert found is not None
    assert not found.is_blurred
    if len(values) > 1:
        assert [group.key for group in found.groups] == values
        assert found.ignored == (((255, 255),) if has_void else ())


def test_guess_when_label_map_has_thin_classes_then_all_are_kept() -> None:
    """As poles of a street scene: some ids fill no region, among many that do."""
    mask = np.kron(np.arange(20, dtype=np.uint8).reshape(4, 5), np.ones((12, 12), np.uint8))
    mask[:, ::11] = 20 + np.arange(len(mask), dtype=np.uint8)[:, None] % 4

    found = guess([mask])

    assert found is not None
    assert [group.key for group in found.groups] == list(range(24))


@pytest.mark.parametrize("channels", [1, 3])
def test_guess_when_pictures_are_photographs_then_none(channels: int) -> None:
    """Dark corners and bright lights fill regions, the rest does not."""
    rng = np.random.default_rng(0)
    noise = rng.normal(110, 40, (SIDE, SIDE, channels))
    picture = cv2.GaussianBlur(noise, (0, 0), 1.5).reshape(SIDE, SIDE, channels) * 3 - 200
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    picture[:12, :12] = 0

    assert guess([picture if channels == 3 else picture[..., 0]]) is None


def test_guess_when_masks_hold_one_value_then_the_other_class_is_there() -> None:
    """Empty masks, or full ones."""
    empty, full = np.zeros((9, 9), np.uint8), np.ones((9, 9), np.uint8)

    keys = [[group.key for group in found.groups] for m in (empty, full) if (found := guess([m]))]

    assert keys == [[0, 255], [0, 1]]


def test_guess_when_greys_are_thin_lines_then_they_are_classes() -> None:
    """As arteries and veins around a disc: they fill no region, but lie between no others."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(mask, (40, 40), 15, 255, -1)
    for place in (4, 10, 16):
        cv2.line(mask, (0, place), (SIDE, place), 85, 1)
        cv2.line(mask, (place, 20), (place, SIDE), 170, 1)
    lines = np.where(mask == 255, 0, mask)

    found = [guess([each]) for each in (mask, lines)]

    keys = [[group.key for group in each.groups] for each in found if each is not None]
    assert keys == [[0, 85, 170, 255], [0, 85, 170]]


def test_guess_when_a_small_mask_was_halved_then_its_few_greys_are_blends() -> None:
    """A quarter, a half and three quarters of white are three values, as three classes have."""
    mask = np.zeros((2 * SIDE, 2 * SIDE), np.uint8)
    cv2.circle(mask, (SIDE, SIDE), 40, 255, -1)
    halved = cv2.resize(mask, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    found = guess([halved])

    assert found is not None
    assert [group.key for group in found.groups] == [0, 255]


@pytest.mark.parametrize("values", [(0, 10, 255), (0, 100, 120, 255), (0, 245, 255)])
@pytest.mark.parametrize("side", [0.15, 0.3])
def test_guess_when_blurred_classes_have_close_values_then_none_is_lost(
    values: tuple[int, ...], side: float
) -> None:
    """A region of 10 beside one of 0 is a class, though noise may look as close."""
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(4):
        fine = np.zeros((SIDE * FINE, SIDE * FINE), np.uint8)
        for value in values[1:]:
            cv2.circle(fine, point(rng, 0.2), int(side / 2 * len(fine)), value, -1)
        masks.append(cv2.resize(fine, (SIDE, SIDE), interpolation=cv2.INTER_AREA))

    found = guess(masks)

    assert found is not None
    assert found.is_blurred
    assert [group.key for group in found.groups] == list(values)


@pytest.mark.parametrize("quality", [30, 60, 80, 85, 90, 95, 98])
@pytest.mark.parametrize("values", [(0, 255), (0, 128, 255), (30, 200)])
def test_guess_when_sharp_masks_are_jpegs_then_their_noise_is_no_class(
    values: tuple[int, ...], quality: int
) -> None:
    """Whatever the quality, of which each leaves other greys beside and between the classes."""
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(5):
        mask = np.full((300, 400), values[0], np.uint8)
        for value in values[1:] * 2:
            x, y, radius = (int(each) for each in rng.uniform(0.1, 1, 3) * (400, 300, 40))
            cv2.circle(mask, (x, y), radius, value, -1)
        data = cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        masks.append(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))

    found = guess(masks)

    assert found is not None
    assert [group.key for group in found.groups] == pytest.approx(values, abs=6)


@pytest.mark.parametrize("quality", [80, 85, 95])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_guess_when_colored_masks_are_jpegs_then_each_color_is_a_class(
    classes: int, quality: int
) -> None:
    """JPEG halves colours, so blends at edges lie beside the line between two classes."""
    colors = [(0, 0, 0), (0, 0, 255), (0, 255, 0), (255, 0, 0), (128, 128, 128)][:classes]
    rng = np.random.default_rng(0)
    masks = []
    for _ in range(5):
        mask = np.zeros((300, 400, 3), np.uint8)
        for color in colors[1:] * 2:
            x, y, radius = (int(each) for each in rng.uniform(0.3, 1, 3) * (400, 300, 40))
            cv2.circle(mask, (x, y), radius, color, -1)
        data = cv2.imencode(".jpg", mask, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        masks.append(cv2.imdecode(data, cv2.IMREAD_COLOR))

    found = guess(masks)

    assert found is not None
    assert found.is_blurred
    keys = [(key >> 16, key >> 8 & 255, key & 255) for key in (g.key for g in found.groups)]
    assert np.abs(np.array(keys) - np.array(sorted(colors))).max() <= 3
