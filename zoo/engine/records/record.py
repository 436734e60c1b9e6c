# SPDX-License-Identifier: Apache-2.0
"""A model's record: everything needed to build it, feed it and judge it, as plain values."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.documents import DocumentError, parse_json
from zoo.engine.cleaning.postprocess import EXPECTED as EXPECTED_POSTPROCESS
from zoo.engine.cleaning.postprocess import is_postprocess, parse_postprocess
from zoo.engine.records.config_values import record_parts, short
from zoo.engine.scenes.tiling import EXPECTED, is_tiling
from zoo.errors import CheckpointError
from zoo.weights.row_check import HEADER_LIMITS

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["SCHEMA", "ModelRecord", "make_record", "parse_record"]

SCHEMA = 1
_OPTIONAL = frozenset({"tiling", "notice", "postprocess", "non_commercial"})
_TUPLE = "$tuple"  # JSON has lists only, and mmcv tells (256, 256) from [256, 256]


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """What a published file states about its weights.

    Attributes:
        schema: Version of this format.
        name: Name of the weights.
        task: ``semantic`` or ``instance``.
        scope: mmengine scope in which plain type names are looked up, such as ``mmseg``.
        model: Resolved model config, including its ``data_preprocessor``; nothing of training.
        pipeline: Transforms from an image's path to the model's input.
        classes: Class names; the position is the id.
        palette: One ``(red, green, blue)`` in 0..255 for each class.
        labels: ``true``, ``derived`` where masks were drawn from something else, or ``synthetic``
            where a plugin drew pictures and labels.
        licence: Licence of the weights.
        data_licence: Of the data they were trained on.
        trained_with: Name of the config.
        parameters: Number of parameters, without buffers.
        metrics: Rows of name, value, dataset, split, labels, protocol.
        provenance: How the weights were made: seed, steps, versions, digests, ...
        tiling: ``tile_px`` and ``overlap_px`` of the windows through which an instance model sees
            scenes; None, and left out of the file, where it sees them whole.
        notice: A sentence that everybody who sees a result should read; None, and left out of the
            file, where there is nothing to say.
        postprocess: What is done to label maps after prediction, as `Postprocess.to_json` gives
            it; None, and left out of the file, for nothing.
        non_commercial: Whether the licence of the weights forbids commercial use; None, and left
            out of the file, if nobody says.
    """

    name: str
    task: str
    scope: str
    model: Mapping[str, Any]
    pipeline: Sequence[Any]
    classes: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]
    labels: str
    licence: str
    data_licence: str
    trained_with: str
    parameters: int
    metrics: tuple[Mapping[str, Any], ...]
    provenance: Mapping[str, Any]
    schema: int = SCHEMA
    tiling: Mapping[str, int] | None = None
    notice: str | None = None
    postprocess: Mapping[str, Any] | None = None
    non_commercial: bool | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The record as the part of an mmengine config that building and predicting read."""
        metainfo = {"classes": self.classes, "palette": [list(color) for color in self.palette]}
        return {
            "default_scope": self.scope,
            "model": dict(self.model),
            "test_pipeline": list(self.pipeline),
            "test_dataloader": {"dataset": {"metainfo": metainfo, "pipeline": list(self.pipeline)}},
            "tiling": None if self.tiling is None else dict(self.tiling),
            "postprocess": None if self.postprocess is None else dict(self.postprocess),
        }

    def to_json(self) -> str:
        """Return the record as one line of JSON, equal for equal records."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name in _OPTIONAL:
            if values[name] is None:
                del values[name]
        return json.dumps(_encoded(values), sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse_record(text: str, where: str | Path) -> ModelRecord:
    """Return the record that `ModelRecord.to_json` wrote; its types are not yet checked.

    Args:
        text: JSON.
        where: The file that contains it, for messages.

    Raises:
        CheckpointError: It is not JSON, has a newer schema, or a value is missing or invalid.
    """
    try:
        values = _decoded(parse_json(text.encode(errors="replace"), HEADER_LIMITS))
    except DocumentError as error:
        raise _bad(where, str(error)) from error
    if not isinstance(values, dict):
        raise _bad(where, f"found a {type(values).__name__}, expected a table")
    if values.get("schema") != SCHEMA:
        found = values.get("schema")
        hint = "upgrade zoo: pip install -U mmzoo."
        raise _bad(where, f"found schema {found!r}, expected {SCHEMA}", hint)
    names = {field.name for field in dataclasses.fields(ModelRecord)}
    missing, unknown = names - set(values) - _OPTIONAL, set(values) - names
    for kind, keys in (("missing", missing), ("unknown", unknown)):
        if keys:
            raise _bad(where, f"{kind} {', '.join(sorted(map(repr, keys)))}")
    for key, (fits, expected) in _FIELDS.items():
        if key in values and not fits(values[key]):
            raise _bad(where, f"{key} is {short(values[key])}, expected {expected}")
    return ModelRecord(**{**values, "model": _without_handed_on(values["model"])})


def _without_handed_on(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a detector without what its constructor writes into the configs of its heads.

    mmdet's detectors hand on their own ``train_cfg`` and ``test_cfg`` so, and what is handed on
    got into files that were published of a config that had been built. They write it anew.
    """
    whole = model.get("test_cfg")
    handed: dict[str, Any] = {"bbox_head": whole, "mask_head": whole}
    if isinstance(whole, Mapping):
        handed |= {"roi_head": whole.get("rcnn"), "rpn_head": whole.get("rpn")}
    kept = dict(model)
    for name, settings in handed.items():
        head = kept.get(name)
        if isinstance(head, Mapping) and settings is not None and head.get("test_cfg") == settings:
            ours = ("test_cfg", "train_cfg")
            kept[name] = {key: value for key, value in head.items() if key not in ours}
    return kept


