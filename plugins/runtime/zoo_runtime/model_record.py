# SPDX-License-Identifier: Apache-2.0
"""What a file says of its model: ``zoo.format`` and ``zoo.model``, checked value by value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from zoo_runtime.copied.documents import DocumentError, Limits, parse_json
from zoo_runtime.copied.exported_values import (
    MAX_CLASSES,
    are_classes,
    are_colors,
    is_licence,
    is_text,
)
from zoo_runtime.copied.scenes.windows import Tiling
from zoo_runtime.errors import ModelError

__all__ = [
    "FORMAT",
    "Licence",
    "ModelRecord",
    "check_passed",
    "parse_certificate",
    "parse_record",
]

FORMAT = 1
"""The newest format of files that this version reads."""

_MODEL, _CERTIFICATE = "zoo.model", "zoo.certificate"
_LIMITS = Limits(size_bytes=2**22, values=100_000)
_LEAST_TILE_PX, _MOST_TILE_PX, _MOST_SHARED = 32, 2**16 - 1, 0.75
_EXPORT_ANEW = "export the model again."
_CERTIFIED = {
    "semantic": ("labels_differ",),
    "instance": ("detections_differ", "largest_box_px", "largest_score", "masks_differ"),
}
"""What a certificate must hold for a model of each task."""


@dataclass(frozen=True, slots=True)
class Licence:
    """The terms of a model.

    Attributes:
        weights: Licence of the weights, an SPDX expression or a text.
        data: Licence of the data that they were trained on.
        non_commercial: Whether that of the weights forbids commercial use; None if nobody says.
    """

    weights: str
    data: str
    non_commercial: bool | None = None


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What a file says of its model.

    Attributes:
        name: Of the model.
        task: ``semantic`` or ``instance``.
        classes: The name of each id.
        palette: The RGB colour of each id.
        licence: The terms of weights and data, or None.
        notice: What everyone who sees a result of this model should know, or None.
        postprocess: ``keep_largest`` and ``fill_holes``, or None.
        tiling: The windows through which large images are processed, or None.
        threshold: Above which probability a pixel is of the second of two classes; None for the
            most probable class.
        mask_threshold: The least probability of a pixel of a mask, if masks are probabilities.
        values: All that ``zoo.model`` holds, as it stands there.
    """

    name: str
    task: str
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    licence: Licence | None
    notice: str | None
    postprocess: Mapping[str, Any] | None
    tiling: Tiling | None
    threshold: float | None
    mask_threshold: float | None
    values: Mapping[str, Any]


def parse_record(metadata: Mapping[str, str], where: str) -> ModelRecord:
    """Return what a file says of its model.

    Args:
        metadata: The metadata of the file.
        where: The file, for messages.

    Raises:
        ModelError: It has no record, one of a newer format, or one of the wrong shape.
    """
    _check_format(metadata.get("zoo.format"), where)
    values = _parse(metadata, _MODEL, where)
    for key, (is_right, wanted) in _RULES.items():
        if not is_right(values.get(key)):
            fault = f"{key!r} is {values.get(key)!r:.80}, expected {wanted}"
            raise _wrong(fault, where)
    classes = tuple(values["classes"])
    palette = tuple((red, green, blue) for red, green, blue in values["palette"])
    if len(palette) != len(classes):
        fault = f"'palette' has {len(palette)} colours, expected {len(classes)}, one for each class"
        raise _wrong(fault, where)
    threshold = values.get("threshold")
    if threshold is not None and (values["task"] != "semantic" or len(classes) != 2):
        fault = f"'threshold' is {threshold!r:.80}, expected null, since it has "
        fault += f"{len(classes)} classes and the task {values['task']!r}"
        raise _wrong(fault, where)
    licence, tiling = values.get("licence"), values.get("tiling")
    if licence is not None:
        terms = (licence["weights"], licence["data"], licence.get("non_commercial"))
    return ModelRecord(
        name=values["name"],
        task=values["task"],
        classes=classes,
        palette=palette,
        licence=None if licence is None else Licence(*terms),
        notice=values.get("notice"),
        postprocess=values.get("postprocess"),
        tiling=None if tiling is None else as_tiling(tiling["tile_px"], tiling["overlap_px"]),
        threshold=None if threshold is None else float(threshold),
        mask_threshold=values.get("mask_threshold"),
        values=values,
    )


def parse_certificate(metadata: Mapping[str, str], where: str) -> Mapping[str, Any] | None:
    """Return the certificate of a file, or None without one.

    Args:
        metadata: The metadata of the file.
        where: The file, for messages.

    Raises:
        ModelError: It is not JSON, or names no digest.
    """
    if _CERTIFICATE not in metadata:
        return None
    certificate = _parse(metadata, _CERTIFICATE, where)
    if not isinstance(certificate.get("graph_sha256"), str):
        fault = f"cannot open {_name(where)!r}: its certificate names no graph_sha256."
        raise ModelError(fault, path=where, hint=_EXPORT_ANEW)
    return certificate


