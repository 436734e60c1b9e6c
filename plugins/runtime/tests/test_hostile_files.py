# SPDX-License-Identifier: Apache-2.0
"""Files made to deceive the reader or to keep it busy."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.mm
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402 (after the skip)
from onnx_models import PASSED, record_of, semantic_model  # noqa: E402
from zoo_runtime import ModelError, Predictor  # noqa: E402

CLASSES = ("background", "field", "house")


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A file that opens, with its certificate."""
    return semantic_model(record_of(CLASSES), certificate=PASSED)


def _refused(folder: Path, data: bytes) -> ModelError:
    """Return the refusal of a file."""
    path = folder / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match=r"cannot open 'model\.onnx': ") as caught:
        Predictor(path)
    return caught.value


def _wrapped(number: int, content: bytes) -> bytes:
    """Return a field of Protocol Buffers that holds bytes."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    digits = b""
    while value > 127:
        digits, value = digits + bytes([value & 127 | 128]), value >> 7
    return digits + bytes([value])


_EXTRA_TENSORS = {
    "many sides": (_wrapped(1, b"\x01" * 100_000), "more than 64 dimensions"),
    "sides one by one": (b"\x08\x01" * 65, "more than 64 dimensions"),
    "long sides": (_wrapped(1, (b"\xff" * 9 + b"\x7f") * 10_000), "a tensor states"),
    "numbers beyond 63 bits": (_wrapped(1, _varint(2**62) + b"\x02"), f"states {2**63} numbers"),
    "parts without end": (b"\x20\x01" * 1_000_000, "more than 1000000 parts"),
}


@pytest.mark.parametrize("name", _EXTRA_TENSORS)
def test_tensor_that_costs_time_to_read_is_refused(whole: bytes, tmp_path: Path, name: str) -> None:
    """Its dimensions are not multiplied at length, and its parts not walked without end."""
    tensor, said = _EXTRA_TENSORS[name]
    data = whole + _wrapped(7, _wrapped(5, tensor))

    begin = time.process_time()
    error = _refused(tmp_path, data)

    assert said in error.message
    assert time.process_time() - begin < (20 if name == "parts without end" else 0.5)


@pytest.mark.parametrize("key", ["zoo.format", "zoo.model", "zoo.certificate", "zoo.later"])
def test_key_that_occurs_twice_is_refused(whole: bytes, tmp_path: Path, key: str) -> None:
    """Other readers take the last one: of two records, nobody knows which is meant."""
    stated = {each.key: each.value for each in onnx.load_from_string(whole).metadata_props}
    entry = _wrapped(14, _wrapped(1, key.encode()) + _wrapped(2, stated.get(key, "{}").encode()))
    times = 1 if key in stated else 2

    assert f"holds {key!r} twice" in _refused(tmp_path, whole + entry * times).message


def _polyglot(shown: bytes, hidden: bytes, folder: Path) -> bytes:
    """Return a file that is ``shown`` to readers of ONNX, ``hidden`` to those of ORT's format.

    That format has its name in bytes 4 to 8, where ONNX holds the name of a domain, and its start
    in bytes 0 to 4, read as a distance; the rest hides in a field that nobody knows.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "hidden.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    onnxruntime.InferenceSession(hidden, options, providers=["CPUExecutionProvider"])
    buffer = (folder / "hidden.ort").read_bytes()
    head = b"\x08\x09\x32\x04ORTM"  # IR version 9, then a version in words
    at = int.from_bytes(head[:4], "little") - int.from_bytes(buffer[:4], "little")
    tag = _varint(60 << 3 | 2)
    start = len(head) + len(tag) + 4
    length = _varint(at + len(buffer) - start)
    assert (len(length), at % 4) == (4, 0)
    padding = b"\0" * (at + 8 - start)
    return head + tag + length + padding + buffer[8:] + shown


def test_file_of_two_formats_runs_the_graph_that_was_checked(tmp_path: Path) -> None:
    """onnxruntime looks for its own format first; its graph was not checked and never runs."""
    import onnxruntime

    record = record_of(CLASSES)
    shown, hidden = semantic_model(record), semantic_model(record, seed=9)
    for name, data in (("shown", shown), ("both", _polyglot(shown, hidden, tmp_path))):
        (tmp_path / f"{name}.onnx").write_bytes(data)
    image = np.random.default_rng(0).integers(0, 256, (32, 40, 3), np.uint8)
    session = onnxruntime.InferenceSession(
        (tmp_path / "both.onnx").read_bytes(), providers=["CPUExecutionProvider"]
    )
    alone = session.run(["labels"], {"image": image[None]})[0][0]

    expected, found = (Predictor(tmp_path / f"{n}.onnx")(image).labels for n in ("shown", "both"))

    assert not np.array_equal(alone, expected), "onnxruntime alone no longer takes the hidden one"
    assert np.array_equal(found, expected)


def test_graphs_nested_without_end_are_refused(tmp_path: Path) -> None:
    """Two thousand branches in one another take no stack."""
    graph = b""
    for _ in range(2000):
        graph = _wrapped(1, _wrapped(5, _wrapped(6, graph)))
    data = _wrapped(7, graph) + _wrapped(8, b"\x10\x12")
    data += _wrapped(14, _wrapped(1, b"zoo.format"))

    assert "nested too deeply" in _refused(tmp_path, data).message
