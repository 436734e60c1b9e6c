# SPDX-License-Identifier: Apache-2.0
"""Guess the classes from the values in masks, for a file that the user edits.

If every value fills regions, each value is a class. Masks blurred by anti-aliasing or JPEG hold a
few values that fill regions (*peaks*) and many values between or around them that do not. Two peaks
are split in the middle. With three or more, values between peaks are ignored, because a blend of
the first and the last looks like the one in the middle. A few values that fill no region and are
not between others are classes of thin lines, not blends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from zoo_folder_data.classes import unpack_color
from zoo_folder_data.survey import Survey
from zoo_folder_data.value_ranges import MOST_VALUE, Span

__all__ = ["Group", "Guess", "count_regions", "guess_classes"]

_VOID = 255
_MOST_LABEL = 63  # label maps have small ids; grey images of classes do not
_MOST_CLASSES = 254
# In the generated masks of the tests, edges have no inner pixels and regions have 20 % or more;
# lines three pixels wide have a third.
_LEAST_INNER = 0.05
_LEAST_PEAK_SHARE = 0.9
_MOST_THIN_SHARE = 0.5
_MOST_THIN = 24  # largest number of values without a region that count as classes
_LEAST_END = 0.01
_NEAR = 24  # of 255: more than the noise that JPEG adds to a region
_CLOSE = 8  # of 255: more than most of the noise that JPEG leaves in a region
_LEAST_REGION, _LEAST_CLOSE = 0.25, 0.001
_APART = 50  # of 255: between coarse colours, of which the palette of VOC has some 51 apart
_BESIDE = 64  # of 255: how far JPEG, which halves colours, moves a blend off its line
_LEAST_BLENDS = 8
_LEAST_BETWEEN = 0.5  # smallest share of blends among the pixels of a few values


@dataclass(frozen=True, slots=True)
class Group:
    """The mask values of one class.

    Args:
        key: Value or packed colour that fills its regions.
        span: Range of all its values; ``(key, key)`` for a colour.
        share: Share of all pixels.
        masks: Number of masks that hold the key.
    """

    key: int
    span: Span
    share: float
    masks: int


@dataclass(frozen=True, slots=True)
class Guess:
    """The guessed classes of masks.

    Args:
        groups: Classes in the order of their keys; the darkest is the background.
        ignored: Ignored values.
        is_blurred: Whether masks hold values that fill no region.
        blurred_share: Share of all pixels with such a value.
    """

    groups: tuple[Group, ...]
    ignored: tuple[Span, ...] = ()
    is_blurred: bool = False
    blurred_share: float = 0.0


def guess_classes(survey: Survey) -> Guess | None:
    """Guess the classes of masks, or return None if the files do not look like masks.

    Args:
        survey: Survey of at least one mask.
    """
    coarse = survey.coarse if len(survey.pixels) > _MOST_CLASSES else None
    judged = coarse or survey
    solid = [key for key, count in judged.pixels.items() if _is_solid(judged, key, count)]
    thin = sorted(judged.pixels.keys() - set(solid))
    peaks = _find_peaks(judged, solid, _APART if coarse else _NEAR)
    close = _find_close(judged, solid, peaks)
    if _is_blurred(judged, solid, thin, peaks, close):
        share = sum(judged.pixels[key] for key in thin) / judged.total_px
        own = [_find_own_color(survey, key) for key in peaks] if coarse else [*peaks, *close]
        return _part(survey, sorted(own), share)
    fills_none = len(thin) > _MOST_THIN and len(thin) > _MOST_THIN_SHARE * len(judged.pixels)
    if len(survey.pixels) > _MOST_CLASSES or fills_none:
        return None
    return _take_all(survey)


def count_regions(survey: Survey) -> int:
    """Return how many values or colours fill regions.

    Args:
        survey: Survey of the masks.
    """
    return sum(_is_solid(survey, key, count) for key, count in survey.pixels.items())


def _find_own_color(survey: Survey, coarse: int) -> int:
    """Return the most frequent of the colours near a coarse one."""
    keys = sorted(survey.pixels, key=lambda key: (-survey.pixels[key], key))
    near = np.flatnonzero(_distances(survey, coarse, keys) < _NEAR)
    return keys[int(near[0])] if near.size else coarse


def _is_solid(survey: Survey, key: int, count: int) -> bool:
    return survey.inner[key] >= _LEAST_INNER * count


def _scale(survey: Survey) -> float:
    """Return the factor of 8-bit distances for the masks' bit depth."""
    return 1.0 if survey.by_color else max(1.0, max(survey.pixels) / 255)


