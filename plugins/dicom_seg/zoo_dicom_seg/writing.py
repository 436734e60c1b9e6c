# SPDX-License-Identifier: Apache-2.0
"""Write the predictions of a folder as DICOM, a segmentation and a capture for each image."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from zoo.data import check_places, read_picture, staged_folder, write_file
from zoo.errors import DataError
from zoo_dicom_seg.batch import Batch, Predicted, read_batch
from zoo_dicom_seg.capture import make_capture
from zoo_dicom_seg.coding import Coding, code_of, read_codes
from zoo_dicom_seg.segmentation import Place, Segment, make_segmentation
from zoo_dicom_seg.source_image import quiet, read_source

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["KINDS", "Written", "write_dicom"]

KINDS = ("binary", "labelmap")
BACKGROUND = "background"
_SERIES = {"segmentation": 9001, "overlay": 9002}
_LEAST_PX = 8  # highdicom 0.28 puts the bits of smaller frames into the wrong places
_MOST_CELLS = 2**32  # pixels times objects that are held at once


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Args:
        files: Names in the folder, in the order of the images.
        failures: Images that were left out, each with its error.
        notice: What everyone who sees the results should read.
    """

    files: tuple[str, ...]
    failures: tuple[tuple[str, DataError], ...]
    notice: str


def write_dicom(
    results: Path,
    out: Path,
    *,
    codes: Path | None = None,
    kind: str = KINDS[0],
    root: Path | None = None,
    overlays: bool = True,
) -> Written:
    """Write a segmentation, and a capture of the overlay, for each image of a batch.

    Images that cannot be written do not stop the others.

    Args:
        results: A folder of ``zoo predict``.
        out: Folder to write, new or empty; it appears complete or not at all.
        codes: File with codes of classes, before those shipped.
        kind: ``binary``, a frame for each segment, or ``labelmap``, one frame.
        root: Where relative names of images begin; None for the working directory.
        overlays: Whether overlays are written too.

    Raises:
        DataError: There are no predictions, a class has no codes, ``out`` is not free, or no image
            can be written; the first image's error, then.
    """
    check_places(results, out)
    batch = read_batch(results)
    table = read_codes(codes)
    codings = {name: code_of(table, name) for name in batch.classes if not _is_background(name)}
    _check(batch, results, kind)
    writer = _Writer(batch, codings, kind, root or Path(), overlays=overlays)
    with staged_folder(out) as folder:
        for image in batch.images:
            writer.write(image, folder)
        if not writer.files:
            raise writer.failures[0][1]
    return Written(tuple(writer.files), tuple(writer.failures), batch.notice)


def _is_background(name: str) -> bool:
    return name.strip(" _").casefold() == BACKGROUND


def _check(batch: Batch, results: Path, kind: str) -> None:
    """Raise if there is nothing to write, or not of that kind."""
    if not batch.images:
        message = "cannot write DICOM: the predictions hold no image."
        raise DataError(message, path=results, hint="predict at least one DICOM file.")
    if batch.task == "instance" and kind != KINDS[0]:
        message = f"cannot write instances as {kind!r}: they may overlap."
        raise DataError(message, path=results, hint=f"write --type {KINDS[0]}.")