def make_record(
    config: Config,
    *,
    name: str,
    task: str,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    labels: str,
    licence: str,
    data_licence: str,
    trained_with: str,
    parameters: int,
    metrics: Sequence[Mapping[str, Any]] = (),
    provenance: Mapping[str, Any] | None = None,
    notice: str | None = None,
    non_commercial: bool | None = None,
) -> ModelRecord:
    """Return the record of a model from its resolved training config.

    ``init_cfg``, ``pretrained`` and ``train_cfg`` are left out, and so are the losses of plugins:
    a head without one predicts the same. ``_scope_`` marks become scopes before the type names.

    Args:
        config: The config as trained; the pipeline is that of its ``test_dataloader``.
        name: Name of the weights; the other arguments are `ModelRecord`'s attributes.
        task: ``semantic`` or ``instance``.
        classes: Class names with which the weights were trained.
        palette: One RGB colour for each class.
        labels: ``true``, ``derived`` or ``synthetic``.
        licence: Licence of the weights.
        data_licence: Of the data.
        trained_with: Name of the config.
        parameters: Number of parameters.
        metrics: Rows of values with data set, split and protocol.
        provenance: Plain values on how the weights were made.
        notice: A sentence that everyone who sees a result should read, or None.
        non_commercial: Whether the licence forbids commercial use, or None.

    Raises:
        CheckpointError: The config has no test pipeline, or a value that is not plain.
        ConfigError: It states a postprocessing that does not fit its model.
    """
    scope, model, pipeline = record_parts(config)
    record = ModelRecord(
        name=name,
        task=task,
        scope=scope,
        model=model,
        pipeline=pipeline,
        classes=tuple(classes),
        palette=tuple((int(r), int(g), int(b)) for r, g, b in palette),
        labels=labels,
        licence=licence,
        data_licence=data_licence,
        trained_with=trained_with,
        parameters=parameters,
        metrics=tuple(dict(row) for row in metrics),
        provenance=dict(provenance or {}),
        tiling=config.get("tiling"),
        notice=notice,
        postprocess=_stated_postprocess(config, task, classes),
        non_commercial=non_commercial,
    )
    # What is written must be what can be read.
    return parse_record(record.to_json(), name)


def _stated_postprocess(
    config: Config, task: str, classes: Sequence[str]
) -> Mapping[str, Any] | None:
    stated = parse_postprocess(config.get("postprocess"), classes, task=task)
    return stated.to_json() if stated else None


def _encoded(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {str(key): _encoded(value) for key, value in node.items()}
    if isinstance(node, (list, tuple)):
        parts = [_encoded(value) for value in node]
        return {_TUPLE: parts} if isinstance(node, tuple) else parts
    return node


def _decoded(node: Any) -> Any:
    if isinstance(node, dict):
        if set(node) == {_TUPLE} and isinstance(node[_TUPLE], list):
            return tuple(_decoded(value) for value in node[_TUPLE])
        return {key: _decoded(value) for key, value in node.items()}
    return [_decoded(value) for value in node] if isinstance(node, list) else node


def _is_text(value: Any) -> bool:
    if not isinstance(value, str) or not 0 < len(value) <= 500:
        return False
    return not any("\ud800" <= each <= "\udfff" for each in value)  # JSON may halve a character


def _is_color(value: Any) -> bool:
    is_triple = isinstance(value, tuple) and len(value) == 3
    return is_triple and all(type(v) is int and 0 <= v <= 255 for v in value)


def _is_pipeline(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_typed(step) for step in value)


def _is_typed(value: Any) -> bool:
    return isinstance(value, dict) and "type" in value


def _is_rows(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(row, dict) for row in value)


_TEXT: tuple[Callable[[Any], bool], str] = (_is_text, "a text")
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "name": _TEXT,
    "task": (lambda v: v in ("semantic", "instance"), "'semantic' or 'instance'"),
    "scope": (lambda v: v in ("mmseg", "mmdet", "mmengine"), "'mmseg', 'mmdet' or 'mmengine'"),
    "model": (_is_typed, "a model config"),
    "pipeline": (_is_pipeline, "a list of transforms"),
    "classes": (lambda v: isinstance(v, tuple) and all(map(_is_text, v)), "a tuple of texts"),
    "palette": (lambda v: isinstance(v, tuple) and all(map(_is_color, v)), "RGB colours in 0..255"),
    "labels": (
        lambda v: v in ("true", "derived", "synthetic"),
        "'true', 'derived' or 'synthetic'",
    ),
    "licence": _TEXT,
    "data_licence": _TEXT,
    "trained_with": _TEXT,
    "non_commercial": (lambda v: type(v) is bool, "true or false"),
    "parameters": (lambda v: type(v) is int and v >= 0, "a whole number"),
    "metrics": (_is_rows, "rows"),
    "provenance": (lambda v: isinstance(v, dict), "a table"),
    "tiling": (is_tiling, EXPECTED),
    "notice": (lambda v: v is None or _is_text(v), "a text"),
    "postprocess": (lambda v: v is None or is_postprocess(v), EXPECTED_POSTPROCESS),
}


def _bad(where: str | Path, reason: str, hint: str | None = None) -> CheckpointError:
    msg = f"cannot use the model's record: {reason}."
    return CheckpointError(msg, path=where, hint=hint or "ask its author for a file made with zoo.")
