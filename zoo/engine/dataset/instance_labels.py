# SPDX-License-Identifier: Apache-2.0
"""Check that the instances of a COCO JSON reach the loss: count them before and after the pipeline.

mmdet drops instances silently: those whose mask a loading transform cannot represent become
ignored, and those of area 0 are skipped. Training then runs with losses of 0.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.data.coco.reading import LIMITS
from zoo.documents import DocumentError, read_json, reason_of
from zoo.engine.random_state import random_state, set_random_state
from zoo.errors import ConfigError, DataError, ZooError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["LabelCount", "check_instance_labels", "count_labels", "count_training_labels"]

_MOST_IMAGES = 48  # through the pipeline; each kind of mask is among them
_MOST_SECONDS = 20.0
_CROWDS = "if each is one object, iscrowd must be 0: use zoo data prepare --crowds instances."


@dataclass(slots=True)
class LabelCount:
    """The objects that a data set states, and how many of them are loaded.

    Attributes:
        images: In the data set.
        stated: Objects in the JSON, of its images and classes, crowds left out.
        crowds: Of these, beside the objects.
        outside: Objects whose box covers less than a pixel of its image, which nobody can learn.
        kept: Objects that the data set keeps of the JSON.
        kinds: How many objects have polygons, run lengths or a box alone.
        seen_images: How many images went through the pipeline.
        seen: Objects of those.
        loaded: Of these, what the loading transform does not mark as ignored.
        packed: Of these, those that the whole pipeline returned, crops included.
        lost: Kinds of the objects in images that lost some.
        loader: Place and transform that loads them.
    """

    images: int = 0
    stated: int = 0
    crowds: int = 0
    outside: int = 0
    kept: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    seen_images: int = 0
    seen: int = 0
    loaded: int = 0
    packed: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    loader: tuple[int, Any] | None = None

    def text(self) -> str:
        """Return it in words: what was counted, and where."""
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        parts = [
            f"{self.kept} of {self.stated} objects in {self.images} images ({kinds or 'none'})"
        ]
        parts += [f"{self.crowds} crowds, ignored"] if self.crowds else []
        parts += [f"{self.outside} smaller than a pixel, left out"] if self.outside else []
        looked = f"{self.loaded} of {self.seen} loaded in the {self.seen_images} images looked at"
        return "; ".join([*parts, looked])


def check_instance_labels(dataset: Any, key: str) -> list[LabelCount]:
    """Raise where objects of a COCO JSON do not reach the loss; return what was counted.

    All annotations are counted. At most 48 images go through the pipeline, for 20 seconds at most,
    those of each kind of mask among them. Random numbers are left as they were.

    Args:
        dataset: As built, wrapped or not; what reads no COCO JSON is passed over.
        key: Its dotted key in the config, for messages.

    Raises:
        DataError: There is no object, only crowds, or some that are not loaded.
    """
    counts = []
    for place, leaf in _leaves(dataset, key):
        path = Path(str(getattr(leaf, "ann_file", "") or ""))
        if path.suffix == ".json" and path.is_file() and hasattr(leaf, "cat_ids"):
            counts.append(count_labels(leaf))
            _check(counts[-1], place, path)
    return counts


def count_training_labels(config: Config) -> list[LabelCount]:
    """Build a config's training data set and return what `check_instance_labels` counts of it.

    Args:
        config: As `read_config` returns it.

    Raises:
        ConfigError: It has no training data, or that cannot be built.
        DataError: As of `check_instance_labels`.
    """
    from mmengine.registry import DATASETS, init_default_scope

    from zoo.engine.config.building import explaining

    if not config.get("train_dataloader"):
        message = "cannot count the objects: the config has no train_dataloader."
        raise ConfigError(message, where=config.filename, hint="give a trainable config.")
    init_default_scope(config.get("default_scope", "mmengine"))
    with explaining(config):
        dataset = DATASETS.build(config.train_dataloader["dataset"])
    return check_instance_labels(dataset, "train_dataloader.dataset")


def count_labels(dataset: Any) -> LabelCount:
    """Return what a data set of mmdet that reads COCO JSON states, and what it loads.

    Args:
        dataset: A built data set of mmdet, with ``ann_file`` and ``cat_ids``.

    Raises:
        DataError: The JSON, or an image that was looked at, cannot be read.
    """
    count = LabelCount(images=len(dataset))
    rows = _annotations(Path(dataset.ann_file))
    wanted = set(dataset.cat_ids)
    stated: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        if row.get("category_id") in wanted:
            stated.setdefault(row.get("image_id"), []).append(row)
    images = []
    for place in range(len(dataset)):
        info = dataset.get_data_info(place)
        kinds = _count_stated(count, stated.get(info.get("img_id"), ()), info)
        objects = sum(not one.get("ignore_flag") for one in info.get("instances", ()))
        count.kept += objects
        images.append((place, kinds, objects))
    state = random_state()
    try:
        _look(count, dataset, [image for image in images if image[2]])
    finally:
        set_random_state(state)
    return count


def _leaves(dataset: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield ``(dotted key, data set)`` of each inside wrappers, made ready."""
    if hasattr(dataset, "datasets"):
        for index, inner in enumerate(dataset.datasets):
            yield from _leaves(inner, f"{key}.datasets.{index}")
    elif hasattr(dataset, "dataset"):
        yield from _leaves(dataset.dataset, f"{key}.dataset")
    else:
        if hasattr(dataset, "full_init"):
            dataset.full_init()
        yield key, dataset


