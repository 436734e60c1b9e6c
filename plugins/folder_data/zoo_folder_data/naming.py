# SPDX-License-Identifier: Apache-2.0
"""Guess names of classes from the names of folders and the suffixes of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

__all__ = ["BACKGROUND", "IMAGE_WORDS", "MASK_WORDS", "name_classes", "split_words"]

BACKGROUND = "background"
"""What the class of the ground is called, where masks seem to have one."""
_FOREGROUND = "foreground"

_MASKS = (
    "mask masks label labels labelled labeled gt truth groundtruth ground annotation "
    "annotations annot annots ann anno seg segs segm segmentation segmentations "
    "segmentationclass target targets manual matte mattes labelids trainids binary masked l"
)
MASK_WORDS = frozenset(_MASKS.split())
"""Words by which folders and endings of masks are known, in lower case."""
_IMAGES = (
    "image images img imgs picture pictures pic pics photo photos rgb scan scans input inputs "
    "original originals orig jpegimages frame frames sat leftimg8bit raw x"
)
IMAGE_WORDS = frozenset(_IMAGES.split())
_OTHERS = (
    "data dataset datasets set sets my own our the of and a train training val valid "
    "validation test testing tests all new old final export exports exported source src tmp "
    "temp folder dir out output png jpg jpeg tif tiff prepped prepared class classes semantic "
    "instance desktop downloads documents home root user users mnt zip archive copy id ids "
    "sample samples demo example examples project projects"
)
_OTHER_WORDS = frozenset(_OTHERS.split())
_NEAR_COLOR = 16
_COLORS = {
    0x000000: "black",
    0xFFFFFF: "white",
    0xFF0000: "red",
    0x00FF00: "green",
    0x0000FF: "blue",
    0xFFFF00: "yellow",
    0xFF00FF: "magenta",
    0x00FFFF: "cyan",
    0x808080: "grey",
    0x800000: "dark red",
    0x008000: "dark green",
    0x000080: "dark blue",
    0x808000: "olive",
    0x800080: "purple",
    0x008080: "teal",
    0xFFA500: "orange",
}


def split_words(text: str) -> list[str]:
    """Return the words of a name, in lower case.

    Args:
        text: Name of a file or folder.

    Example:
        >>> split_words("RetinaVessels_2-mask")
        ['retina', 'vessels', 'mask']
    """
    spread = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return re.findall(r"[^\W\d_]+", spread.lower())


def name_classes(keys: Sequence[int], places: Iterable[str], *, by_color: bool) -> list[str]:
    """Return a name for each class, to be edited; the first is ``background`` if it is dark.

    Args:
        keys: Value or packed colour of each class, ascending.
        places: Sources of the name of a single class besides the background, best first: the
            masks' suffix, their folder, the top folder.
        by_color: Whether the keys are colours.
    """
    if len(keys) == 2:
        return [BACKGROUND, find_subject(places) or _FOREGROUND]
    names = [_name_color(key) if by_color else None for key in keys]
    named = [name or f"class_{index}" for index, name in enumerate(names)]
    if keys[0] == 0:
        named[0] = BACKGROUND
    # Two colours may get the same name.
    return [
        name if named.count(name) == 1 else f"class_{index}" for index, name in enumerate(named)
    ]


def _name_color(color: int) -> str | None:
    """Return the name of a packed colour or of a similar one."""
    near = {
        max(abs((color >> shift & 255) - (known >> shift & 255)) for shift in (16, 8, 0)): name
        for known, name in reversed(_COLORS.items())
    }
    return near[min(near)] if min(near) < _NEAR_COLOR else None


def find_subject(places: Iterable[str]) -> str | None:
    """Return the subject of masks, from the first name that says more than "masks".

    Args:
        places: Names of suffixes and folders, best first.

    Example:
        >>> find_subject(["_mask", "masks", "data/polyp_dataset"])
        'polyp'
    """
    known = MASK_WORDS | IMAGE_WORDS | _OTHER_WORDS
    for place in places:
        words = [word for word in split_words(place) if word not in known and len(word) > 1]
        if words:
            return "_".join(words)
    return None
