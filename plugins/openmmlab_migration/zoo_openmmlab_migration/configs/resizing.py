# SPDX-License-Identifier: Apache-2.0
"""The old ``Resize``, which was fixed or random by its arguments, as the class for each case."""

from __future__ import annotations

from typing import Any

from zoo_openmmlab_migration.configs.work import Work

__all__ = ["as_pair", "migrate_resize"]

_COMMON = ("keep_ratio", "backend", "interpolation")


def migrate_resize(
    work: Work, place: str, step: dict[str, Any], scale: Any = None
) -> dict[str, Any]:
    """Return what replaces an old ``Resize``.

    Args:
        work: The migration.
        place: The step's key, for the ledger.
        step: Its arguments without ``type``.
        scale: The scale of the ``MultiScaleFlipAug`` around it, if any.
    """
    scales = _scales(step.pop("img_scale", None), scale)
    ratios, mode = step.pop("ratio_range", None), step.pop("multiscale_mode", "range")
    factor, shortest = step.pop("scale_factor", None), step.pop("min_size", None)
    common: dict[str, Any] = {"keep_ratio": step.pop("keep_ratio", True)}
    common |= {name: step.pop(name) for name in _COMMON if name in step}
    if "bbox_clip_border" in step:
        common["clip_object_border"] = step.pop("bbox_clip_border")
    if step.pop("override", False):
        work.ledger.drop(f"{place}.override", "each Resize of mmcv 2.x resizes what it gets")
    work.leave(place, step)
    if shortest is not None and scales:
        longest = max(scales[0])
        return {"type": "ResizeShortestEdge", "scale": shortest, "max_size": longest}
    if ratios is not None:
        return _by_ratio(work, place, scales, tuple(ratios), common)
    if len(scales) > 1:
        return _among(scales, mode, common)
    if scales:
        return {"type": "Resize", "scale": scales[0], **common}
    if factor is not None:
        return {"type": "Resize", "scale_factor": factor, **common}
    why = "it states no scale"
    work.ledger.lose(place, why, "give it scale or scale_factor.")
    return {"type": "Resize", "scale_factor": 1.0, **common}


def _scales(stated: Any, around: Any) -> list[tuple[int, int]]:
    """Return the scales, each a pair of pixels."""
    found = stated if stated is not None else around
    if found is None:
        return []
    if isinstance(found, (int, float)):
        return [(int(found), int(found))]
    if found and isinstance(found[0], (list, tuple)):
        return [as_pair(each) for each in found]
    return [as_pair(found)]


def as_pair(value: Any) -> tuple[int, int]:
    """Return two sides in pixels, from a pair or from one number for both.

    Args:
        value: A number, or two.
    """
    if isinstance(value, (int, float)):
        return int(value), int(value)
    first, second = value
    return first, second


def _by_ratio(
    work: Work,
    place: str,
    scales: list[tuple[int, int]],
    ratios: tuple[float, float],
    common: dict[str, Any],
) -> dict[str, Any]:
    if not scales:
        # Relative to the image itself, which mmcv 2.x cannot draw at random.
        why = "RandomResize of mmcv 2.x needs a scale that the ratios multiply"
        work.ledger.lose(f"{place}.ratio_range", why, "set scale to the usual size of your images.")
        return {"type": "RandomResize", "scale": (1024, 1024), "ratio_range": ratios, **common}
    return {"type": "RandomResize", "scale": scales[0], "ratio_range": ratios, **common}


def _among(scales: list[tuple[int, int]], mode: str, common: dict[str, Any]) -> dict[str, Any]:
    if mode == "value":
        return {"type": "RandomChoiceResize", "scales": scales, **common}
    # Long and short sides were drawn apart, whatever their order.
    ordered = [(max(each), min(each)) for each in scales]
    is_mixed = len({each[0] >= each[1] for each in scales}) > 1
    return {"type": "RandomResize", "scale": ordered if is_mixed else scales, **common}