def _annotations(path: Path) -> list[dict[str, Any]]:
    try:
        content = read_json(path, LIMITS)
    except (OSError, DocumentError) as error:
        message = f"cannot count the objects of {path.name!r}: {reason_of(error)}."
        raise DataError(message, path=path, hint="give a complete COCO JSON.") from error
    rows = content.get("annotations") if isinstance(content, dict) else None
    return [row for row in rows or () if isinstance(row, dict)]


def _count_stated(
    count: LabelCount, rows: Sequence[Mapping[str, Any]], info: Mapping[str, Any]
) -> Counter[str]:
    """Count the annotations of an image, and return the kinds of its objects' masks."""
    kinds: Counter[str] = Counter()
    for row in rows:
        if row.get("iscrowd") or row.get("ignore"):
            count.crowds += 1
            continue
        count.stated += 1
        if _is_outside(row, info):
            count.outside += 1
        else:
            kinds[_kind(row.get("segmentation"))] += 1
    count.kinds += kinds
    return kinds


def _is_outside(row: Mapping[str, Any], info: Mapping[str, Any]) -> bool:
    x, y, width, height = row["bbox"]
    across = min(x + width, info["width"]) - max(x, 0)
    along = min(y + height, info["height"]) - max(y, 0)
    return bool(min(width, height) < 1 or min(across, along) <= 0)


def _kind(segmentation: Any) -> str:
    if not segmentation:
        return "boxes only"
    return "polygons" if isinstance(segmentation, list) else "run lengths"


def _look(count: LabelCount, dataset: Any, images: Sequence[tuple[int, Counter[str], int]]) -> None:
    """Run the pipeline on some images, and count what it loads."""
    end = time.monotonic() + _MOST_SECONDS
    for place, kinds, objects in _choose(images):
        if count.seen_images and time.monotonic() > end:
            break
        loaded, packed = _send(count, dataset, place)
        if loaded is None:
            return  # a pipeline that loads no instances
        count.seen_images += 1
        count.seen += objects
        count.loaded += loaded
        count.packed += packed
        if loaded < objects:
            count.lost += kinds


