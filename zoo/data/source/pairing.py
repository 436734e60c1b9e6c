# SPDX-License-Identifier: Apache-2.0
"""Pair images with masks by name."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zoo.data.report import Report
from zoo.data.source.endings import Endings, find_endings
from zoo.data.source.source import SourceFile
from zoo.data.source.spelling import compose, find_near
from zoo.errors import DataError

__all__ = ["IMAGE_SUFFIXES", "StemPair", "pair_by_stem", "spell_endings"]

Files = Sequence[SourceFile] | Sequence[tuple[str, SourceFile]]
IMAGE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".bmp", ".jp2"}
)


@dataclass(frozen=True, slots=True)
class StemPair:
    """An image and its mask.

    Args:
        stem: Name of both in the prepared folder.
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
    """Return the pairs with equal stems, sorted by stem.

    A mask belongs to the image with the same stem, or else with its stem without ``mask_suffix``.
    Stems are compared in normalized Unicode. Files without a partner and files that are not images
    are reported as dropped.

    Args:
        images: Files, or ``(stem, file)`` pairs to override the stems.
        masks: Same for masks.
        report: Report to add counts and dropped files to.
        mask_suffix: Optional suffix of masks after the stem of the image.
        where: Name of the source, for messages.

    Raises:
        DataError: There are no images, no masks or no pairs, or a stem is repeated.
    """
    named_images = _by_stem(_pictures(images, report), "image", where)
    named_masks = _by_stem(_pictures(masks, report), "mask", where)
    report.count("images", len(named_images))
    report.count("masks", len(named_masks))
    known = _Stems(named_images)
    chosen: dict[str, SourceFile] = {}
    alone: list[str] = []
    for stem, mask in named_masks.items():
        bare = _without_ending(stem, mask_suffix)
        target = known.find(stem) or known.find(bare)
        if target is None:
            alone.append(bare)
            report.drop(mask.path, f"mask without an image called {bare!r}")
        elif target in chosen:
            raise _twice(chosen[target], mask, f"mask of {target!r}", where)
        else:
            chosen[target] = mask
    missing = [stem for stem in named_images if stem not in chosen]
    for stem in missing:
        report.drop(named_images[stem].path, "image without a mask")
    if not chosen:
        raise _no_pairs(named_images, named_masks, where)
    _note_alike(missing, alone, report)
    _note_endings(missing, alone, report)
    report.count("pairs", len(chosen))
    return [StemPair(stem, named_images[stem].path, chosen[stem].path) for stem in sorted(chosen)]


class _Stems:
    """Stems of images, looked up by exact spelling, then by an equivalent one."""

    def __init__(self, stems: Iterable[str]) -> None:
        self._own = set(stems)
        self._alike: dict[str, list[str]] = {}
        for stem in self._own:
            self._alike.setdefault(compose(stem), []).append(stem)

    def find(self, stem: str) -> str | None:
        if stem in self._own:
            return stem
        alike = self._alike.get(compose(stem), [])
        return alike[0] if len(alike) == 1 else None


def _without_ending(stem: str, ending: str) -> str:
    """Return a stem without an ending, which may use another Unicode form."""
    for text, end in ((stem, ending), (compose(stem), compose(ending))):
        if ending and text.endswith(end):
            return text.removesuffix(end)
    return stem


def _note_alike(images: Sequence[str], masks: Sequence[str], report: Report) -> None:
    """Note pairs that differ only in case, which is probably a mistake."""
    by_letters = {stem.casefold(): stem for stem in masks}
    alike = [(stem, by_letters[key]) for stem in images if (key := stem.casefold()) in by_letters]
    if alike:
        image, mask = alike[0]
        text = f"{len(alike)} images and masks are left out because their names differ "
        report.note("", f"{text}only in upper and lower case, such as {image!r} and {mask!r}")


def _note_endings(images: Sequence[str], masks: Sequence[str], report: Report) -> None:
    """Note pairs that were missed because no ending was given."""
    endings = find_endings(images, masks)
    if endings and endings[0].count > 1:
        text = f"{endings[0].count} images and masks are left out that would be pairs with "
        report.note("", f"{text}{spell_endings(endings[0])}")


def _pictures(files: Files, report: Report) -> list[tuple[str, SourceFile]]:
    pictures = []
    for item in files:
        stem, file = (item.stem, item) if isinstance(item, SourceFile) else item
        if file.suffix in IMAGE_SUFFIXES:
            pictures.append((stem, file))
        else:
            report.drop(file.path, f"not an image, by its suffix {file.suffix!r}")
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
    hint = "rename or remove one of the two."
    return DataError(message, path=second.path, where=where or second.path, hint=hint)


def _no_pairs(
    images: Mapping[str, SourceFile], masks: Mapping[str, SourceFile], where: str
) -> DataError:
    found = f"found {len(images)} images and {len(masks)} masks"
    hint = "give masks the stems of their images, or state their suffix with --mask-suffix."
    if not images or not masks:
        message = (
            f"cannot pair images with masks: {found}, no {'masks' if images else 'images'} at all."
        )
    else:
        image = min(images)
        mask = find_near(image, sorted(masks)) or min(masks)
        first = f"{image!r} and {mask!r}"
        message = f"cannot pair images with masks: {found}, but no equal stems, such as {first}."
        endings = find_endings(*(sorted(map(compose, stems)) for stems in (images, masks)))
        if image.casefold() == mask.casefold():
            hint = "give masks the exact stems of their images, also in upper and lower case."
        elif endings and endings[0].count:
            hint = f"{_seem_to_end(endings[0])}; add {spell_endings(endings[0])}."
    return DataError(message, path=where or None, hint=hint)


def spell_endings(endings: Endings) -> str:
    """Return the command-line options for endings, quoted for a shell.

    Args:
        endings: Endings of image and mask files.
    """
    stated = {"--image-suffix": endings.image, "--mask-suffix": endings.mask}
    return " ".join(f"{option}={shlex.quote(text)}" for option, text in stated.items() if text)


def _seem_to_end(endings: Endings) -> str:
    images = f"images seem to have the suffix {endings.image!r}"
    masks = f"masks {'' if endings.image else 'seem to have '}the suffix {endings.mask!r}"
    return " and ".join(
        text for text, has in ((images, endings.image), (masks, endings.mask)) if has
    )
