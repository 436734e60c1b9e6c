# SPDX-License-Identifier: Apache-2.0
"""Read, check, convert to 8 bits, resize and write one pair of image and masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.data.bands.counting import BandCount, count_bands
from zoo.data.bands.reading import encode_bands, read_bands
from zoo.data.bands.table import BandChoice as KeptBands
from zoo.data.layout.prepared import IGNORE_INDEX, MaskedFile
from zoo.data.pictures.decoding import BandChoice, decode_picture
from zoo.data.pictures.digests import digest_pixels, digest_sources
from zoo.data.pictures.formats import read_header
from zoo.data.pictures.mask_alpha import TAKEN, DecodedMask, decode_mask
from zoo.data.pictures.pixels import (
    encode_png,
    fit_size,
    resize_image,
    resize_mask,
)
from zoo.data.pictures.turning import TURNED
from zoo.data.report import ReportLine
from zoo.data.source.source import Source
from zoo.errors import DataError
from zoo.files import write_file

if TYPE_CHECKING:
    from zoo.data.pictures.pixels import DeepImage, Image

__all__ = [
    "EncodeMask",
    "Pair",
    "PairRecord",
    "WriteRules",
    "write_pair",
]


_EXPORT_OPAQUE = (
    "these are the values of its transparency, because the rest is one colour: list them, or "
    "export the mask as grey."
)
_TELL_AUTHOR = "tell the plugin's author: its prepare writes labels that are not in its classes."


@dataclass(frozen=True, slots=True)
class Pair:
    """An image of the source and its masks.

    Args:
        stem: Name of both in the prepared folder.
        group: Patient, scene, ...; pairs of one group are in the same split.
        image: Path in the source.
        masks: Paths in the source; several if ``encode_mask`` combines them.
        meta: Facts about the image to keep in ``dataset.json`` (JSON values).
    """

    stem: str
    group: str
    image: str
    masks: tuple[str, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)


EncodeMask = Callable[[list["DeepImage"], Pair], tuple["Image", list[str]]]


@dataclass(frozen=True, slots=True)
class WriteRules:
    """The rules shared by all pairs of a run.

    Args:
        classes: Class names, in the order of their ids.
        encode_mask: Converts decoded masks to ``(H, W)`` uint8 ids, and returns its repairs.
        size: Width and height, or None to keep the size of each image.
        keep_aspect: See :func:`zoo.data.fit_size`.
        palette_masks: How to read palette masks.
        bands: Bands of the images, see :func:`zoo.data.pictures.decoding.decode_picture`.
        kept: Bands to keep as stored instead; ``size`` is None then.
    """

    classes: tuple[str, ...]
    encode_mask: EncodeMask
    size: tuple[int, int] | None
    keep_aspect: bool
    palette_masks: Literal["colors", "index"]
    bands: BandChoice = None
    kept: KeptBands | None = None


@dataclass(frozen=True, slots=True)
class PairRecord:
    """The result for one pair.

    Args:
        file: The row for ``dataset.json``.
        class_px: Pixels per class, ignored ones last.
        repaired: Lines for the report.
        notes: Lines for the report.
        by_alpha: Masks in a transparency channel: path, and whether it was used (true) or is
            doubtful; see :class:`zoo.data.pictures.mask_alpha.DecodedMask`.
        counts: Of each band that is kept as stored.
        nodata: The image's value of missing data, if its bands are kept and it states one.
    """

    file: MaskedFile
    class_px: tuple[int, ...]
    repaired: tuple[ReportLine, ...]
    notes: tuple[ReportLine, ...]
    by_alpha: tuple[tuple[str, bool], ...] = ()
    counts: tuple[BandCount, ...] = ()
    nodata: float | None = None


def write_pair(
    source: Source, pair: Pair, split: str, folder: Path, rules: WriteRules
) -> PairRecord:
    """Write ``images/<stem>.png`` and ``masks/<stem>.png`` of one pair.

    Args:
        source: Source of the files.
        pair: The pair to write.
        split: Split to record.
        folder: The staging folder.
        rules: Rules of the run.

    Raises:
        DataError: A file cannot be read or written, sizes differ, or the mask is refused.
    """
    contents = [source.read(path) for path in (pair.image, *pair.masks)]
    image = _read_image(contents[0], source.where(pair.image), rules)
    shape = image.shape
    masks = _decode_masks(source, pair, contents[1:], shape, rules)
    labels, repairs = _encode(source, pair, masks, shape, rules)
    repaired = [ReportLine(pair.masks[0], repair) for repair in repairs]
    repaired += [ReportLine(pair.image, repair) for repair in image.repairs]
    size = fit_size(shape[0], shape[1], rules.size, rules.keep_aspect)
    if image.missing is not None:
        labels = labels.copy()
        labels[image.missing] = IGNORE_INDEX
    pixels, data = image.encode(size)
    labels = resize_mask(labels, size)
    class_px = _count_classes(labels, source.where(pair.masks[0]), rules.classes)
    write_file(folder / "images" / f"{pair.stem}{image.suffix}", data)
    write_file(folder / "masks" / f"{pair.stem}.png", encode_png(labels))
    row = MaskedFile(
        stem=pair.stem,
        group=pair.group,
        split=split,
        height_px=size[1],
        width_px=size[0],
        image_sha256=digest_pixels(pixels),
        mask_sha256=digest_pixels(labels),
        source_image=pair.image,
        source_masks=pair.masks,
        source_sha256=digest_sources(contents),
        source_height_px=int(shape[0]),
        source_width_px=int(shape[1]),
        meta=pair.meta,
        suffix=image.suffix,
    )
    told = [
        *image.notes,
        *([TURNED] if rules.kept is None and _may_be_turned(source, pair, contents) else []),
    ]
    notes = (*(ReportLine(pair.image, text) for text in told),)
    notes += _notes(pair, class_px, rules.classes)
    by_alpha = tuple(
        (path, mask.is_taken)
        for path, mask in zip(pair.masks, masks, strict=True)
        if mask.is_taken or mask.is_doubtful
    )
    return PairRecord(row, class_px, tuple(repaired), notes, by_alpha, image.counts, image.nodata)


@dataclass(frozen=True, slots=True, eq=False)
class _ReadImage:
    """An image of the source, ready to be written.

    Args:
        shape: Height and width.
        encode: Returns the pixels at a width and height, and their file.
        suffix: Of the file.
        notes: Notes for the report.
        repairs: Repairs for the report.
        missing: ``(H, W)``, true where labels are unknown because there is no data.
        counts: See `PairRecord`.
        nodata: See `PairRecord`.
    """

    shape: tuple[int, ...]
    encode: Callable[[tuple[int, int]], tuple[Any, bytes]]
    suffix: str = ".png"
    notes: tuple[str, ...] = ()
    repairs: tuple[str, ...] = ()
    missing: Any = None
    counts: tuple[BandCount, ...] = ()
    nodata: float | None = None


def _read_image(data: bytes, where: str, rules: WriteRules) -> _ReadImage:
    if rules.kept is not None:
        bands = read_bands(data, where, rules.kept)
        return _ReadImage(
            bands.samples.shape[:2],
            lambda size: (bands.samples, encode_bands(bands)),
            suffix=".tif",
            missing=bands.is_missing,
            counts=count_bands(bands),
            nodata=bands.nodata,
        )
    picture = decode_picture(data, where, bands=rules.bands)

    def encode(size: tuple[int, int]) -> tuple[Any, bytes]:
        image = resize_image(picture.to_uint8(), size)
        return image, encode_png(image)

    repairs = ("16-bit samples stretched to 8 bits",) if picture.is_deep else ()
    return _ReadImage(picture.pixels.shape[:2], encode, notes=picture.notes, repairs=repairs)


def _may_be_turned(source: Source, pair: Pair, contents: Sequence[bytes]) -> bool:
    """Return whether only the image has an orientation and the sizes agree either way."""
    image, *masks = (
        read_header(content, source.where(path))
        for path, content in zip((pair.image, *pair.masks), contents, strict=True)
    )
    return image.hides_turns and any(mask.orientation == 1 for mask in masks)


def _decode_masks(
    source: Source,
    pair: Pair,
    contents: Sequence[bytes],
    shape: tuple[int, ...],
    rules: WriteRules,
) -> list[DecodedMask]:
    masks = []
    for path, content in zip(pair.masks, contents, strict=True):
        mask = decode_mask(content, source.where(path), palette=rules.palette_masks)
        if mask.pixels.shape[:2] != shape:
            raise _sizes_differ(source, pair, path, mask.pixels.shape, shape)
        masks.append(mask)
    return masks


def _encode(
    source: Source,
    pair: Pair,
    masks: Sequence[DecodedMask],
    shape: tuple[int, ...],
    rules: WriteRules,
) -> tuple[Image, list[str]]:
    is_taken = any(mask.is_taken for mask in masks)
    try:
        labels, repairs = rules.encode_mask([mask.pixels for mask in masks], pair)
    except DataError as error:
        if error.where is None:
            error.where = source.where(pair.masks[0])
            error.path = error.where
        if is_taken:
            error.hint = _EXPORT_OPAQUE
        raise
    if labels.dtype != "uint8" or labels.shape != shape:
        message = (
            f"cannot use the labels made of this mask: found {labels.dtype} of shape "
            f"{labels.shape}, expected uint8 of {shape}."
        )
        raise DataError(message, path=source.where(pair.masks[0]), hint=_TELL_AUTHOR)
    return labels, [TAKEN, *repairs] if is_taken else repairs


def _sizes_differ(
    source: Source, pair: Pair, path: str, found: tuple[int, ...], shape: tuple[int, ...]
) -> DataError:
    turned = found[:2] == shape[::-1]
    message = (
        f"cannot pair {pair.image!r} with {path!r}: the mask has {found[1]}x{found[0]} px, "
        f"expected the image's {shape[1]}x{shape[0]}."
    )
    hint = "export the mask at the image's size, or remove both from the source."
    if turned:
        hint = "the image or the mask is stored rotated (EXIF): export both as displayed."
    return DataError(message, path=source.where(path), hint=hint)


def _count_classes(labels: Image, where: str, classes: tuple[str, ...]) -> tuple[int, ...]:
    import numpy as np

    counts = np.bincount(labels.ravel(), minlength=IGNORE_INDEX + 1)
    known = len(classes)
    strange = np.flatnonzero(counts[known:IGNORE_INDEX]) + known
    if strange.size:
        message = (
            f"cannot use the labels made of this mask: found ids {strange.tolist()[:5]}, "
            f"expected 0..{known - 1} or {IGNORE_INDEX}."
        )
        raise DataError(message, path=where, hint=_TELL_AUTHOR)
    return (*(int(count) for count in counts[:known]), int(counts[IGNORE_INDEX]))


def _notes(
    pair: Pair, class_px: tuple[int, ...], classes: tuple[str, ...]
) -> tuple[ReportLine, ...]:
    if len(classes) > 1 and not any(class_px[1:-1]):
        text = f"empty mask: only {classes[0]!r}"
        return (ReportLine(pair.masks[0], text),)
    return ()
