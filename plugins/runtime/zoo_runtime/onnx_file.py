# SPDX-License-Identifier: Apache-2.0
"""What an ONNX file says of itself, read from its bytes before anything else sees them.

The reader walks the fields of the message and skips their contents, so that it costs milliseconds
and allocates nothing, whatever the file states; the number of fields is bounded, for those of a
file made to be slow. It finds what onnxruntime would act upon: files that tensors name, operators
that are not part of ONNX.

Source: onnx.proto of ONNX 1.19; the encoding of Protocol Buffers.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

__all__ = ["OnnxFile", "OnnxFormatError", "read_onnx"]

_MODEL_OPSET, _MODEL_GRAPH, _MODEL_METADATA, _MODEL_TRAINING, _MODEL_FUNCTION = 8, 7, 14, 20, 25
_GRAPH_NODE, _GRAPH_TENSOR, _GRAPH_SPARSE = 1, 5, 15
_NODE_TYPE, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_FUNCTION_NAME, _FUNCTION_NODE, _FUNCTION_DOMAIN = 1, 7, 10
_ATTRIBUTE_TENSORS, _ATTRIBUTE_GRAPHS, _ATTRIBUTE_SPARSE = (5, 10), (6, 11), (22, 23)
_TENSOR_DIMS, _TENSOR_TYPE, _TENSOR_RAW, _TENSOR_EXTERNAL, _TENSOR_PLACE = 1, 2, 9, 13, 14
_EXTERNAL = 1
_OWN_KEYS = "zoo."
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_NESTED = 64  # graphs within graphs
_MOST_FIELDS = 1_000_000  # two seconds of walking; a network of 10,000 nodes has 300,000
_MOST_DIMS, _MOST_NUMBERS = 64, 2**63  # of a tensor
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64}

Span = tuple[int, int]


class OnnxFormatError(ValueError):
    """Bytes that are no ONNX model; the message is a clause."""


@dataclass(slots=True)
class OnnxFile:
    """What an ONNX file says of itself.

    Attributes:
        opsets: Version of each set of operators, by domain; ONNX's own is the empty one.
        metadata: Its ``metadata_props``; of keys of others that occur twice, the first.
        external: Files that tensors name.
        operators: Domain and name of each operator.
        functions: Domain and name of each function that the file itself defines.
        spans: Where the entry of each key of the metadata is in the file.
        has_graph: Whether it has one.
        has_training: Whether it has a part for training.
        misstated: A tensor whose bytes are not what its dimensions say, or None.
        fields: How many were walked.
    """

    opsets: dict[str, int] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    external: list[str] = field(default_factory=list)
    operators: set[tuple[str, str]] = field(default_factory=set)
    functions: set[tuple[str, str]] = field(default_factory=set)
    spans: dict[str, list[Span]] = field(default_factory=dict)
    has_graph: bool = False
    has_training: bool = False
    misstated: str | None = None
    fields: int = 0

    @property
    def opset(self) -> int:
        """The version of ONNX's own operators; 0 if it states none."""
        return max(self.opsets.get("", 0), self.opsets.get("ai.onnx", 0))

    def digest_without(self, data: bytes, key: str) -> str:
        """Return the sha256 of the file as it would be without a key of its metadata.

        Args:
            data: All bytes of the file.
            key: Of ``metadata_props``.
        """
        digest, at, view = hashlib.sha256(), 0, memoryview(data)
        for start, end in self.spans.get(key, []):
            digest.update(view[at:start])
            at = end
        digest.update(view[at:])
        return digest.hexdigest()


def read_onnx(data: bytes) -> OnnxFile:
    """Read what an ONNX file says of itself.

    Args:
        data: All bytes of the file.

    Raises:
        OnnxFormatError: They are no message of Protocol Buffers, or it is cut off.
    """
    found = OnnxFile()
    for number, start, end, begin in _fields(data, 0, len(data), found):
        if number == _MODEL_GRAPH:
            found.has_graph = True
            _walk_graph(data, start, end, found, 0)
        elif number == _MODEL_OPSET:
            domain, version = _opset(data, start, end, found)
            found.opsets[domain] = max(version, found.opsets.get(domain, 0))
        elif number == _MODEL_METADATA:
            key, value = _pair(data, start, end, found)
            if key.startswith(_OWN_KEYS) and key in found.metadata:
                message = f"its metadata holds {key!r:.80} twice"
                raise OnnxFormatError(message)
            found.metadata.setdefault(key, value)
            found.spans.setdefault(key, []).append((begin, end))
        elif number == _MODEL_FUNCTION:
            _walk_function(data, start, end, found)
        elif number == _MODEL_TRAINING:
            found.has_training = True
    return found


