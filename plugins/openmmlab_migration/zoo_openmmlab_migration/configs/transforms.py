# SPDX-License-Identifier: Apache-2.0
"""Single steps of pipelines: new names, new arguments, and sides in the order of mmcv 2.x."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["backend_arguments", "migrate_transform"]

_LEVELS = 10
_COLORS = {
    "ColorTransform": "Color",
    "EqualizeTransform": "Equalize",
    "BrightnessTransform": "Brightness",
    "ContrastTransform": "Contrast",
}
_LOADS = frozenset(
    {
        *("LoadImageFromFile", "LoadAnnotations", "LoadPanopticAnnotations"),
        *("LoadMultiChannelImageFromFiles", "LoadProposals"),
    }
)
# mmdet 2.x gives (height, width), mmdet 3.x (width, height).
_TURNED = {
    "Mosaic": "img_scale",
    "MixUp": "img_scale",
    "RandomAffine": "border",
    "RandomCenterCropPad": "crop_size",
}
# Boxes are filtered by FilterAnnotations after these steps now.
_FILTERS = ("min_bbox_size", "skip_filter", "min_area_ratio", "max_aspect_ratio")


def migrate_transform(
    work: Work, place: str, kind: str, rest: dict[str, Any]
) -> dict[str, Any] | None:
    """Return what replaces one step, or None if nothing does.

    Args:
        work: The migration.
        place: The step's key, for the ledger.
        kind: Its old type.
        rest: Its other arguments.
    """
    if kind in _LOADS:
        rest = {**rest, **backend_arguments(work, place, rest)}
        rest.pop("file_client_args", None)
    change = _CHANGES.get(kind) if not (work.is_seg and kind in _DET_ONLY) else None
    if change is None:
        return {"type": kind, **rest}
    return change(work, place, kind, dict(rest))


def backend_arguments(work: Work, place: str, rest: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``backend_args`` for ``file_client_args``; the local disk needs none.

    Args:
        work: The migration.
        place: The key of what has them.
        rest: Its arguments.
    """
    client = rest.get("file_client_args")
    if not isinstance(client, Mapping):
        return {}
    if client.get("backend") == "disk" and len(client) == 1:
        work.ledger.drop(f"{place}.file_client_args", "the disk is the default")
        return {}
    work.ledger.change(f"{place}.file_client_args", "backend_args")
    return {"backend_args": dict(client)}