def _choose(
    images: Sequence[tuple[int, Counter[str], int]],
) -> list[tuple[int, Counter[str], int]]:
    """Return images evenly from first to last, some with each mixture of masks first."""
    by_kinds: dict[frozenset[str], list[tuple[int, Counter[str], int]]] = {}
    for image in images:
        by_kinds.setdefault(frozenset(image[1]), []).append(image)
    share = max(1, _MOST_IMAGES // max(1, len(by_kinds)))
    chosen = []
    for group in by_kinds.values():
        step = max(1.0, len(group) / share)
        chosen.append([group[int(index * step)] for index in range(int(len(group) / step))])
    longest = max(map(len, chosen), default=0)
    turns = [group[index] for index in range(longest) for group in chosen if index < len(group)]
    return turns[:_MOST_IMAGES]


def _send(count: LabelCount, dataset: Any, place: int) -> tuple[int | None, int]:
    """Return how many objects an image has after loading, and after the whole pipeline."""
    results = dataset.get_data_info(place)
    loaded: int | None = None
    for index, step in enumerate(dataset.pipeline.transforms):
        results = _step(step, results)
        if results is None:
            return loaded, 0
        if loaded is None and "gt_bboxes" in results:
            flags = results.get("gt_ignore_flags")
            loaded = len(results["gt_bboxes"]) - (0 if flags is None else int(flags.sum()))
            count.loader = (index, step)
    sample = results.get("data_samples")
    return loaded, len(sample.gt_instances) if sample is not None else (loaded or 0)


def _step(step: Any, results: dict[str, Any]) -> dict[str, Any] | None:
    """Return the result of a step of a pipeline.

    Raises:
        DataError: It fails, as mmdet's loader does where an object has a box and no mask.
    """
    path = str(results.get("img_path") or "")
    name = type(step).__name__
    try:
        done: dict[str, Any] | None = step(results)
    except ZooError:
        raise
    except KeyError as error:
        if error.args != ("mask",):
            raise _failed(name, path, error) from error
        message = f"cannot train on {Path(path).name!r}: one of its objects has a box but no "
        message += f"mask, and {name} needs one."
        hint = "use zoo data prepare to make masks from the boxes, or set with_mask=False there."
        raise DataError(message, path=path, hint=hint) from error
    except Exception as error:
        raise _failed(name, path, error) from error
    return done


def _failed(name: str, path: str, error: Exception) -> DataError:
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
    message = f"cannot train on {Path(path).name!r}: {name} of the pipeline fails on it: {reason}."
    hint = "check the file (zoo data check DIR) and that step's settings."
    return DataError(message, path=path or None, hint=hint)


def _check(count: LabelCount, key: str, path: Path) -> None:
    if not count.stated:
        found = f"{count.crowds} crowds but no object" if count.crowds else "no object"
        message = f"cannot train on {path.name!r}: found {found} in {count.images} images, "
        message += "expected some to train on."
        hint = _CROWDS if count.crowds else "give data with objects of the config's classes."
        raise DataError(message, path=path, hint=hint)
    if count.kept < count.stated - count.outside or not count.kept:
        lost = count.stated - count.kept
        message = (
            f"cannot train on {path.name!r}: mmdet leaves out {lost} of {count.stated} objects, "
        )
        message += "whose area is 0 or whose box has no pixel in its image, expected all of them."
        hint = "prepare the data with zoo data prepare, which sets areas and boxes, then use "
        hint += "--data DIR."
        raise DataError(message, path=path, hint=hint)
    if count.loaded < count.seen:
        raise _not_loaded(count, key, path)
    if count.seen and not count.packed:
        message = f"cannot train on {path.name!r}: not one of {count.seen} objects passes the "
        message += f"pipeline of {key} ({count.seen_images} images looked at)."
        raise DataError(message, path=path, hint=f"correct the steps of {key}.pipeline.")


def _not_loaded(count: LabelCount, key: str, path: Path) -> DataError:
    index, step = count.loader or (0, None)
    kinds = " or ".join(sorted(count.lost))
    message = f"cannot train on {path.name!r}: {count.seen - count.loaded} of {count.seen} objects "
    message += f"are lost by {type(step).__name__}, whose masks are {kinds} "
    message += f"({count.seen_images} of {count.images} images looked at), expected none."
    hint = f"load their masks: check {key}.pipeline.{index}."
    if getattr(step, "poly2mask", None) is False:
        hint = f"load run lengths too: --cfg-options {key}.pipeline.{index}.poly2mask=True."
    return DataError(message, path=path, hint=hint)
