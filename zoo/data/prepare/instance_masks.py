# SPDX-License-Identifier: Apache-2.0
"""Instances from pictures of masks: one map of ids, or one mask for each object."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from zoo.data.coco.runs import rle_of_places
from zoo.data.prepare.instance import Instance
from zoo.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Categories", "instances_from_ids", "instances_from_masks"]

Categories = int | Mapping[int, int | None] | Callable[[int], int | None]

_MOST_INSTANCES = 100_000
_MOST_NAMED = 8


def instances_from_ids(
    ids: NDArray[np.integer], categories: Categories, *, background: int = 0, source: str = ""
) -> tuple[Instance, ...]:
    """Return the instance of each id in a map, by ascending id.

    An instance is all pixels of one id, whether they touch or not. Its mask is exact, holes
    included (RLE), and its box is the bounding box of its pixels.

    Args:
        ids: ``(H, W)``, integers ``>= 0``, such as a 16-bit PNG that
            ``decode_image(data, where, palette="index")`` returned.
        categories: Index of the class: one for all, a table id -> class, or a function of the id,
            such as ``lambda value: value // 1000``. None leaves the id out.
        background: The id that is no instance.
        source: File of the map, for messages and the report of a prepare run.

    Raises:
        DataError: The map has another type or shape, has more than 100,000 ids, or ids that the
            table lacks: each is named with its pixels and its first place.

    Example:
        >>> import numpy as np
        >>> (found,) = instances_from_ids(np.array([[0, 7], [0, 7]], np.uint16), 0)
        >>> found.box, found.area_px
        ((1.0, 0.0, 2.0, 2.0), 2)
    """
    import numpy as np

    _check_map(ids, source)
    height_px, width_px = ids.shape
    flat = ids.ravel(order="F")
    places = np.flatnonzero(flat != background)
    values = flat[places]
    order = np.argsort(values, kind="stable")
    values, places = values[order], places[order]
    is_first = np.ones(len(values), np.bool_)
    is_first[1:] = values[1:] != values[:-1]
    starts = np.flatnonzero(is_first)
    if len(starts) > _MOST_INSTANCES:
        message = f"cannot read instances: found {len(starts):,} ids, expected at most "
        message += f"{_MOST_INSTANCES:,}."
        raise DataError(message, where=source or None, hint="give a map of ids, not a picture.")
    parts = np.split(places, starts[1:])[: len(starts)]
    by_id = dict(zip((int(values[start]) for start in starts), parts, strict=True))
    chosen = _choose(by_id, categories, height_px, source)
    return tuple(
        _instance(part, height_px, width_px, category, f"{source}#{value}" if source else "")
        for value, part in by_id.items()
        if (category := chosen[value]) is not None
    )


def instances_from_masks(
    masks: Sequence[NDArray[np.generic]], categories: int | Sequence[int], *, source: str = ""
) -> tuple[Instance, ...]:
    """Return one instance for each mask, in their order; masks may overlap.

    An empty mask gives an instance without area, which a prepare run drops and reports.

    Args:
        masks: ``(K, H, W)``, or K arrays ``(H, W)`` of one shape; what is not 0 is the object.
        categories: Index of the class: one for all, or one for each mask.
        source: File of the masks, for the report of a prepare run.

    Raises:
        DataError: A mask has another shape than the first, or there are more masks than classes,
            fewer, or more than 100,000.

    Example:
        >>> import numpy as np
        >>> [each.category for each in instances_from_masks(np.ones((2, 4, 4), bool), [0, 2])]
        [0, 2]
    """
    import numpy as np

    count = len(masks)
    classes = [categories] * count if isinstance(categories, int) else list(categories)
    if count > _MOST_INSTANCES or len(classes) != count:
        wanted = f"{len(classes):,}, one for each class"
        if count > _MOST_INSTANCES:
            wanted = f"at most {_MOST_INSTANCES:,}"
        message = f"cannot read instances: found {count:,} masks, expected {wanted}."
        raise DataError(message, where=source or None, hint="give one class for each mask.")
    found = []
    for number, (mask, category) in enumerate(zip(masks, classes, strict=True)):
        if mask.ndim != 2 or mask.shape != masks[0].shape or not mask.size:
            message = f"cannot read mask {number}: found the shape {mask.shape}, expected "
            message += f"{masks[0].shape if masks[0].ndim == 2 else '(H, W)'}."
            raise DataError(message, where=source or None, hint="give masks of one size.")
        places = np.flatnonzero(mask.ravel(order="F"))
        where = f"{source}#{number}" if source else ""
        found.append(_instance(places, mask.shape[0], mask.shape[1], category, where))
    return tuple(found)


def _check_map(ids: NDArray[np.integer], source: str) -> None:
    import numpy as np

    if not np.issubdtype(ids.dtype, np.integer) or ids.ndim != 2 or not ids.size:
        found = f"{ids.dtype} of shape {ids.shape}"
        message = f"cannot read instances: found {found}, expected whole numbers of shape (H, W)."
        hint = "of a colour picture, add the channels to one number first."
        raise DataError(message, where=source or None, hint=hint)
    if int(ids.min()) < 0:
        message = f"cannot read instances: found the id {int(ids.min())}, expected 0 or more."
        raise DataError(message, where=source or None, hint="map negative values to 0 first.")


def _choose(
    by_id: Mapping[int, NDArray[np.int64]], categories: Categories, height_px: int, source: str
) -> dict[int, int | None]:
    """Return the class of each id, or None to leave it out."""
    if isinstance(categories, int):
        return dict.fromkeys(by_id, categories)
    if callable(categories):
        return {value: categories(value) for value in by_id}
    missing = [value for value in by_id if value not in categories]
    if missing:
        named = ", ".join(_spell(value, by_id[value], height_px) for value in missing[:_MOST_NAMED])
        more = f" and {len(missing) - _MOST_NAMED} more" if len(missing) > _MOST_NAMED else ""
        message = f"cannot read instances: found ids that the table lacks: {named}{more}."
        hint = "add them to the table; None leaves an id out."
        raise DataError(message, where=source or None, hint=hint)
    return {value: categories[value] for value in by_id}


def _spell(value: int, places: NDArray[np.int64], height_px: int) -> str:
    x, y = divmod(int(places[0]), height_px)
    return f"{value} ({len(places)} px, first at x={x} y={y})"


def _instance(
    places: NDArray[np.int64], height_px: int, width_px: int, category: int, source: str
) -> Instance:
    columns, rows = places // height_px, places % height_px
    box = (0.0, 0.0, 0.0, 0.0)
    if places.size:
        box = (
            float(columns[0]),
            float(rows.min()),
            float(columns[-1] + 1),
            float(rows.max() + 1),
        )
    rle = rle_of_places(places, height_px, width_px)
    return Instance(box, category, rle, source, area_px=int(places.size))
