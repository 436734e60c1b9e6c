# SPDX-License-Identifier: Apache-2.0
"""A file opened: its bytes checked, its graph handed to an engine, its outputs as promised."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_runtime.copied.cores import find_cores
from zoo_runtime.copied.documents import DocumentError, read_file, reason_of
from zoo_runtime.engines import Engine, GraphError, check_engine, load_engine
from zoo_runtime.errors import ConfigError, DataError, ModelError
from zoo_runtime.model_record import ModelRecord, check_passed, parse_certificate, parse_record
from zoo_runtime.onnx_file import OnnxFile, OnnxFormatError, read_onnx

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Session", "open_session"]

_MOST_BYTES = 2**31 - 1  # of a message of Protocol Buffers
_MOST_OPSET = 1000  # above it, onnxruntime's own numbers overflow
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Those of ONNX. onnxruntime has more, which no exported file needs."""
_EXPORT_ANEW = "export the model again."
_OUTPUTS: Mapping[str, Mapping[str, tuple[tuple[str, ...], int]]] = {
    "semantic": {"labels": (("tensor(uint8)",), 3), "probabilities": (("tensor(float)",), 4)},
    "instance": {
        "boxes": (("tensor(float)",), 2),
        "scores": (("tensor(float)",), 1),
        "labels": (("tensor(int64)",), 1),
        # Pixels of the image, or how probable the cells of the box are.
        "masks": (("tensor(uint8)", "tensor(float)"), 3),
    },
}
_OPTIONAL = "masks"  # of a model that predicts boxes only
_INPUTS: Mapping[str, np.dtype[Any]] = {
    "tensor(uint8)": np.dtype(np.uint8),
    "tensor(uint16)": np.dtype(np.uint16),
}


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """An opened file.

    Attributes:
        path: The file.
        sha256: Its digest.
        record: What it says of its model.
        certificate: How far it departs from the model that it was made of, or None.
        threads: With how many threads it computes.
        dtype: The type of its input, uint8 or uint16.
        outputs: The names of its outputs.
    """

    path: Path
    sha256: str
    record: ModelRecord
    certificate: Mapping[str, Any] | None
    threads: int
    dtype: np.dtype[Any]
    outputs: frozenset[str]
    _graph: Engine

    def run(self, image: NDArray[Any], names: Sequence[str], where: str) -> list[NDArray[Any]]:
        """Return outputs for one image; others are not computed.

        Args:
            image: ``(H, W, 3)`` RGB of the type of the input.
            names: Of the outputs.
            where: The image, for messages.

        Raises:
            DataError: The model fails on it, for example because memory is full.
        """
        try:
            return self._graph.run(image[None], names)
        except (GraphError, MemoryError) as error:
            message = f"cannot predict on {Path(where).name!r}: the model fails: {error}."
            hint = "try a smaller image." if _is_full(error) else None
            raise DataError(message, path=where, hint=hint) from error


def open_session(
    path: str | os.PathLike[str], *, threads: int | None = None, engine: str = "onnxruntime"
) -> Session:
    """Open a file; nothing in it runs before it is checked, and no other file is read.

    Args:
        path: The file.
        threads: With how many threads it computes; None for as many CPUs as this process may use,
            by its affinity and by its container's quota, or for what ``OMP_NUM_THREADS`` says.
        engine: What runs it, one of `ENGINES`.

    Raises:
        ModelError: It is no file of this format, was changed, or cannot be run here.
        ConfigError: The number of threads is out of range, or the engine is not installed.
    """
    count, name = _threads(threads), check_engine(engine)
    where = os.fspath(path)
    data = _read(where)
    file = _check_file(data, where)
    record = parse_record(file.metadata, where)
    certificate = parse_certificate(file.metadata, where)
    digest = file.digest_without(data, "zoo.certificate")
    if certificate is not None and certificate["graph_sha256"] != digest:
        message = f"cannot open {_name(where)!r}: it was changed after its certificate was made."
        hint = "get the file again from where it came from, or export the model again."
        raise ModelError(message, path=where, hint=hint)
    if certificate is not None:
        check_passed(certificate, record.task, where)
    graph = _load(name, data, file, where, count)
    dtype, outputs = _check_ports(graph, record.task, where)
    whole = digest if certificate is None else hashlib.sha256(data).hexdigest()
    return Session(Path(where), whole, record, certificate, count, dtype, outputs, graph)


