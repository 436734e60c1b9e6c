# SPDX-License-Identifier: Apache-2.0
"""The best and the worst predictions of a test, each beside its truth."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import zoo
from zoo.data import (
    SPLITS,
    Prepared,
    draw_overlay,
    encode_jpeg,
    read_coco,
    read_picture,
    resize_image,
    resize_mask,
)
from zoo.errors import DataError, ZooError
from zoo.texts import printable
from zoo_run_report.kept import background
from zoo_run_report.scores import SCORE_THR, Scored, score_images
from zoo_run_report.tested_model import find_tested_model, told_of_test

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo.data import CocoAnnotation
    from zoo_run_report.sources import Tested

__all__ = ["Example", "Examples", "draw_examples"]

_LOG = logging.getLogger("zoo")
_SIDE_PX = 480
_MOST_IDS = 250
_UNKNOWN = 255


@dataclass(frozen=True, slots=True)
class Example:
    """One predicted image.

    Attributes:
        file: The image.
        score: Its score.
        truth: The image with its true labels, as a ``data:`` address.
        predicted: The image with the predicted ones, as a ``data:`` address.
        width_px: Of both pictures.
        height_px: Of both pictures.
    """

    file: str
    score: float
    truth: str
    predicted: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Examples:
    """Pictures of a test.

    Attributes:
        worst: The worst first.
        best: The best first.
        score_name: What the score is.
        colors: Class -> colour as CSS, for the legend.
        note: Why some or all are missing; empty if none is.
        notice: What everyone who sees a result should read, or empty.
    """

    worst: Sequence[Example] = ()
    best: Sequence[Example] = ()
    score_name: str = ""
    colors: Mapping[str, str] | None = None
    note: str = ""
    notice: str = ""


def draw_examples(tested: Tested, count: int, deadline_s: float) -> Examples:
    """Predict the best and the worst images of a test again, and draw them.

    Args:
        tested: The test.
        count: Of the best, and of the worst; an image is shown once.
        deadline_s: When to stop, by `time.monotonic`.
    """
    scored = score_images(tested.test)
    if not count:
        return Examples()
    if scored is None or not scored.values:
        return Examples(note="No pictures: no value says which images are the best.")
    if tested.prepared is None:
        note = f"No pictures: {tested.no_data}. --data DIR names the folder if it has moved."
        return Examples(note=note)
    try:
        return _draw(tested, tested.prepared, scored, count, deadline_s)
    except Exception as error:  # noqa: BLE001 - a model of a plugin may raise anything
        lines = str(getattr(error, "message", error)).splitlines() or ["no message"]
        kind = "" if isinstance(error, ZooError) else f"{type(error).__name__}: "
        said = printable(f"{kind}{lines[0]}")[:300]
        _LOG.warning("no pictures of %s: %s", tested.name, said)
        return Examples(note=f"No pictures: {said}")


def _draw(
    tested: Tested, prepared: Prepared, scored: Scored, count: int, deadline_s: float
) -> Examples:
    order = scored.worst_first()
    worst = order[: min(count, (len(order) + 1) // 2)]
    best = [file for file in order[::-1][:count] if file not in worst]
    predictor: Any = zoo.load(find_tested_model(tested), score_thr=SCORE_THR)
    drawer = _Drawer(prepared, predictor, tested.test.split)
    drawn: dict[str, Example] = {}
    # In turn, so that a short time still shows both.
    for file in _in_turn(worst, best):
        if time.monotonic() > deadline_s:
            break
        drawn[file] = drawer.draw(file, scored.values[file])
    left_out = len(worst) + len(best) - len(drawn)
    late = f"{left_out} of {len(worst) + len(best)} pictures are left out: time was up."
    notes = [told_of_test(tested.test), late if left_out else ""]
    return Examples(
        worst=[drawn[file] for file in worst if file in drawn],
        best=[drawn[file] for file in best if file in drawn],
        score_name=scored.name,
        colors=drawer.colors(),
        note=" ".join(filter(None, notes)),
        notice=drawer.notice,
    )


def _in_turn(first: Sequence[str], second: Sequence[str]) -> Iterator[str]:
    for index in range(max(len(first), len(second))):
        yield from first[index : index + 1]
        yield from second[index : index + 1]


class _Drawer:
    """Draws images of one prepared folder."""

    def __init__(self, prepared: Prepared, predictor: Any, split: str) -> None:
        self._prepared, self._predictor = prepared, predictor
        self._split = split if split in SPLITS else "test"
        self._rows = {row.stem: row for row in prepared.files}
        self._objects: dict[str, list[tuple[int, CocoAnnotation]]] | None = None
        self.notice = ""

    def colors(self) -> dict[str, str]:
        """Return class -> colour."""
        pairs = zip(self._prepared.classes, self._prepared.palette, strict=True)
        skipped = self._skipped()
        return {
            name: "#{:02x}{:02x}{:02x}".format(*color)
            for index, (name, color) in enumerate(pairs)
            if index not in skipped
        }

    def draw(self, file: str, score: float) -> Example:
        """Return the example of one image of the folder.

        Args:
            file: Its path in the data set; the stem names the image.
            score: Its score.
        """
        row = self._rows.get(Path(file).stem)  # no other file is opened
        if row is None:
            message = f"the image {printable(file)!r} is not in the prepared folder."
            raise DataError(message, path=self._prepared.root)
        path = self._prepared.root / "images" / row.image_name
        result = self._predictor(path)
        self.notice = self.notice or str(result.notice or "")
        is_picture = self._prepared.bands is None
        image = read_picture(path).to_uint8() if is_picture else result.shown
        height, width = image.shape[:2]
        scale = min(1.0, _SIDE_PX / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = resize_image(image, size)
        if self._prepared.task == "semantic":
            truth = np.asarray(
                read_picture(self._prepared.root / "masks" / f"{row.stem}.png").pixels, np.uint8
            )
            maps = (truth, result.labels)
        else:
            maps = (self._true_map(row.stem, height, width), self._predicted_map(result))
        palette, skipped = self._palette(), self._skipped()
        pictures = [
            draw_overlay(small, resize_mask(each, size), palette, skip=skipped, contour_px=1)
            for each in maps
        ]
        truth_at, predicted_at = (_address(encode_jpeg(each, quality=85)) for each in pictures)
        return Example(file, score, truth_at, predicted_at, *size)

    def _skipped(self) -> frozenset[int]:
        if self._prepared.task == "instance":
            return frozenset()
        return background(self._prepared.classes)

    def _palette(self) -> list[tuple[int, int, int]]:
        own = list(self._prepared.palette)
        if self._prepared.task == "semantic":
            return own
        return [own[index % len(own)] for index in range(_MOST_IDS)]

    def _paint(self, labels: NDArray[np.uint8], place: int, label: int, mask: Any) -> None:
        """Give an object an id of its class; neighbours get different ones, and so outlines."""
        count = len(self._prepared.classes)
        labels[mask] = label + count * (place % max(1, _MOST_IDS // count))

    def _predicted_map(self, result: Any) -> NDArray[np.uint8]:
        labels = np.full((result.height_px, result.width_px), _UNKNOWN, np.uint8)
        for index in range(len(result))[::-1]:
            if result.scores[index] < SCORE_THR:
                continue
            if result.masks is None:
                left, top, right, bottom = np.rint(result.boxes[index]).astype(int).clip(0)
                mask: Any = np.s_[top:bottom, left:right]
            else:
                mask = result.mask(index)
            self._paint(labels, index, int(result.class_ids[index]), mask)
        return labels

    def _true_map(self, stem: str, height: int, width: int) -> NDArray[np.uint8]:
        from pycocotools import mask as coco

        labels = np.full((height, width), _UNKNOWN, np.uint8)
        for place, (label, annotation) in enumerate(self._annotations().get(stem, ())):
            found = annotation.segmentation
            if found is None and annotation.box is not None:
                left, top, right, bottom = (round(side) for side in annotation.box)
                self._paint(labels, place, label, np.s_[top:bottom, left:right])
            elif found:
                runs = coco.frPyObjects(found, height, width) if _is_plain(found) else [found]
                whole = coco.merge(runs) if isinstance(runs, list) else runs
                self._paint(labels, place, label, coco.decode(whole).astype(bool))
        return labels

    def _annotations(self) -> dict[str, list[tuple[int, CocoAnnotation]]]:
        if self._objects is None:
            self._objects = {}
            path = self._prepared.root / "annotations" / f"{self._split}.json"
            content = read_coco(path.read_bytes(), str(path))
            places = {key: index for index, key in enumerate(content.categories)}
            stems = {each.id: Path(each.file_name).stem for each in content.images}
            for each in content.annotations:
                found = self._objects.setdefault(stems[each.image_id], [])
                found.append((places[each.category_id], each))
        return self._objects


def _is_plain(segmentation: Any) -> bool:
    """Return whether it is polygons, or run lengths as a list of numbers."""
    return not isinstance(segmentation, dict) or isinstance(segmentation.get("counts"), list)


def _address(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode('ascii')}"