def _fields(data: bytes, at: int, end: int, found: OnnxFile) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, start and end of the content, and start of the field.

    The content of a number is not encoded: its value is the end, and its start is -1.
    """
    while at < end:
        begin = at
        found.fields += 1
        if found.fields > _MOST_FIELDS:
            message = f"it has more than {_MOST_FIELDS} parts"
            raise OnnxFormatError(message)
        tag, at = _varint(data, at, end)
        number, kind = tag >> 3, tag & 7
        if kind == _BYTES:
            length, at = _varint(data, at, end)
            if length > end - at:
                message = "it is cut off"
                raise OnnxFormatError(message)
            yield number, at, at + length, begin
            at += length
        elif kind == _VARINT:
            value, at = _varint(data, at, end)
            yield number, -1, value, begin
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            message = "its bytes are no message of Protocol Buffers"
            raise OnnxFormatError(message)
    if at != end:
        message = "it is cut off"
        raise OnnxFormatError(message)


def _varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= end:
            message = "it is cut off"
            raise OnnxFormatError(message)
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    message = "its bytes are no message of Protocol Buffers"
    raise OnnxFormatError(message)


def _text(data: bytes, start: int, end: int) -> str:
    if start < 0:
        message = "a text of it is a number"
        raise OnnxFormatError(message)
    return data[start:end].decode("utf-8", "replace")


def _pair(data: bytes, start: int, end: int, found: OnnxFile) -> tuple[str, str]:
    texts = {1: "", 2: ""}
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number in texts:
            texts[number] = _text(data, first, last)
    return texts[1], texts[2]


def _opset(data: bytes, start: int, end: int, found: OnnxFile) -> tuple[str, int]:
    domain, version = "", 0
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number == 1:
            domain = _text(data, first, last)
        elif number == 2 and first < 0:
            version = last
    return domain, version


def _sure(start: int) -> int:
    """Return the start of a message; refuse a number in its place."""
    if start < 0:
        message = "a part of it is a number"
        raise OnnxFormatError(message)
    return start


def _walk_function(data: bytes, start: int, end: int, found: OnnxFile) -> None:
    name, domain = "", ""
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number == _FUNCTION_NODE:
            _walk_node(data, first, last, found, 1)
        elif number == _FUNCTION_DOMAIN:
            domain = _text(data, first, last)
        elif number == _FUNCTION_NAME:
            name = _text(data, first, last)
    found.functions.add((domain, name))


def _walk_graph(data: bytes, start: int, end: int, found: OnnxFile, depth: int) -> None:
    if depth > _MOST_NESTED:
        message = "its graphs are nested too deeply"
        raise OnnxFormatError(message)
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number == _GRAPH_NODE:
            _walk_node(data, first, last, found, depth)
        elif number == _GRAPH_TENSOR:
            _walk_tensor(data, first, last, found)
        elif number == _GRAPH_SPARSE:
            _walk_sparse(data, first, last, found)


def _walk_node(data: bytes, start: int, end: int, found: OnnxFile, depth: int) -> None:
    kind, domain = "", ""
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number == _NODE_TYPE:
            kind = _text(data, first, last)
        elif number == _NODE_DOMAIN:
            domain = _text(data, first, last)
        elif number == _NODE_ATTRIBUTE:
            _walk_attribute(data, first, last, found, depth)
    found.operators.add((domain, kind))


def _walk_attribute(data: bytes, start: int, end: int, found: OnnxFile, depth: int) -> None:
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number in _ATTRIBUTE_TENSORS:
            _walk_tensor(data, first, last, found)
        elif number in _ATTRIBUTE_GRAPHS:
            _walk_graph(data, first, last, found, depth + 1)
        elif number in _ATTRIBUTE_SPARSE:
            _walk_sparse(data, first, last, found)


def _walk_sparse(data: bytes, start: int, end: int, found: OnnxFile) -> None:
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number in (1, 2):
            _walk_tensor(data, first, last, found)


def _walk_tensor(data: bytes, start: int, end: int, found: OnnxFile) -> None:
    sides: list[int] = []
    kind, raw_bytes, place = 0, -1, ""
    is_external = False
    for number, first, last, _ in _fields(data, _sure(start), end, found):
        if number == _TENSOR_DIMS:
            _add_sides(sides, [last] if first < 0 else _packed(data, first, last))
        elif number == _TENSOR_TYPE and first < 0:
            kind = last
        elif number == _TENSOR_RAW and first >= 0:
            raw_bytes = last - first
        elif number == _TENSOR_EXTERNAL:
            is_external = True
            key, value = _pair(data, first, last, found)
            place = value if key == "location" else place
        elif number == _TENSOR_PLACE and first < 0:
            is_external = is_external or last == _EXTERNAL
    if is_external:
        found.external.append(place)
    elif kind in _BITS and raw_bytes >= 0 and raw_bytes != math.prod(sides) * _BITS[kind] // 8:
        found.misstated = f"{math.prod(sides)} numbers in {raw_bytes} bytes"


def _add_sides(sides: list[int], stated: Iterable[int]) -> None:
    """Take dimensions; refuse more of them, or of numbers, before they cost time to multiply."""
    for side in stated:
        sides.append(side)
        if len(sides) > _MOST_DIMS:
            message = f"a tensor states more than {_MOST_DIMS} dimensions"
            raise OnnxFormatError(message)
        if math.prod(sides) >= _MOST_NUMBERS:
            message = f"a tensor states {math.prod(sides)} numbers"
            raise OnnxFormatError(message)


def _packed(data: bytes, at: int, end: int) -> Iterator[int]:
    while at < end:
        value, at = _varint(data, at, end)
        yield value
