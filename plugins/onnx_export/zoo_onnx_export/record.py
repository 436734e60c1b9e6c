# SPDX-License-Identifier: Apache-2.0
"""What a file says of its model: format 1 of the metadata, written and read.

The certificate is about the file without it, so it is the last entry of the file, appended to bytes
whose digest it states.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, TensorProto

import zoo
from zoo.documents import DocumentError, Limits, parse_json, read_file, reason_of
from zoo_onnx_export.certificate import find_fault
from zoo_onnx_export.errors import FileError
from zoo_onnx_export.graph import OPSET

__all__ = [
    "CERTIFICATE",
    "FORMAT",
    "Opened",
    "add_record",
    "make_record",
    "read_export",
    "with_certificate",
]

FORMAT = 1
CERTIFICATE = "zoo.certificate"
_FORMAT, _MODEL = "zoo.format", "zoo.model"
_MOST_BYTES = 2**31 - 1  # of a message of Protocol Buffers
_LIMITS = Limits(size_bytes=2**22, values=100_000)
_AGAIN = "export the model again: zoo export MODEL --to onnx --out DIR"


def make_record(predictor: zoo.Predictor, name: str) -> dict[str, Any]:
    """Return what the original says of itself.

    Args:
        predictor: The original.
        name: The name of the model.
    """
    import torch

    opened = predictor.model
    licence = opened.licence
    return {
        "name": name,
        "task": opened.task,
        "classes": list(opened.classes),
        "palette": [list(color) for color in opened.palette],
        "licence": None
        if licence is None
        else {
            "weights": licence.weights,
            "data": licence.data,
            "non_commercial": licence.non_commercial,
        },
        "notice": opened.notice,
        "postprocess": predictor.postprocess.to_json() if predictor.postprocess else None,
        "tiling": _tiling(predictor),
        "threshold": _threshold(opened.module),
        **_mask_threshold(opened.module),
        "weights_sha256": opened.identity()["sha256"],
        "config_sha256": _digest_of_config(opened.config),
        "input": {"channels": 3, "bits": 8},
        "made_with": {"zoo": zoo.__version__, "torch": torch.__version__, "opset": OPSET},
    }


def add_record(model: ModelProto, predictor: zoo.Predictor, name: str, **others: Any) -> None:
    """Write what the original says of itself into the metadata.

    Args:
        model: The model of ONNX.
        predictor: The original.
        name: The name of the model.
        others: Keys that the original knows nothing of.
    """
    record = _json({**make_record(predictor, name), **others})
    for key, value in ((_FORMAT, str(FORMAT)), (_MODEL, record)):
        model.metadata_props.add(key=key, value=value)


def _tiling(predictor: zoo.Predictor) -> dict[str, int] | None:
    """Return the windows through which a model sees large images."""
    tiling = predictor.tiling
    if tiling is None:
        return None
    return {"tile_px": tiling.tile_px, "overlap_px": tiling.overlap_px}


def _mask_threshold(module: Any) -> dict[str, float]:
    """Return the least probability of a pixel of a mask, of a model that predicts masks."""
    if not hasattr(module, "roi_head"):
        return {}
    return {"mask_threshold": float(module.roi_head.test_cfg.mask_thr_binary)}


def _threshold(module: Any) -> float | None:
    """Return above which share a pixel is of the second class; None of one map for each class."""
    head: Any = getattr(module, "decode_head", None)
    return float(head.threshold) if getattr(head, "out_channels", None) == 1 else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _digest_of_config(config: Any) -> str:
    """Return the digest of the parts of a config that decide what is predicted."""
    parts = {key: config.get(key) for key in ("model", "test_pipeline", "test_dataloader")}
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def with_certificate(graph: bytes, certificate: Mapping[str, Any]) -> bytes:
    """Return a file with its certificate, which gets the digest of the rest.

    Args:
        graph: The serialised model without a certificate.
        certificate: What was compared.
    """
    stated = {**certificate, "graph_sha256": hashlib.sha256(graph).hexdigest()}
    entry = ModelProto()
    entry.metadata_props.add(key=CERTIFICATE, value=_json(stated))
    # Fields of a message may follow in any order: this is the last entry of metadata_props.
    appended: bytes = entry.SerializeToString()
    return graph + appended


class Opened:
    """A file of format 1, whose graph is as it was certified.

    Attributes:
        record: What it says of its model.
        certificate: Its certificate.
        graph: Its bytes without the certificate.
        is_quantised: Whether it says that its graph is in 8 bits.
    """

    def __init__(self, data: bytes, where: str) -> None:
        try:
            model = onnx.load_model_from_string(data)
        except Exception as error:  # of Protocol Buffers, which onnx brings
            raise _refused(where, "it is no ONNX file, or is cut off") from error
        texts = _texts(model, where)
        if _FORMAT not in texts:
            raise _refused(where, f"it states no {_FORMAT}", _AGAIN)
        if texts[_FORMAT] != str(FORMAT):
            hint = "upgrade mmzoo-onnx-export." if texts[_FORMAT].isdecimal() else _AGAIN
            raise _refused(where, f"its format is {texts[_FORMAT]!r:.40}, expected '1'", hint)
        self.record = _table(texts, _MODEL, where)
        self.certificate = _table(texts, CERTIFICATE, where)
        self.graph = self._certified(model, data, where)
        self.is_quantised = isinstance(self.record.get("quantisation"), dict)
        task = str(self.record.get("task"))
        if task == "instance" and self.record.get("mask_threshold") is None:
            raise _refused(where, f"its {_MODEL} states no mask_threshold", _AGAIN)
        fault = find_fault(self.certificate, task, is_quantised=self.is_quantised)
        if fault is not None:
            raise _refused(where, fault, _AGAIN)

    def _certified(self, model: ModelProto, data: bytes, where: str) -> bytes:
        entries = [one for one in model.metadata_props if one.key == CERTIFICATE]
        tail = ModelProto(metadata_props=entries).SerializeToString()
        graph = data.removesuffix(tail)
        if hashlib.sha256(graph).hexdigest() != self.certificate.get("graph_sha256"):
            hint = "get the file again from where it came from, or " + _AGAIN
            raise _refused(where, "it was changed after its certificate was made", hint)
        if any(map(_is_external, _tensors(model))):
            raise _refused(where, "its tensors are in other files", _AGAIN)
        return graph


def _texts(model: ModelProto, where: str) -> dict[str, str]:
    """Return the metadata; of a doubled key, one reader takes the first and another the last."""
    texts: dict[str, str] = {}
    for entry in model.metadata_props:
        if entry.key in texts and entry.key.startswith("zoo."):
            raise _refused(where, f"it has {entry.key!r:.40} twice", _AGAIN)
        texts[entry.key] = entry.value
    return texts


def _tensors(message: Any) -> Iterator[TensorProto]:
    """Yield every tensor: of graphs, attributes, branches, functions, training, sparse ones."""
    if isinstance(message, TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:  # numbers and texts
            continue
        for one in [value] if hasattr(value, "ListFields") else value:
            yield from _tensors(one)


def _is_external(tensor: TensorProto) -> bool:
    return bool(tensor.external_data) or tensor.data_location == TensorProto.EXTERNAL


def _table(texts: Mapping[str, str], key: str, where: str) -> dict[str, Any]:
    try:
        value = parse_json(texts.get(key, "").encode(), _LIMITS)
    except DocumentError as error:
        raise _refused(where, f"its {key} is no JSON", _AGAIN) from error
    if not isinstance(value, dict):
        raise _refused(where, f"its {key} is no table", _AGAIN)
    return value


def _refused(where: str, what: str, hint: str | None = None) -> FileError:
    message = f"cannot open {Path(where).name!r}: {what}."
    return FileError(message, where=where, hint=hint)


def read_export(path: Path) -> Opened:
    """Read a file, and check that it is as it was certified.

    Args:
        path: The file.

    Raises:
        FileError: It is no file of this format, or was changed.
    """
    try:
        data = read_file(path, _MOST_BYTES)
    except (OSError, DocumentError) as error:
        message = f"cannot open {path.name!r}: {reason_of(error)}."
        raise FileError(message, where=path, hint="give the path of an exported file.") from error
    return Opened(data, str(path))
