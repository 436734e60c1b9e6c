# SPDX-License-Identifier: Apache-2.0
"""Files of format 1 that someone else wrote: what is refused before anything in them runs."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))
from onnx_models import CERTIFICATE, record_of, semantic_model
from zoo_onnx_export.comparing import Measured
from zoo_onnx_export.errors import FileError
from zoo_onnx_export.images import Sample
from zoo_onnx_export.record import read_export
from zoo_onnx_export.runner import OnnxModel
from zoo_onnx_export.running import Session

from zoo.data import encode_png

pytestmark = pytest.mark.mm

RECORD = record_of(("background", "lung"))
PASSED = {"passed": True, "labels_differ": 0.0}
Entries = Sequence[tuple[str, Any]]
RIGHT: Entries = (("zoo.format", 1), ("zoo.model", RECORD))


def _add(model: onnx.ModelProto, entries: Entries) -> bytes:
    for key, value in entries:
        model.metadata_props.add(key=key, value=json.dumps(value))
    data: bytes = model.SerializeToString()
    return data


def _write(
    path: Path,
    *,
    model: onnx.ModelProto | None = None,
    entries: Entries = RIGHT,
    certificate: dict[str, Any] | None = None,
) -> Path:
    """Write a file whose certificate has the digest of its graph, whatever else it says."""
    model = onnx.load_model_from_string(semantic_model(RECORD)) if model is None else model
    del model.metadata_props[:]
    graph = _add(model, entries)
    stated = PASSED if certificate is None else certificate
    stated = {**stated, "graph_sha256": hashlib.sha256(graph).hexdigest()}
    path.write_bytes(graph + _add(onnx.ModelProto(), [(CERTIFICATE, stated)]))
    return path


METRIC = {"name": "mean_iou", "original": 0.8, "exported": 0.8}
GOOD: list[dict[str, Any]] = [
    PASSED,
    {**PASSED, "largest_difference": 0.02, "metric": None},
    {**PASSED, "labels_differ": 1e-4, "metric": METRIC},
]
BAD: list[dict[str, Any]] = [
    {},
    {"passed": True},
    *({**PASSED, "passed": value} for value in (False, None, 1, "true")),
    *({**PASSED, "labels_differ": value} for value in (0.9, -1, None, "0", True, [0.0])),
    # A tolerance of its own does not count.
    {**PASSED, "labels_differ": 0.5, "tolerance": {"labels_differ": 1}},
    *({**PASSED, "largest_difference": value} for value in (0.5, -1, "0", True)),
    *({**PASSED, "metric": value} for value in (0.8, [], {}, {"exported": 0.8})),
    *({**PASSED, "metric": {**METRIC, "exported": value}} for value in (0.7, None, "0.8")),
]


@pytest.mark.parametrize("certificate", GOOD)
def test_certificate_within_tolerance_is_read(certificate: dict[str, Any], tmp_path: Path) -> None:
    """Also one that compared labels alone."""
    opened = read_export(_write(tmp_path / "good.onnx", certificate=certificate))

    assert opened.certificate.items() >= certificate.items()


@pytest.mark.parametrize("certificate", BAD)
def test_certificate_that_does_not_pass_is_refused(
    certificate: dict[str, Any], tmp_path: Path
) -> None:
    """It failed, says nothing, or has numbers out of tolerance; the digest is right."""
    path = _write(tmp_path / "bad.onnx", certificate=certificate)

    with pytest.raises(FileError, match=r"^cannot open 'bad\.onnx': its certificate ") as caught:
        read_export(path)

    assert "export the model again" in str(caught.value.hint)


QUANTISED: list[tuple[dict[str, Any], bool]] = [
    ({**PASSED, "labels_differ": 0.01, "largest_difference": 0.99, "metric": METRIC}, True),
    ({**PASSED, "labels_differ": 0.01, "metric": {**METRIC, "exported": 0.791}}, True),
    ({**PASSED, "labels_differ": 0.011}, False),
    ({**PASSED, "metric": {**METRIC, "exported": 0.78}}, False),
    ({**PASSED, "labels_differ": 0.5, "tolerance": {"labels_differ": 1}}, False),
]


@pytest.mark.parametrize(("certificate", "is_read"), QUANTISED)
@pytest.mark.parametrize("stated", [{"bits": 8}, None, True, "8"])
def test_tolerance_of_8_bits_is_for_files_in_8_bits(
    certificate: dict[str, Any], is_read: bool, stated: Any, tmp_path: Path
) -> None:
    """Their record says so; a file of floats with the same certificate is refused."""
    record = {**RECORD, "quantisation": stated}
    entries = [("zoo.format", 1), ("zoo.model", record)]
    path = _write(tmp_path / "model.onnx", entries=entries, certificate=certificate)

    if is_read and isinstance(stated, dict):
        assert read_export(path).is_quantised
    else:
        with pytest.raises(FileError, match="its certificate states no "):
            read_export(path)


@pytest.mark.parametrize("key", ["zoo.format", "zoo.model", CERTIFICATE, "zoo.later"])
def test_doubled_key_is_refused(key: str, tmp_path: Path) -> None:
    """One reader would take the first, another the last."""
    values = {**dict(RIGHT), CERTIFICATE: PASSED, "zoo.later": 1}
    times = 1 if key == CERTIFICATE else 2
    others = [one for one in RIGHT if one[0] != key]
    path = _write(tmp_path / "twice.onnx", entries=[*others, *[(key, values[key])] * times])

    with pytest.raises(FileError, match=f"it has '{key}' twice"):
        read_export(path)


def test_other_keys_may_be_doubled(tmp_path: Path) -> None:
    """They are of other tools; zoo reads none of them."""
    read_export(_write(tmp_path / "other.onnx", entries=[*RIGHT, ("author", 1), ("author", 2)]))


def _elsewhere(*, is_named: bool = True) -> TensorProto:
    """Return a tensor whose bytes are in another file, or that only says so."""
    tensor = TensorProto(name="w", data_type=TensorProto.UINT8, dims=[1])
    tensor.data_location = TensorProto.EXTERNAL
    if is_named:
        tensor.external_data.add(key="location", value="secret.txt")
    return tensor


def _identity(name: str, *tensors: TensorProto) -> onnx.GraphProto:
    node = helper.make_node("Identity", ["w"], [name])
    value = helper.make_tensor_value_info(name, TensorProto.UINT8, [1])
    return helper.make_graph([node], name, [], [value], tensors)


def _place(where: str, model: onnx.ModelProto) -> None:
    """Put the tensor somewhere into a model; it need not run, it must not be opened."""
    constant = helper.make_node("Constant", [], ["c"], value=_elsewhere())
    sparse = onnx.SparseTensorProto(values=_elsewhere(), dims=[1])
    branches = {"then_branch": _identity("a", _elsewhere()), "else_branch": _identity("b")}
    nested = {
        "then_branch": helper.make_graph([constant], "n", [], []),
        "else_branch": _identity("b"),
    }
    nodes = {
        "constant": constant,
        "branch": helper.make_node("If", ["yes"], ["i"], **branches),
        "nested": helper.make_node("If", ["yes"], ["i"], **nested),
        "list": helper.make_node("Any", [], ["l"], tensors=[_elsewhere()]),
        "sparse value": helper.make_node("Constant", [], ["s"], sparse_value=sparse),
    }
    if where in nodes:
        model.graph.node.append(nodes[where])
    elif where == "initializer":
        model.graph.initializer.append(_elsewhere())
    elif where == "place alone":
        model.graph.initializer.append(_elsewhere(is_named=False))
    elif where == "sparse initializer":
        model.graph.sparse_initializer.append(sparse)
    elif where == "function":
        model.functions.add(name="f", domain="own").node.append(constant)
    else:
        model.training_info.add().algorithm.initializer.append(_elsewhere())


PLACES = ["initializer", "place alone", "constant", "branch", "nested", "list", "sparse value"]
PLACES += ["sparse initializer", "function", "training"]


@pytest.mark.parametrize("where", PLACES)
def test_tensor_in_another_file_is_refused_wherever_it_is(where: str, tmp_path: Path) -> None:
    """A runtime would read any file that it names."""
    model = onnx.load_model_from_string(semantic_model(RECORD))
    _place(where, model)
    path = _write(tmp_path / "out.onnx", model=model)

    with pytest.raises(FileError, match="its tensors are in other files"):
        read_export(path)


def test_named_pipe_is_refused_at_once(tmp_path: Path) -> None:
    """Nothing waits for its other end."""
    path = tmp_path / "pipe.onnx"
    os.mkfifo(path)

    with pytest.raises(FileError, match=r"cannot open 'pipe\.onnx': it is a named pipe"):
        read_export(path)


def test_format_of_onnxruntime_itself_is_not_run(tmp_path: Path) -> None:
    """A file may be both, and only its ONNX was checked."""
    options, out = onnxruntime.SessionOptions(), tmp_path / "hidden.ort"
    options.optimized_model_filepath = str(out)
    options.add_session_config_entry("session.save_model_format", "ORT")
    providers = ["CPUExecutionProvider"]
    onnxruntime.InferenceSession(semantic_model(RECORD), options, providers=providers)
    onnxruntime.InferenceSession(out.read_bytes(), providers=providers)  # it runs otherwise

    with pytest.raises(FileError, match="cannot run the graph"):
        Session(out.read_bytes(), "hidden.onnx")


@pytest.mark.parametrize("certificate", [PASSED, {**PASSED, "data": 3}, {**PASSED, "data": {}}])
def test_verify_on_images_needs_nothing_else_of_a_certificate(
    certificate: dict[str, Any], tmp_path: Path
) -> None:
    """A bare certificate names no data."""
    path = _write(tmp_path / "bare.onnx", certificate=certificate)
    image = tmp_path / "one.png"
    image.write_bytes(encode_png(np.full((32, 32, 3), 90, np.uint8)))

    told = OnnxModel(path).verify(None, image)

    assert (told["images"], told["compared_again"], told["metric"]) == (1, False, None)


def test_nan_of_one_image_is_not_forgotten() -> None:
    """Whatever follows; and the image that it came from is the one to look at."""
    measured, labels = Measured(2), np.zeros((4, 4), np.uint8)
    right = np.full((2, 4, 4), 0.5, np.float32)
    for name, exported in (("a", right), ("b", right * np.nan), ("c", right), ("d", right + 0.3)):
        sample = Sample(name, np.zeros((4, 4, 3), np.uint8))
        same = SimpleNamespace(original=labels, exported=labels)
        measured.see(sample, same, SimpleNamespace(original=right, exported=exported))

    assert [one.name for one in measured.departures()] == ["largest_difference"]
    assert np.isnan(measured.largest)
    assert measured.worst is not None
    assert measured.worst.name == "b"
