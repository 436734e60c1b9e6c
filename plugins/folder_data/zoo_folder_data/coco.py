# SPDX-License-Identifier: Apache-2.0
"""Read a COCO JSON into scenes: find the file, the images, and a mask for each instance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePosixPath

from zoo.data import (
    IMAGE_SUFFIXES,
    CocoAnnotation,
    CocoFile,
    CocoImage,
    Instance,
    Report,
    Scene,
    Source,
    box_of_segmentation,
    compose,
    polygon_from_box,
)
from zoo.errors import DataError
from zoo_folder_data.arrangement import guess_arrangement
from zoo_folder_data.coco_images import find_images
from zoo_folder_data.layout import compile_group, find_group

__all__ = ["CocoScenes", "find_coco", "read_scenes"]

DERIVED = {
    "ellipse": "box without a mask: its ellipse is used",
    "box": "box without a mask: the box is used",
}
OTHER_BOX = "box did not fit its mask: recomputed from the mask"
NO_AREA = "box has no area"
NO_MASK = "mask has no area"
TWICE = "repeats an earlier annotation of its image"
NO_CROWD = "iscrowd 1 taken as one instance"

Box = tuple[float, float, float, float]
_LEAST_IOU = 0.5


@dataclass(frozen=True, slots=True)
class CocoScenes:
    """The content of a COCO JSON and its images.

    Args:
        scenes: One scene per image.
        classes: Names of the categories, in the order of their ids.
        derived: Number of masks made from boxes.
    """

    scenes: tuple[Scene, ...]
    classes: tuple[str, ...]
    derived: int


def find_coco(source: Source, name: str) -> str:
    """Return the path of the COCO JSON in a source.

    Args:
        source: The source to list.
        name: Path of the JSON, or ``""`` for the only one in the source.

    Raises:
        DataError: The source has no JSON, or has several and ``name`` is empty.
    """
    found = [file.path for file in source.files() if file.suffix == ".json"]
    if name:
        wanted = compose(name)
        exact = [path for path in found if compose(path) == wanted]
        fitting = exact or [path for path in found if compose(path).endswith(f"/{wanted}")]
    else:
        fitting = found
    if len(fitting) == 1:
        return fitting[0]
    listed = ", ".join(repr(path) for path in (fitting or found)[:5]) or "no .json"
    expected = repr(name) if name else "one COCO JSON"
    message = f"cannot find the annotations: found {listed}, expected {expected}."
    hint = "choose the file with --annotations, by its path in the source."
    if not found and guess_arrangement(source) is not None:
        hint = "images and masks without a COCO JSON are prepared with --task semantic."
    raise DataError(message, path=source.path, hint=hint)


def read_scenes(
    source: Source,
    path: str,
    content: CocoFile,
    report: Report,
    *,
    images: str,
    masks: str,
    crowds: str,
    group_by: str,
) -> CocoScenes:
    """Return the scenes of a COCO JSON, with a mask for every instance.

    A ``file_name`` is searched below the folder ``images``, beside the JSON, at the top of the
    source, and finally by its name alone, if exactly one file has it; see
    :func:`zoo_folder_data.coco_images.find_images`.

    Args:
        source: The source to list.
        path: Path of the JSON in the source.
        content: Content of the JSON.
        report: Receives images that the JSON does not name, and changes to annotations.
        images: Folder of the images.
        masks: ``ellipse`` or ``box``: mask of an instance that has only a box.
        crowds: Meaning of ``iscrowd`` 1. ``regions``: a region of objects that were not annotated
            separately; ``painted``: the same, where training does not need single objects;
            ``instances``: one object, for tools that set it for every RLE.
        group_by: See :func:`zoo_folder_data.layout.find_pairs`.

    Raises:
        DataError: An image is missing or named by a URL, ``group_by`` does not match, no image or
            no category is listed, or every object is a crowd of ``regions``.
    """
    _check_content(source, path, content, crowds)
    pattern = compile_group(group_by)
    places = find_images(source, path, content.images, images)
    by_image: dict[int, list[CocoAnnotation]] = {}
    for annotation in content.annotations:
        by_image.setdefault(annotation.image_id, []).append(annotation)
    order = {key: index for index, key in enumerate(content.categories)}
    maker = _InstanceMaker(path, order, masks, crowds, report)
    scenes = []
    for image in content.images:
        found = places[image.id]
        scenes.append(
            Scene(
                stem=found.key.replace("/", "__"),
                group=find_group(
                    pattern, (pattern and found.said) or found.key, source.where(found.path)
                ),
                image=found.path,
                instances=maker.make_all(image, by_image.get(image.id, [])),
                size=(image.width_px, image.height_px),
            )
        )
    _report_strangers(source, {found.path for found in places.values()}, report)
    report.count("images", len(content.images))
    report.count("annotations", len(content.annotations))
    return CocoScenes(tuple(scenes), tuple(content.categories.values()), maker.derived)


def _check_content(source: Source, path: str, content: CocoFile, crowds: str) -> None:
    """Raise if the JSON has nothing to learn from."""
    name, where = PurePosixPath(path).name, source.where(path)
    if not content.images:
        message = f"cannot use {name!r}: it lists no images."
        raise DataError(message, path=where, hint="give a COCO JSON of images.")
    if not content.categories:
        message = (
            f"cannot use {name!r}: its list 'categories' is empty, expected at least one class."
        )
        hint = "write each class as an object with id and name into 'categories'."
        raise DataError(message, path=where, hint=hint)
    count = len(content.annotations)
    if crowds == "regions" and count and all(each.is_crowd for each in content.annotations):
        message = f"cannot use {name!r}: each of its {count} objects has iscrowd 1, and "
        message += "training ignores crowds."
        hint = (
            "--crowds instances treats each as one object, as brush tools such as CVAT's mean it."
        )
        raise DataError(message, path=where, hint=hint)


class _InstanceMaker:
    """Convert annotations to instances, and count the masks made from boxes."""

    def __init__(
        self, path: str, order: Mapping[int, int], masks: str, crowds: str, report: Report
    ) -> None:
        self.path = path
        self.order = order
        self.masks = masks
        self.keeps_crowds = crowds != "instances"
        self.report = report
        self.derived = 0

    def make_all(
        self, image: CocoImage, annotations: Sequence[CocoAnnotation]
    ) -> tuple[Instance, ...]:
        """Return the instances of one image; drop those without area, report duplicates."""
        kept = []
        seen: dict[tuple[int, Box | None], list[object]] = {}
        for annotation in annotations:
            name = annotation.source or f"{self.path}:annotation {annotation.id}"
            alike = seen.setdefault((annotation.category_id, annotation.box), [])
            if annotation.segmentation in alike:
                self.report.note(name, TWICE)
            alike.append(annotation.segmentation)
            if annotation.segmentation is None:
                tight, reason = annotation.box, NO_AREA
            else:
                tight, reason = box_of_segmentation(annotation.segmentation), NO_MASK
            if tight is None or not _has_area(tight):
                self.report.drop(name, reason)
            else:
                kept.append(self._make(image, annotation, tight, name))
        return tuple(kept)

    def _make(
        self, image: CocoImage, annotation: CocoAnnotation, tight: Box, name: str
    ) -> Instance:
        """Return the instance with a mask and a matching box."""
        segmentation, box, repair = annotation.segmentation, annotation.box or tight, ""
        if segmentation is None:
            self.derived += 1
            repair = DERIVED[self.masks]
            segmentation = [polygon_from_box(box, self.masks)]
        elif not _fits(box, tight, image):
            box, repair = tight, OTHER_BOX
        is_crowd = annotation.is_crowd and self.keeps_crowds
        if annotation.is_crowd and not is_crowd:
            repair = f"{repair}; {NO_CROWD}" if repair else NO_CROWD
        category = self.order[annotation.category_id]
        return Instance(box, category, segmentation, name, is_crowd, repair=repair)


def _has_area(box: Box) -> bool:
    return box[0] < box[2] and box[1] < box[3]


def _fits(box: Box, tight: Box, image: CocoImage) -> bool:
    """Return whether a box is that of its mask, or of the part of the mask inside the image.

    Masks outside the image have no box; they are dropped for another reason.
    """
    x1, y1, x2, y2 = tight
    seen = (max(x1, 0), max(y1, 0), min(x2, image.width_px), min(y2, image.height_px))
    return not _has_area(seen) or max(_iou(box, tight), _iou(box, seen)) >= _LEAST_IOU


def _iou(first: Box, second: Box) -> float:
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    both = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return both / max(sum(areas) - both, 1e-9)


def _report_strangers(source: Source, used: Set[str], report: Report) -> None:
    folders = {str(PurePosixPath(place).parent) for place in used}
    for file in source.files():
        parent = str(PurePosixPath(file.path).parent)
        if parent in folders and file.path not in used and file.suffix in IMAGE_SUFFIXES:
            report.drop(file.path, "image that the annotations do not list")