def _threads(stated: int | None) -> int:
    if stated is None:
        text = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
        is_number = text.isascii() and text.isdigit() and 0 < int(text) <= 1024
        return int(text) if is_number else find_cores().usable
    if type(stated) is not int or not 0 < stated <= 1024:
        message = f"cannot compute with {stated!r:.40} threads: expected 1 to 1024."
        raise ConfigError(message, where="threads", hint="leave it out for all CPUs.")
    return stated


def _read(where: str) -> bytes:
    try:
        return read_file(where, _MOST_BYTES)
    except (OSError, DocumentError) as error:
        message = f"cannot open {_name(where)!r}: {reason_of(error)}."
        hint = "give the path of an exported model."
        raise ModelError(message, path=where, hint=hint) from error


def _check_file(data: bytes, where: str) -> OnnxFile:
    try:
        file = read_onnx(data)
    except OnnxFormatError as error:
        raise _no_onnx(where, str(error)) from error
    if not file.has_graph or not file.opset:
        raise _no_onnx(where, "it is empty" if not data else "it has no graph")
    if "zoo.format" not in file.metadata:
        parse_record(file.metadata, where)  # says that it is another's file
    if file.external:
        message = f"cannot open {_name(where)!r}: it names another file, {file.external[0]!r:.80}, "
        message += "for its weights, expected one file that holds them."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW)
    foreign = [each for each in file.operators - file.functions if each[0] not in _DOMAINS]
    if foreign:
        operator = ".".join(min(foreign))
        message = f"cannot open {_name(where)!r}: it has the operator {operator!r:.80}, "
        message += "expected those of ONNX."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW)
    if file.misstated is not None or file.has_training:
        fault = f"a tensor states {file.misstated}" if file.misstated else "it has a training part"
        raise _no_onnx(where, fault)
    return file


def _no_onnx(where: str, fault: str) -> ModelError:
    message = f"cannot open {_name(where)!r}: it is no whole ONNX file: {fault}."
    hint = "get the file again from where it came from, or export the model again."
    return ModelError(message, path=where, hint=hint)


def _load(name: str, data: bytes, file: OnnxFile, where: str, threads: int) -> Engine:
    try:
        return load_engine(name, data, threads)
    except ImportError as error:
        message = f"cannot open {_name(where)!r}: {error}."
        raise ModelError(message, path=where, hint=f"pip install {name}") from error
    except GraphError as error:
        engine = f"{name} {sys.modules[name].__version__.partition('-')[0]}"
        if error.is_newer or file.opset > _MOST_OPSET:
            message = f"cannot open {_name(where)!r}: it needs opset {file.opset}, which "
            message += f"{engine} does not have."
            raise ModelError(message, path=where, hint=f"pip install -U {name}") from error
        message = f"cannot open {_name(where)!r}: {engine} cannot run it: {error}."
        raise ModelError(message, path=where, hint=_EXPORT_ANEW) from error


def _check_ports(graph: Engine, task: str, where: str) -> tuple[np.dtype[Any], frozenset[str]]:
    """Return the type of the input and the outputs; refuse those of another shape."""
    image = graph.inputs.get("image")
    sides = () if image is None else image.sides
    if len(graph.inputs) != 1 or image is None or len(sides) != 4 or sides[3] != 3:
        found = ", ".join(f"{name} {one}" for name, one in graph.inputs.items()) or "none"
        raise _wrong_port(where, f"its inputs are {found}", "image (batch, height, width, 3)")
    if image.kind not in _INPUTS:
        raise _wrong_port(where, f"its input is {image.kind}", " or ".join(_INPUTS))
    outputs = {name: (one.kind, len(one.sides)) for name, one in graph.outputs.items()}
    for name, (kinds, rank) in _OUTPUTS[task].items():
        stated = outputs.get(name)
        if stated is None and name == _OPTIONAL:
            continue
        if stated is None or stated[0] not in kinds or stated[1] != rank:
            found = "is missing" if stated is None else f"is {stated[0]} of rank {stated[1]}"
            fault = f"its output {name!r} {found}"
            raise _wrong_port(where, fault, f"{' or '.join(kinds)} of rank {rank}")
    return _INPUTS[image.kind], frozenset(outputs)


def _wrong_port(where: str, fault: str, wanted: str) -> ModelError:
    message = f"cannot open {_name(where)!r}: {fault}, expected {wanted}."
    return ModelError(message, path=where, hint=_EXPORT_ANEW)


def _name(where: str) -> str:
    return Path(where).name


def _is_full(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or "alloc" in text or "memory" in text
