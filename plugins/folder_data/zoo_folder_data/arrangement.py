# SPDX-License-Identifier: Apache-2.0
"""Guess where the images and masks of a folder are, and which options say so."""

from __future__ import annotations

import shlex
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import PurePosixPath

from zoo.data import IMAGE_SUFFIXES, Endings, Source, SourceFile, find_endings
from zoo_folder_data.naming import IMAGE_WORDS, MASK_WORDS, split_words

__all__ = ["Arrangement", "guess_arrangement"]

_MOST_FOLDERS = 12
_LEAST_SHARE = 0.5  # smallest share of the images with a mask


@dataclass(frozen=True, slots=True)
class Arrangement:
    """The guessed places of images and masks.

    Args:
        images: Folder of the images in the source, ``.`` for its top.
        masks: Folder of the masks, in the same form.
        image_suffix: Suffix of the images' names, before the extension.
        mask_suffix: Suffix of the masks' names, before the extension.
        count: Number of pairs.
    """

    images: str
    masks: str
    image_suffix: str
    mask_suffix: str
    count: int

    def to_options(self) -> dict[str, str]:
        """Return the options of prepare for this arrangement, without those equal to defaults."""
        options = {
            "--images": "" if self.images == "images" else self.images,
            "--masks": "" if self.masks == "masks" else self.masks,
            "--image-suffix": self.image_suffix,
            "--mask-suffix": self.mask_suffix,
        }
        return {option: value for option, value in options.items() if value}

    def spell(self) -> str:
        """Return the options quoted for a shell."""
        words = (f"{option} {shlex.quote(value)}" for option, value in self.to_options().items())
        return " ".join(words)


def guess_arrangement(source: Source) -> Arrangement | None:
    """Guess where the images and masks of a source are, or return None.

    Either two folders hold files with equal names, or with names that differ in a suffix; or one
    folder holds both, and masks have a suffix that says so.

    Args:
        source: The source; its files are listed, not opened.
    """
    folders: dict[str, list[SourceFile]] = defaultdict(list)
    for file in source.files():
        if file.suffix in IMAGE_SUFFIXES:
            folders[file.folder or "."].append(file)
    largest = sorted(folders, key=lambda name: (-len(folders[name]), name))[:_MOST_FOLDERS]
    kept = {name: folders[name] for name in largest}
    found = [*_in_two(kept), *_in_one(kept)]
    return max(found, key=lambda each: (each.count, each.mask_suffix == ""), default=None)


def _stems(files: Sequence[SourceFile]) -> list[str]:
    return [file.stem for file in files]


def _in_two(folders: Mapping[str, Sequence[SourceFile]]) -> Iterator[Arrangement]:
    for pair in combinations(folders, 2):
        images, masks = sorted(pair, key=lambda name: _looks_like_masks(name, folders[name]))
        ends = _best_endings(_stems(folders[images]), _stems(folders[masks]))
        least = _LEAST_SHARE * min(len(folders[images]), len(folders[masks]))
        if ends is not None and ends.count >= least:
            yield Arrangement(images, masks, ends.image, ends.mask, ends.count)


def _best_endings(images: Sequence[str], masks: Sequence[str]) -> Endings | None:
    equal = len(set(images) & set(masks))
    # Masks without the suffix are paired too.
    found = [
        each if each.image else replace(each, count=each.count + equal)
        for each in find_endings(images, masks)
        if each.count
    ]
    best = max([Endings("", "", equal), *found], key=lambda each: each.count)
    return best if best.count else None


def _looks_like_masks(folder: str, files: Sequence[SourceFile]) -> tuple[int, int, float]:
    """Return a key that is larger for masks, from folder name, file type and file size."""
    names = [*split_words(PurePosixPath(folder).name), *split_words(files[0].stem)]
    by_name = any(word in MASK_WORDS for word in names) - any(word in IMAGE_WORDS for word in names)
    is_lossless = files[0].suffix not in (".jpg", ".jpeg", ".jp2")
    return by_name, is_lossless, -sum(file.size_bytes for file in files) / len(files)


def _in_one(folders: Mapping[str, Sequence[SourceFile]]) -> Iterator[Arrangement]:
    for name, files in folders.items():
        stems = _stems(files)
        for ends in find_endings(stems, stems):
            is_mask = any(word in MASK_WORDS for word in split_words(ends.mask))
            if is_mask and 2 * ends.count >= _LEAST_SHARE * len(files):
                yield Arrangement(name, name, ends.image, ends.mask, ends.count)