def _points(survey: Survey, keys: Sequence[int]) -> NDArray[np.float64]:
    """Return values as ``(N, 1)`` and colours as ``(N, 3)``, for distances."""
    rows = [unpack_color(key) if survey.by_color else (key,) for key in keys]
    return np.array(rows, np.float64).reshape(len(keys), 3 if survey.by_color else 1)


def _distances(survey: Survey, key: int, others: Sequence[int]) -> NDArray[np.float64]:
    offsets = _points(survey, others) - _points(survey, [key])
    return np.asarray(np.linalg.norm(offsets, axis=1) / _scale(survey), np.float64)


def _find_peaks(survey: Survey, solid: Sequence[int], least: int) -> list[int]:
    """Return the most frequent values, each at least ``least`` from the previous ones."""
    peaks: list[int] = []
    for key in sorted(solid, key=lambda key: (-survey.inner[key], key)):
        if not peaks or _distances(survey, key, peaks).min() >= least:
            peaks.append(key)
    if len(peaks) == 1 and not survey.by_color:  # thin lines, such as vessels, have no inner pixels
        peaks += _find_end(survey, peaks[0])
    return peaks


def _find_close(survey: Survey, solid: Sequence[int], peaks: Sequence[int]) -> list[int]:
    """Return the grey values near peaks that fill separate regions, unlike noise."""
    found: list[int] = []
    if survey.by_color or len(peaks) < 2:
        return found
    for key in sorted(solid, key=lambda key: (-survey.inner[key], key)):
        is_apart = _distances(survey, key, [*peaks, *found]).min() >= _CLOSE
        is_region = survey.inner[key] >= _LEAST_REGION * survey.pixels[key]
        if is_apart and is_region and survey.inner[key] >= _LEAST_CLOSE * survey.inner.total():
            found.append(key)
    return found


def _find_end(survey: Survey, peak: int) -> list[int]:
    """Return the grey value furthest from a peak, ignoring rare ones; none if all are near."""
    keys = sorted(survey.pixels, key=lambda key: -abs(key - peak))
    far = [key for key in keys if abs(key - peak) >= 2 * _NEAR * _scale(survey)]
    counts = np.cumsum([survey.pixels[key] for key in far])
    return [far[int(np.argmax(counts >= _LEAST_END * counts[-1]))]] if far else []


def _is_blurred(
    survey: Survey,
    solid: Sequence[int],
    thin: Sequence[int],
    peaks: Sequence[int],
    close: Sequence[int],
) -> bool:
    thin_px = sum(survey.pixels[key] for key in thin)
    inner = survey.inner.total()
    if len(peaks) < 2 or not thin or thin_px > _MOST_THIN_SHARE * survey.total_px or not inner:
        return False
    # Colours that JPEG spread around a peak count with the peak; grey values do not, because the
    # ids of a label map are close together.
    counted = [
        key
        for key in survey.inner
        if key in peaks
        or key in close
        or (survey.by_color and _distances(survey, key, peaks).min() < 2 * _NEAR)
    ]
    if sum(survey.inner[key] for key in counted) < _LEAST_PEAK_SHARE * inner:
        return False
    if survey.by_color:
        return len(thin) > max(_LEAST_BLENDS, len(solid)) and _lie_between(survey, thin, peaks)
    return _surround(survey, thin, peaks)