def _flip(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    if "flip_ratio" in rest:
        rest = {"prob": rest.pop("flip_ratio"), **rest}
        work.ledger.change(f"{place}.flip_ratio", "prob")
    rest = {name: value for name, value in rest.items() if value is not None or name != "prob"}
    if "prob" not in rest:
        return {"type": kind, "prob": 0.0, **rest}
    return {"type": kind, **rest}


def _crop(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Turn (height, width) around, unless the pair is a range."""
    if rest.get("crop_type", "absolute") in ("absolute", "relative"):
        return _turned(work, place, kind, rest, "crop_size")
    return {"type": kind, **rest}


def _turned(
    work: Work, place: str, kind: str, rest: dict[str, Any], name: str = ""
) -> dict[str, Any]:
    name = name or _TURNED[kind]
    pair = rest.get(name)
    if isinstance(pair, (list, tuple)) and len(pair) == 2:
        rest[name] = (pair[1], pair[0])
        if pair[0] != pair[1]:
            work.ledger.change(f"{place}.{name}", "(width, height), no longer (height, width)")
    for filtering in _FILTERS:
        if filtering in rest:
            rest.pop(filtering)
            text = "FilterAnnotations after it decides which boxes are kept"
            work.ledger.change(f"{place}.{filtering}", text)
    return {"type": kind, **rest}


def _shift(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    if "shift_ratio" in rest:
        rest["prob"] = rest.pop("shift_ratio")
        work.ledger.change(f"{place}.shift_ratio", "prob")
    return {"type": kind, **rest}


def _labels(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    for name in ("denorm_bbox", "normed_bbox"):
        if rest.pop(name, False) and not _is_open_images(work):
            why = "mmdet 3.x reads boxes in pixels only"
            work.ledger.lose(f"{place}.{name}", why, "let the data set multiply by the size.")
    return {"type": kind, **rest}


def _is_open_images(work: Work) -> bool:
    return "OpenImages" in repr(work.old.get("data"))


def _policies(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Return ``RandomChoice``, which is what ``AutoAugment`` does, over migrated steps."""
    from zoo_openmmlab_migration.configs.pipelines import Pipeline
    from zoo_openmmlab_migration.configs.work import Preprocessing

    made = []
    for number, policy in enumerate(rest.pop("policies", [])):
        inner = Pipeline(work, f"{place}.policies[{number}]", Preprocessing())
        made.append(inner.run(policy))
    work.ledger.change(place, "RandomChoice")
    work.leave(place, rest)
    return {"type": "RandomChoice", "transforms": made}


def _albu(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    rest.pop("update_pad_shape", None)
    boxes = rest.get("bbox_params")
    if isinstance(boxes, Mapping) and boxes.get("label_fields"):
        renamed = ["gt_bboxes_labels" if e == "gt_labels" else e for e in boxes["label_fields"]]
        rest["bbox_params"] = {**boxes, "label_fields": renamed}
        work.ledger.change(f"{place}.bbox_params.label_fields", "gt_bboxes_labels")
    return {"type": kind, **rest}


def _color(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    made = {"type": _COLORS[kind], "prob": rest.pop("prob", 0.5)}
    if "level" in rest:
        made["level"] = _level(work, place, rest.pop("level"))
    work.ledger.change(place, made["type"])
    work.leave(place, rest)
    return made


def _level(work: Work, place: str, level: float) -> int:
    if level != int(level):
        why = "levels are whole numbers now"
        work.ledger.lose(f"{place}.level", why, "choose a whole level near it.")
    return round(level)


def _geometric(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    """Return Rotate, ShearX or ShearY of equal strength at the given level."""
    level, probability = rest.pop("level", _LEVELS), rest.pop("prob", 0.5)
    made: dict[str, Any] = {"prob": probability, "level": _level(work, place, level)}
    renamed = {"random_negative_prob": "reversal_prob", "img_fill_val": "img_border_value"}
    for old, new in renamed.items():
        if old in rest:
            made[new] = rest.pop(old)
    if isinstance(made.get("img_border_value"), list):
        made["img_border_value"] = tuple(made["img_border_value"])
    made |= {n: rest.pop(n) for n in ("seg_ignore_label", "interpolation") if n in rest}
    if kind == "Rotate":
        made["max_mag"] = float(rest.pop("max_rotate_angle", 30))
        for name, plain in (("scale", 1), ("center", None)):
            if rest.get(name, plain) == plain:
                rest.pop(name, None)
        work.leave(place, rest)
        return {"type": "Rotate", **made}
    axis = "X" if rest.pop("direction", "horizontal") == "horizontal" else "Y"
    tangent = level / _LEVELS * rest.pop("max_shear_magnitude", 0.3)
    made["max_mag"] = math.degrees(math.atan(tangent)) * _LEVELS / max(level, 1)
    work.ledger.change(place, f"Shear{axis}, with its strength as an angle")
    work.leave(place, rest)
    return {"type": f"Shear{axis}", **made}


def _translate(work: Work, place: str, kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    axis = "X" if rest.pop("direction", "horizontal") == "horizontal" else "Y"
    offset = rest.pop("max_translate_offset", 250.0)
    why = f"mmdet 3.x translates by a share of the image, and this by up to {offset:g} px"
    work.ledger.lose(place, why, "set max_mag to that share of your images' side.")
    level = _level(work, place, rest.pop("level", _LEVELS))
    rest.pop("min_size", None)
    made = {"type": f"Translate{axis}", "prob": rest.pop("prob", 0.5), "level": level}
    if "random_negative_prob" in rest:
        made["reversal_prob"] = rest.pop("random_negative_prob")
    if "img_fill_val" in rest:
        made["img_border_value"] = rest.pop("img_fill_val")
    if "seg_ignore_label" in rest:
        made["seg_ignore_label"] = rest.pop("seg_ignore_label")
    work.leave(place, rest)
    return made


_Change = Callable[[Work, str, str, dict[str, Any]], dict[str, Any] | None]
_CHANGES: Mapping[str, _Change] = {
    "RandomFlip": _flip,
    "RandomCrop": _crop,
    "RandomShift": _shift,
    "LoadAnnotations": _labels,
    "AutoAugment": _policies,
    "Albu": _albu,
    "Rotate": _geometric,
    "Shear": _geometric,
    "Translate": _translate,
    **dict.fromkeys(_TURNED, _turned),
    **dict.fromkeys(_COLORS, _color),
}
_DET_ONLY = frozenset(_CHANGES) - {"RandomFlip"}