@dataclass
class _Writer:
    """Writes the files of images, and keeps which series they are filed in."""

    batch: Batch
    codings: Mapping[str, Coding]
    kind: str
    root: Path
    overlays: bool = field(kw_only=True)
    files: list[str] = field(default_factory=list)
    failures: list[tuple[str, DataError]] = field(default_factory=list)
    places: dict[tuple[str, str], Place] = field(default_factory=dict)

    def write(self, image: Predicted, folder: Path) -> None:
        """Write the files of one image, or keep why there are none."""
        try:
            files = list(self._make(image))
        except DataError as error:
            self.failures.append((image.file, error))
            return
        for name, data in files:
            write_file(folder / name, data)
            self.files.append(name)

    def _make(self, image: Predicted) -> Iterator[tuple[str, bytes]]:
        path = self.root / image.file
        source = read_source(path)
        size = (int(source.Rows), int(source.Columns))
        if size != (image.height_px, image.width_px):
            message = f"cannot refer to {path.name!r}: it has {size[1]}x{size[0]} px, expected the "
            message += f"{image.width_px}x{image.height_px} px of the prediction."
            raise DataError(message, path=path, hint="predict the image again.")
        if size[0] * size[1] < _LEAST_PX:
            message = (
                f"cannot write a segmentation of {path.name!r}: found {size[1]}x{size[0]} px, "
            )
            message += f"expected at least {_LEAST_PX} px."
            raise DataError(message, path=path, hint="leave it out.")
        pixels, segments = self._segments(image, size)
        place = self._place(source, "segmentation")
        try:
            with quiet():
                made = make_segmentation(source, pixels, segments, self.batch, place, self.kind)
                data = _bytes(made)
        except Exception as error:  # highdicom and pydicom raise many kinds for odd headers
            reason = str(error).rstrip(".")
            message = f"cannot write a segmentation of {path.name!r}: {reason}."
            hint = "export the file anew from its archive: its header does not fit its kind."
            raise DataError(message, path=path, hint=hint) from error
        yield f"{image.name}.seg.dcm", data
        if self.overlays and image.overlay is not None:
            place, model = self._place(source, "overlay"), str(made.ManufacturerModelName)
            with quiet():
                data = _bytes(make_capture(source, _rgb(image.overlay), model, place))
            yield f"{image.name}.overlay.dcm", data

    def _segments(
        self, image: Predicted, size: tuple[int, int]
    ) -> tuple[NDArray[Any], list[Segment]]:
        batch = self.batch
        if batch.task == "instance":
            return self._instances(image, size)
        kept = [index for index, name in enumerate(batch.classes) if name in self.codings]
        numbers = np.zeros(256, np.uint8)
        numbers[kept] = np.arange(1, len(kept) + 1)
        segments = [self._segment(index, batch.classes[index]) for index in kept]
        return numbers[_label_map(image, size, len(batch.classes))], segments

    def _instances(
        self, image: Predicted, size: tuple[int, int]
    ) -> tuple[NDArray[np.bool_], list[Segment]]:
        """Return a plane for each object, which may overlap, and a segment for each plane."""
        from pycocotools import mask as tools

        if not image.objects:
            message = f"cannot write a segmentation of {image.file!r}: the model found nothing."
            raise DataError(message, path=image.file, hint="DICOM has no empty segmentation.")
        if size[0] * size[1] * len(image.objects) > _MOST_CELLS:
            message = (
                f"cannot write a segmentation of {image.file!r}: {len(image.objects)} objects "
            )
            message += "of that size do not fit into memory."
            raise DataError(message, path=image.file, hint="predict with a higher --score-thr.")
        planes = [tools.decode(dict(rle)).astype(bool) for _, rle in image.objects]
        names = [self.batch.classes[index] for index, _ in image.objects]
        segments = [
            self._segment(index, f"{name} {number}")
            for number, ((index, _), name) in enumerate(zip(image.objects, names, strict=True), 1)
        ]
        return np.stack(planes, axis=-1), segments

    def _segment(self, index: int, label: str) -> Segment:
        coding = self.codings[self.batch.classes[index]]
        return Segment(label, coding, self.batch.palette[index])

    def _place(self, source: Dataset, what: str) -> Place:
        """Return the next place in the series of an image's own series."""
        from pydicom.uid import generate_uid

        key = (what, f"{source.StudyInstanceUID} {source.SeriesInstanceUID}")
        last = self.places.get(key) or Place(str(generate_uid(prefix=None)), _SERIES[what], 0)
        self.places[key] = replace(last, number=last.number + 1)
        return self.places[key]


def _label_map(image: Predicted, size: tuple[int, int], classes: int) -> NDArray[np.uint8]:
    if image.label is None:
        message = f"cannot write a segmentation of {image.file!r}: there is no label map of it."
        raise DataError(message, path=image.file, hint="predict without --no-labels.")
    labels = read_picture(image.label).pixels
    if labels.shape != size or labels.dtype != np.uint8 or int(labels.max()) >= classes:
        message = f"cannot use {image.label.name!r}: expected {size[1]}x{size[0]} px of ids below "
        message += f"{classes}."
        raise DataError(message, path=image.label, hint="predict again.")
    return np.asarray(labels, np.uint8)


def _rgb(path: Path) -> NDArray[np.uint8]:
    pixels = read_picture(path).to_uint8()
    return pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)


def _bytes(made: Dataset) -> bytes:
    import pydicom

    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, made, enforce_file_format=True)
    return buffer.getvalue()
