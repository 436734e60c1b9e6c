# SPDX-License-Identifier: Apache-2.0
"""``zoo export --to qgis``: the certified graph as Deepness, a plugin of QGIS, runs it on tiles.

Deepness hands over square tiles as float32 from 0 to 1 and expects the probabilities of classes.
What it would otherwise ask its user is in the metadata, each value as JSON.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper

import zoo
from zoo.data import read_prepared, write_file
from zoo.interfaces import ExportOptions
from zoo_onnx_export.after import LABELS, PROBABILITIES
from zoo_onnx_export.before import IMAGE
from zoo_onnx_export.errors import ExportError
from zoo_onnx_export.exporter import make_certified
from zoo_onnx_export.graph import Graph
from zoo_onnx_export.images import smooth_noise
from zoo_onnx_export.record import make_record, read_export
from zoo_onnx_export.running import Session
from zoo_onnx_export.tolerances import TOLERANCE

__all__ = ["write_qgis"]

_TILE_PX = 512  # of a model that states no square crop
_OVERLAP_PERCENT = 20
_TILES, _SHARE = "tiles", "share"


def write_qgis(model: zoo.Predictor, out: Path, options: ExportOptions) -> Mapping[str, Any]:
    """Write a model as a file for Deepness, and return the certificate of its graph.

    Args:
        model: A semantic model, on the CPU, or an opened file of ``--to onnx``.
        out: The file to write. It appears whole or not at all.
        options: What the command was told. Of a prepared folder that knows the size of its
            pixels, Deepness gets the resolution.

    Raises:
        ExportError: A part of the model cannot be exported, or the file departs from the model.
        DataError: The images of the comparison cannot be read.
    """
    if model.model.task != "semantic":
        message = f"cannot export {options.name!r}: its task is {model.model.task!r}, expected "
        message += "'semantic'."
        raise ExportError(message, where="--to qgis", hint="zoo predict runs it as it is.")
    if model.model.export is None:
        graph, stated = make_certified(model, out, options)
        record = make_record(model, options.name)
        certificate: Mapping[str, Any] = stated
    else:
        opened = read_export(model.model.checkpoint)
        graph, record = opened.graph, opened.record
        certificate = model.model.export.verify(None, options.data)
    tile_px = _find_tile(model)
    made = _on_tiles(onnx.load_model_from_string(graph), record, tile_px)
    for key, value in _metadata(record, tile_px, _resolution_cm(options.data)).items():
        made.metadata_props.add(key=key, value=json.dumps(value))
    data: bytes = made.SerializeToString(deterministic=True)
    _check(graph, data, record, tile_px)
    write_file(out, data)
    return certificate


def _find_tile(model: zoo.Predictor) -> int:
    """Return the side of the crops that the model was trained on, if they are square."""
    preprocessor = (model.model.config.get("model") or {}).get("data_preprocessor") or {}
    size = preprocessor.get("size")
    if isinstance(size, (list, tuple)) and len(set(size[-2:])) == 1:
        return int(size[-1])
    return _TILE_PX


def _resolution_cm(data: Path | None) -> float | None:
    """Return the median size of a pixel; None if no prepared folder knows it."""
    if data is None or not (data / "dataset.json").is_file():
        return None
    spacings = [file.spacing_mm for file in read_prepared(data).files]
    known = [max(spacing) / 10 for spacing in spacings if spacing is not None]
    return statistics.median(known) if known else None


def _on_tiles(model: ModelProto, record: Mapping[str, Any], tile_px: int) -> ModelProto:
    """Return a graph from tiles to probabilities; of two classes and a threshold, the second's."""
    before, after = Graph("tiles"), Graph("share")
    values = before("Mul", _TILES, before.constant(255.0, "float32"))
    limits = (before.constant(0.0, "float32"), before.constant(255.0, "float32"))
    pixels = before.as_type(before("Clip", before("Round", values), *limits), "uint8")
    before.rename(before("Transpose", pixels, perm=[0, 2, 3, 1]), IMAGE)
    channels, output = len(record["classes"]), PROBABILITIES
    if record["threshold"] is not None:
        second = after("Gather", PROBABILITIES, after.constant([1], "int64"), axis=1)
        after.rename(second, _SHARE)
        channels, output = 1, _SHARE
    sides = ("batch", channels, tile_px, tile_px)
    graph = helper.make_graph(
        [*before.nodes, *model.graph.node, *after.nodes],
        "zoo",
        [_value(_TILES, "batch", 3, tile_px, tile_px)],
        [_value(output, *sides)],
        [*before.constants, *model.graph.initializer, *after.constants],
    )
    made = helper.make_model(
        graph,
        producer_name="zoo",
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
    )
    checker.check_model(made)
    return made


def _value(name: str, *shape: str | int) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _metadata(
    record: Mapping[str, Any], tile_px: int, resolution_cm: float | None
) -> dict[str, Any]:
    """Return what Deepness reads, and the record for people."""
    threshold = record["threshold"]
    values = {
        "model_type": "Segmentor",
        "class_names": {str(index): name for index, name in enumerate(record["classes"])},
        "tile_size": tile_px,
        "tiles_overlap": _OVERLAP_PERCENT,
        # The graph normalises by itself.
        "standardization_mean": [0.0, 0.0, 0.0],
        "standardization_std": [1.0, 1.0, 1.0],
        # 0: the most probable class, however probable.
        "seg_thresh": 0.0 if threshold is None else threshold,
        "zoo.model": dict(record),
    }
    if resolution_cm is not None:
        values["resolution"] = resolution_cm
    return values


def _check(graph: bytes, data: bytes, record: Mapping[str, Any], tile_px: int) -> None:
    """Compare the labels of both on two tiles."""
    tiles = np.stack([smooth_noise(tile_px, tile_px, seed=seed) for seed in (0, 1)])
    (wanted,) = Session(graph, "graph")(tiles, (LABELS,))
    session = Session(data, "qgis", _TILES)
    shares: NDArray[Any]
    name = PROBABILITIES if record["threshold"] is None else _SHARE
    (shares,) = session((tiles / 255).astype(np.float32).transpose(0, 3, 1, 2), (name,))
    threshold = record["threshold"]
    found = shares.argmax(axis=1) if threshold is None else shares[:, 0] > threshold
    differing = float((found != wanted).mean())
    if not differing <= TOLERANCE["labels_differ"]:
        message = f"cannot export {record['name']!r}: of a tile, {differing:.3%} of the labels "
        message += "differ from those of the certified graph."
        raise ExportError(message, where="--to qgis", hint="export it by --to onnx, and tell us.")
