# SPDX-License-Identifier: Apache-2.0
"""Which mask belongs to which image, told by their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.data.report import Report
from zoo.data.source import SourceFile
from zoo.errors import DataError

__all__ = ["IMAGE_SUFFIXES", "StemPair", "pair_by_stem"]

Files = Sequence[SourceFile] | Sequence[tuple[str, SourceFile]]
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True, slots=True)
class StemPair:
    """An image and its mask.

    Args:
        stem: What both are called in the prepared folder.
        image: Path in the source.
        mask: Path in the source.
    """

    stem: str
    image: str
    mask: str


def pair_by_stem(
    images: Files,
    masks: Files,
    *,
    report: Report,
    mask_suffix: str = "",
    where: str = "",
) -> list[StemPair]:
    """Return the pairs of equal stem, sorted by it.

    A mask belongs to the image of its own stem, or else to that of its stem without
    ``mask_suffix``. What has no partner is dropped in ``report``, as is what is no picture.

    Args:
        images: Files to be called by their own stems, or ``(stem, file)`` each.
        masks: As above.
        report: Is told what was found, and what was dropped and why.
        mask_suffix: What masks may carry behind the image's stem.
        where: The source, for messages.

    Raises:
        DataError: There are no images, no masks or no pairs; a stem is there twice.
    """
    named_images = _by_stem(_pictures(images, report), "image", where)
    named_masks = _by_stem(_pictures(masks, report), "mask", where)
    report.count("images", len(named_images))
    report.count("masks", len(named_masks))
    chosen: dict[str, SourceFile] = {}
    for stem, mask in named_masks.items():
        bare = stem.removesuffix(mask_suffix) if mask_suffix else stem
        target = stem if stem in named_images else bare
        if target not in named_images:
            report.drop(mask.path, f"mask without an image called {bare!r}")
        elif target in chosen:
            raise _twice(chosen[target], mask, f"mask of {target!r}", where)
        else:
            chosen[target] = mask
    for stem, image in named_images.items():
        if stem not in chosen:
            report.drop(image.path, "image without a mask")
    if not chosen:
        raise _no_pairs(named_images, named_masks, where)
    report.count("pairs", len(chosen))
    return [StemPair(stem, named_images[stem].path, chosen[stem].path) for stem in sorted(chosen)]


def _pictures(files: Files, report: Report) -> list[tuple[str, SourceFile]]:
    pictures = []
    for item in files:
        stem, file = (item.stem, item) if isinstance(item, SourceFile) else item
        if file.suffix in IMAGE_SUFFIXES:
            pictures.append((stem, file))
        else:
            report.drop(file.path, f"no picture by its suffix {file.suffix!r}")
    return pictures


def _by_stem(
    named: Sequence[tuple[str, SourceFile]], what: str, where: str
) -> dict[str, SourceFile]:
    files: dict[str, SourceFile] = {}
    for stem, file in named:
        if stem in files:
            raise _twice(files[stem], file, f"{what} {stem!r}", where)
        files[stem] = file
    return files


def _twice(first: SourceFile, second: SourceFile, what: str, where: str) -> DataError:
    message = (
        f"cannot tell which file is the {what}: found {first.path!r} and {second.path!r}, "
        "expected one."
    )
    hint = "rename one of the two, or take it out of the source."
    return DataError(message, path=second.path, where=where or second.path, hint=hint)


def _no_pairs(
    images: Mapping[str, SourceFile], masks: Mapping[str, SourceFile], where: str
) -> DataError:
    found = f"found {len(images)} images and {len(masks)} masks"
    if not images or not masks:
        message = (
            f"cannot pair images with masks: {found}, no {'masks' if images else 'images'} at all."
        )
    else:
        first = f"{min(images)!r} and {min(masks)!r}"
        message = f"cannot pair images with masks: {found}, but none of equal stem, as {first}."
    hint = "give masks the stems of their images, or state the ending that they carry."
    return DataError(message, path=where or None, hint=hint)
