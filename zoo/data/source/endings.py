# SPDX-License-Identifier: Apache-2.0
"""Find the endings by which the names of images and masks differ."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

__all__ = ["Endings", "find_endings"]

_MOST_NAMES = 5000
_NEIGHBOURS = 3  # an image may have several masks, or a mask and its colour version
_MOST_TRIED = 8
_MOST_CHARS = 40


@dataclass(frozen=True, slots=True)
class Endings:
    """The endings by which names of images and masks differ.

    Args:
        image: Ending of images; ``""`` if there is none.
        mask: Ending of masks.
        count: Number of images with a mask when both endings are removed.
    """

    image: str
    mask: str
    count: int


def find_endings(images: Sequence[str], masks: Sequence[str]) -> list[Endings]:
    """Return endings whose removal makes names of images and masks equal, most frequent first.

    Args:
        images: Names without suffix, such as ``x_rgb``.
        masks: Names without suffix, such as ``x_mask``; may be equal to ``images`` if both are in
            one folder.

    Example:
        >>> find_endings(["a1_rgb", "b2_rgb"], ["a1_mask", "b2_mask"])
        [Endings(image='_rgb', mask='_mask', count=2)]
    """
    votes: Counter[tuple[str, str]] = Counter()
    ordered = sorted(set(masks))
    for image in images[:_MOST_NAMES]:
        votes.update(set(_endings_of(image, ordered)))
    known = set(masks)
    found = []
    for (image_ending, mask_ending), _ in votes.most_common(_MOST_TRIED):
        bare = [name.removesuffix(image_ending) for name in images if name.endswith(image_ending)]
        count = sum(f"{name}{mask_ending}" in known for name in bare)
        found.append(Endings(image_ending, mask_ending, count))
    return sorted(found, key=lambda each: (-each.count, len(each.image) + len(each.mask)))


def _endings_of(image: str, masks: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the endings of an image and the masks with the longest common prefix."""
    place = bisect_left(masks, image)
    for mask in masks[max(0, place - _NEIGHBOURS) : place + _NEIGHBOURS + 1]:
        pairs = takewhile(lambda pair: pair[0] == pair[1], zip(image, mask, strict=False))
        shared = "".join(letter for letter, _ in pairs)
        if mask == image:
            continue
        if shared not in (image, mask):
            # Both continue: the endings start at a word, such as '_mri' and '_mask'.
            words = re.match(r"(.*)[_\-. ]", shared)
            shared = words[1] if words else ""
        endings = image[len(shared) :], mask[len(shared) :]
        if shared and all(_is_ending(each, shared) for each in endings):
            yield endings


def _is_ending(text: str, before: str) -> bool:
    """Return whether a text is the ending of a name and not the rest of its number."""
    goes_on = text[:1].isdigit() and before[-1:].isdigit()
    return len(text) <= _MOST_CHARS and "/" not in text and not goes_on and not _is_number(text)


def _is_number(text: str) -> bool:
    return bool(text) and re.fullmatch(r"[_\-. ]?\d+", text) is not None