def check_passed(certificate: Mapping[str, Any], task: str, where: str) -> None:
    """Refuse a file whose certificate does not say that it is as good as its original.

    Args:
        certificate: Of the graph that is in the file.
        task: What the model predicts.
        where: The file, for messages.

    Raises:
        ModelError: It did not pass, or departs by more than it tolerates.
    """
    tolerance = certificate.get("tolerance")
    limits: Mapping[str, Any] = tolerance if isinstance(tolerance, dict) else {}
    fault = None
    if certificate.get("passed") is not True:
        fault = f"'passed' is {certificate.get('passed')!r:.60}, expected true"
    for key in _CERTIFIED[task] if fault is None else ():
        most: Any = limits.get(key)
        differ: Any = certificate.get(key)
        if not _is_share(most):
            fault = f"'tolerance' is {tolerance!r:.60}, expected a share as its {key!r}"
        elif not _is_share(differ) or differ > most:
            fault = f"{key!r} is {differ!r:.60}, expected at most {most}"
        if fault is not None:
            break
    if fault is not None:
        message = f"cannot open {_name(where)!r}: of its certificate, {fault}."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW)


def as_tiling(tile_px: int, overlap_px: int) -> Tiling:
    """Return windows of a side and an overlap in px."""
    return Tiling("tiles", tile_px, overlap_px, 0.0)


def _check_format(stated: str | None, where: str) -> None:
    name = _name(where)
    if stated is None:
        message = f"cannot open {name!r}: it is an ONNX file without zoo's record of the model."
        hint = "give an exported model: other ONNX files run in onnxruntime itself."
        raise ModelError(message, path=where, hint=hint)
    is_number = stated.isascii() and stated.isdigit() and len(stated) < 10
    if is_number and int(stated) > FORMAT:
        message = f"cannot open {name!r}: its format is {stated}, this version reads {FORMAT}."
        raise ModelError(message, path=where, hint="pip install -U mmzoo-runtime")
    if stated != str(FORMAT):
        message = f"cannot open {name!r}: its format is {stated!r:.40}, expected '{FORMAT}'."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW)


def _parse(metadata: Mapping[str, str], key: str, where: str) -> dict[str, Any]:
    try:
        found = parse_json(metadata.get(key, "").encode(), _LIMITS)
    except DocumentError as error:
        message = f"cannot open {_name(where)!r}: its {key} cannot be read: {error}."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW) from error
    if not isinstance(found, dict):
        message = f"cannot open {_name(where)!r}: its {key} is {found!r:.60}, expected an object."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW)
    return found


def _wrong(fault: str, where: str) -> ModelError:
    message = f"cannot open {_name(where)!r}: of its {_MODEL}, {fault}."
    return ModelError(message, path=where, hint=_EXPORT_ANEW)


def _name(where: str) -> str:
    return where.replace("\\", "/").rpartition("/")[2]


def _is_optional_text(value: Any) -> bool:
    return value is None or is_text(value)


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_tiling(value: Any) -> bool:
    if value is None:
        return True
    if not isinstance(value, dict) or set(value) != {"tile_px", "overlap_px"}:
        return False
    return all(type(side) is int for side in value.values()) and fits_tiling(**value)


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= 1


def _is_threshold(value: Any) -> bool:
    return value is None or _is_share(value)


def fits_tiling(tile_px: int, overlap_px: int) -> bool:
    """Return whether windows are neither tiny nor almost the same."""
    return _LEAST_TILE_PX <= tile_px <= _MOST_TILE_PX and 0 <= overlap_px <= _MOST_SHARED * tile_px


_RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "name": (is_text, "a text"),
    "task": (lambda value: value in ("semantic", "instance"), "'semantic' or 'instance'"),
    "classes": (are_classes, f"1 to {MAX_CLASSES} different names"),
    "palette": (are_colors, "a list of colours of three numbers from 0 to 255"),
    "licence": (is_licence, "an object with 'weights' and 'data', or null"),
    "notice": (_is_optional_text, "a text, or null"),
    "postprocess": (_is_object, "an object, or null"),
    "tiling": (_is_tiling, "an object with 'tile_px' and 'overlap_px', or null"),
    "threshold": (_is_threshold, "a number from 0 to 1, or null"),
    "mask_threshold": (
        lambda value: value is None or (_is_share(value) and value > 0),
        "a number above 0 and up to 1, or null",
    ),
}