def _surround(survey: Survey, thin: Sequence[int], peaks: Sequence[int]) -> bool:
    """Return whether grey values are between the peaks or close to each side of a gap."""
    own = set(peaks)
    near = _NEAR * _scale(survey)
    between: list[int] = []
    has_both = False
    for low, high in pairwise(sorted(peaks)):
        inside = [key for key in thin if low < key < high and key not in own]
        between += [key for key in inside if low + near <= key <= high - near]
        has_both |= inside != [] and inside[0] < low + near and inside[-1] > high - near
    if not between:
        return has_both
    lying = sum(survey.between[key] for key in between)
    are_lines = lying < _LEAST_BETWEEN * sum(survey.pixels[key] for key in between)
    # JPEG leaves more values than that, most of them close to a peak.
    return len(set(thin) - own) > _LEAST_BLENDS or not are_lines


def _lie_between(survey: Survey, thin: Sequence[int], peaks: Sequence[int]) -> bool:
    """Return whether most thin pixels nearly have a blend of two peaks' colours."""
    points = _points(survey, thin)
    nearest = np.full(len(thin), np.inf)
    for first, second in combinations(_points(survey, peaks), 2):
        along = second - first
        place = np.clip((points - first) @ along / (along @ along), 0, 1)
        nearest = np.minimum(
            nearest, np.linalg.norm(points - first - place[:, None] * along, axis=1)
        )
    weights = np.array([survey.pixels[key] for key in thin])
    return bool(weights[nearest <= _BESIDE].sum() >= _LEAST_PEAK_SHARE * weights.sum())


def _part(survey: Survey, peaks: Sequence[int], share: float) -> Guess:
    """Return the classes of blurred masks."""
    spans: list[Span] = [(key, key) for key in peaks]
    ignored: list[Span] = []
    if not survey.by_color:
        spans, ignored = _cut(peaks, MOST_VALUE if max(survey.pixels) > _VOID else _VOID)
    groups = tuple(_group(survey, key, span) for key, span in zip(peaks, spans, strict=True))
    if survey.by_color:
        groups = _share_by_nearest(survey, groups)
    return Guess(groups, tuple(ignored), is_blurred=True, blurred_share=share)


def _cut(peaks: Sequence[int], most: int) -> tuple[list[Span], list[Span]]:
    """Return the ranges of the peaks, from 0 to ``most``, and the ignored ranges between them."""
    lows, highs = [0], list[int]()
    ignored: list[Span] = []
    for low, high in pairwise(peaks):
        reach = (high - low) // (2 if len(peaks) == 2 else 4)
        highs.append(low + reach)
        lows.append(low + reach + 1 if len(peaks) == 2 else high - reach)
        if lows[-1] > highs[-1] + 1:
            ignored.append((highs[-1] + 1, lows[-1] - 1))
    return list(zip(lows, [*highs, most], strict=True)), ignored


def _take_all(survey: Survey) -> Guess:
    """Return a class for each value or colour; add the background if no mask holds it."""
    keys = sorted(survey.pixels)
    others = [key for key in keys if key != _VOID]
    ignored: tuple[Span, ...] = ()
    if not survey.by_color and len(others) > 1 and _VOID in keys and others[-1] <= _MOST_LABEL:
        keys, ignored = others, ((_VOID, _VOID),)
    groups = [_group(survey, key, (key, key)) for key in keys]
    if len(groups) == 1:
        missing = 0 if keys[0] else 0xFFFFFF if survey.by_color else _VOID
        groups.append(_group(survey, missing, (missing, missing)))
    return Guess(tuple(sorted(groups, key=lambda group: group.key)), ignored)


def _group(survey: Survey, key: int, span: Span) -> Group:
    within = (
        [survey.pixels[key]]
        if span == (key, key)
        else [count for value, count in survey.pixels.items() if span[0] <= value <= span[1]]
    )
    return Group(key, span, sum(within) / survey.total_px, survey.masks[key])


def _share_by_nearest(survey: Survey, groups: Sequence[Group]) -> tuple[Group, ...]:
    """Return the groups with the shares that result if each colour goes to the nearest group."""
    keys = list(survey.pixels)
    counts = np.array([survey.pixels[key] for key in keys])
    away = np.stack([_distances(survey, group.key, keys) for group in groups])
    nearest = away.argmin(axis=0)
    return tuple(
        replace(group, share=float(counts[nearest == index].sum() / survey.total_px))
        for index, group in enumerate(groups)
    )
