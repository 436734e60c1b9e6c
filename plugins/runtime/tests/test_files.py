# SPDX-License-Identifier: Apache-2.0
"""Files that are no whole model of zoo: one message each, nothing runs, nothing else is read."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402 (after the skip)
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx_models import (  # noqa: E402
    PASSED,
    instance_model,
    record_of,
    semantic_model,
    with_metadata,
)
from zoo_runtime import ModelError, Predictor  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = ("background", "field", "house")
_FORMAT = {"zoo.format": "1"}


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A file that opens, with its certificate."""
    return semantic_model(record_of(CLASSES), certificate=PASSED)


def _refused(folder: Path, data: bytes) -> ModelError:
    """Return the refusal of a file; a hint and the file's name are always in it."""
    path = folder / "model.onnx"
    path.write_bytes(data)

    with pytest.raises(ModelError, match=r"cannot open 'model\.onnx': ") as caught:
        Predictor(path)

    assert str(path) == caught.value.where
    assert caught.value.hint
    for word in ("Traceback", "ONNXRuntimeError", "pybind", "Exception", "NoneType"):
        assert word not in str(caught.value)
    return caught.value


def test_file_when_cut_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    """At fifty places, the first and the last byte among them."""
    for at in np.linspace(0, len(whole) - 1, 50).astype(int).tolist():
        _refused(tmp_path, whole[:at])


def test_file_when_changed_anywhere_is_refused(whole: bytes, tmp_path: Path) -> None:
    """One bit at 150 places: its certificate is that of another graph, or it cannot be read."""
    generator = np.random.default_rng(0)
    certificate = whole.index(b"zoo.certificate")
    for place in generator.integers(0, certificate, 150).tolist():
        changed = bytearray(whole)
        changed[place] ^= 1 << int(generator.integers(0, 8))

        _refused(tmp_path, bytes(changed))


def test_file_when_only_its_certificate_differs_opens(whole: bytes, tmp_path: Path) -> None:
    """The certificate is about the file without it, wherever it stands among the keys."""
    path = tmp_path / "model.onnx"
    model = onnx.load_from_string(whole)
    model.metadata_props.insert(0, model.metadata_props.pop())
    path.write_bytes(model.SerializeToString())

    assert Predictor(path).certificate["passed"] is True


def test_file_without_certificate_opens(tmp_path: Path) -> None:
    """It says so: there is none."""
    path = tmp_path / "model.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES)))

    assert Predictor(path).certificate is None


def _record(**changes: Any) -> dict[str, str]:
    return {"zoo.model": json.dumps(record_of(CLASSES) | changes)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"zoo.format": None}, "an ONNX file without zoo's record"),
        ({"zoo.format": "2"}, "its format is 2, this version reads 1"),
        ({"zoo.format": "999999999999"}, "expected '1'"),
        ({"zoo.format": "one"}, "its format is 'one', expected '1'"),
        ({"zoo.format": ""}, "its format is '', expected '1'"),
        ({"zoo.model": None}, "its zoo.model cannot be read"),
        ({"zoo.model": "{"}, "its zoo.model cannot be read"),
        ({"zoo.model": "[1]"}, "expected an object"),
        ({"zoo.model": "null"}, "expected an object"),
        ({"zoo.model": "[" * 5000}, "its zoo.model cannot be read"),
        ({"zoo.model": '{"name": 1, "name": 2}'}, "its zoo.model cannot be read"),
        ({"zoo.model": '{"name": NaN}'}, "its zoo.model cannot be read"),
        (_record(name=None), "'name' is None, expected a text"),
        (_record(name="x" * 20_000), "expected a text"),
        (_record(task="panoptic"), "'task' is 'panoptic', expected 'semantic' or 'instance'"),
        (_record(task=["semantic"]), "expected 'semantic' or 'instance'"),
        (_record(classes="abc"), "'classes' is 'abc', expected 1 to 255 different names"),
        (_record(classes=[]), "expected 1 to 255 different names"),
        (_record(classes=["a", "a", "b"]), "expected 1 to 255 different names"),
        (_record(classes=["a", 2, "c"]), "expected 1 to 255 different names"),
        (_record(classes=[f"c{i}" for i in range(256)]), "expected 1 to 255 different names"),
        (_record(classes=["a", "b", "\ud800"]), "expected 1 to 255 different names"),
        (_record(palette=[[0, 0, 0]]), "'palette' has 1 colours, expected 3"),
        (_record(palette=[[0, 0]] * 3), "three numbers from 0 to 255"),
        (_record(palette=[[0, 0, 256]] * 3), "three numbers from 0 to 255"),
        (_record(palette=[[0, 0, True]] * 3), "three numbers from 0 to 255"),
        (_record(palette={"a": 1}), "three numbers from 0 to 255"),
        (_record(licence="MIT"), "'weights' and 'data', or null"),
        (_record(licence={"weights": "MIT"}), "'weights' and 'data', or null"),
        (_record(licence={"weights": "a", "data": "b", "non_commercial": 7}), "or null"),
        (_record(licence={"weights": "a", "data": "b", "non_commercial": 1}), "or null"),
        (_record(notice=5), "'notice' is 5, expected a text, or null"),
        (_record(postprocess=[1]), "'postprocess' is [1], expected an object, or null"),
        (_record(tiling={"tile_px": 512}), "'tile_px' and 'overlap_px', or null"),
        (_record(tiling={"tile_px": 1, "overlap_px": 0}), "'tile_px' and 'overlap_px', or null"),
        (_record(tiling={"tile_px": 64, "overlap_px": 63}), "'tile_px' and 'overlap_px', or null"),
        (_record(tiling={"tile_px": 64.5, "overlap_px": 1}), "'tile_px' and 'overlap_px', or null"),
        (_record(threshold="0.3"), "'threshold' is '0.3', expected a number from 0 to 1, or null"),
        (_record(threshold=True), "'threshold' is True, expected a number from 0 to 1, or null"),
        (_record(threshold=1.5), "'threshold' is 1.5, expected a number from 0 to 1, or null"),
        (_record(threshold=0.3), "'threshold' is 0.3, expected null, since it has 3 classes"),
        ({"zoo.certificate": "{"}, "its zoo.certificate cannot be read"),
        ({"zoo.certificate": "{}"}, "its certificate names no graph_sha256"),
        ({"zoo.certificate": '{"graph_sha256": 5}'}, "its certificate names no graph_sha256"),
        ({"zoo.certificate": '{"graph_sha256": "00"}'}, "changed after its certificate"),
    ],
)
def test_metadata_when_wrong_is_refused(
    tmp_path: Path, changes: dict[str, str | None], said: str
) -> None:
    """Each key missing, of another type, out of range or no JSON: what it is, what was expected."""
    data = with_metadata(semantic_model(record_of(CLASSES)), changes)

    assert said in _refused(tmp_path, data).message


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"passed": False}, "'passed' is False, expected true"),
        ({"passed": "true"}, "'passed' is 'true', expected true"),
        ({"passed": 1}, "'passed' is 1, expected true"),
        ({"passed": None}, "'passed' is None, expected true"),
        ({"labels_differ": 0.9}, "'labels_differ' is 0.9, expected at most 0.0001"),
        ({"labels_differ": None}, "'labels_differ' is None, expected at most 0.0001"),
        ({"labels_differ": -1}, "'labels_differ' is -1, expected at most 0.0001"),
        ({"labels_differ": "0"}, "'labels_differ' is '0', expected at most 0.0001"),
        ({"tolerance": None}, "'tolerance' is None, expected a share as its 'labels_differ'"),
        ({"tolerance": {}}, "'tolerance' is {}, expected a share as its 'labels_differ'"),
        ({"tolerance": {"labels_differ": 7}}, "'tolerance' is {'labels_differ': 7}, expected a"),
    ],
)
def test_certificate_that_did_not_pass_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """Or that says nothing; its digest is that of the graph."""
    data = semantic_model(record_of(CLASSES), certificate={**PASSED, **changes})

    assert f"of its certificate, {said}" in _refused(tmp_path, data).message


def test_postprocessing_of_unknown_classes_is_refused(tmp_path: Path) -> None:
    """It is stated in the file, and names what the model does not know."""
    from zoo_runtime import ConfigError

    path = tmp_path / "model.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES, postprocess={"keep_largest": {"x": 1}})))

    with pytest.raises(ConfigError, match="the class 'x'"):
        Predictor(path)


@pytest.mark.parametrize(
    "place",
    ["../../../../etc/passwd", "/etc/passwd", "weights.bin", "", "file:///etc/passwd", "a/../b"],
)
@pytest.mark.parametrize("where", ["weights", "node", "branch"])
def test_weights_in_another_file_are_refused(
    whole: bytes, tmp_path: Path, place: str, where: str
) -> None:
    """Wherever the tensor is, and even if the file is there with the right bytes."""
    model = onnx.load_from_string(whole)
    held = numpy_helper.from_array(np.zeros((4, 4), np.float32), "held")
    raw = held.raw_data
    held.ClearField("raw_data")
    held.data_location = TensorProto.EXTERNAL
    for key, value in (("location", place), ("offset", "0"), ("length", str(len(raw)))):
        entry = held.external_data.add()
        entry.key, entry.value = key, value
    if where == "weights":
        model.graph.initializer.append(held)
    else:
        node = helper.make_node("Constant", [], ["held"], value=held)
        if where == "branch":
            branch = helper.make_graph(
                [node], "b", [], [helper.make_tensor_value_info("held", 1, [4, 4])]
            )
            node = helper.make_node("If", ["c"], ["o"], then_branch=branch, else_branch=branch)
        model.graph.node.append(node)
    (tmp_path / "weights.bin").write_bytes(raw)
    data = with_metadata(model.SerializeToString(), {"zoo.certificate": None})

    assert f"names another file, {place!r}" in _refused(tmp_path, data).message


@pytest.mark.parametrize(
    "domain", ["evil.ops", "org.pytorch.aten", "ai.onnx.contrib", "com.microsoft"]
)
@pytest.mark.parametrize("where", ["graph", "function", "branch", "beside a function"])
def test_operator_that_onnx_has_not_is_refused(
    whole: bytes, tmp_path: Path, domain: str, where: str
) -> None:
    """By its name, wherever it stands: a function admits itself, not others of its domain."""
    model = onnx.load_from_string(whole)
    odd = helper.make_node("RunShell", ["image"], ["odd"], domain=domain)
    model.opset_import.append(helper.make_opsetid(domain, 1))
    if where == "beside a function":
        own = helper.make_node("Identity", ["image"], ["same"])
        opsets = [helper.make_opsetid("", 18)]
        model.functions.append(
            helper.make_function(domain, "F", ["image"], ["same"], [own], opsets)
        )
        model.graph.node.append(odd)
    elif where == "function":
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid(domain, 1)]
        function = helper.make_function("own", "F", ["image"], ["odd"], [odd], opsets)
        model.functions.append(function)
    elif where == "branch":
        outputs = [helper.make_tensor_value_info("odd", 1, [1])]
        branch = helper.make_graph([odd], "b", [], outputs)
        node = helper.make_node("If", ["c"], ["o"], then_branch=branch, else_branch=branch)
        model.graph.node.append(node)
    else:
        model.graph.node.append(odd)
    data = with_metadata(model.SerializeToString(), {"zoo.certificate": None})

    assert f"it has the operator '{domain}.RunShell'" in _refused(tmp_path, data).message


def _ports(change: Callable[[Any], None]) -> bytes:
    """Return a file whose graph was changed, without a certificate."""
    model = onnx.load_from_string(semantic_model(record_of(CLASSES)))
    change(model.graph)
    data: bytes = model.SerializeToString()
    return data


def _retype(values: Any, kind: int) -> None:
    values.type.tensor_type.elem_type = kind


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda g: g.output.pop(), "its output 'probabilities' is missing"),
        (lambda g: g.output.pop(0), "its output 'labels' is missing"),
        (lambda g: setattr(g.output[0], "name", "ids"), "cannot run it"),
        (lambda g: setattr(g.input[0], "name", "x"), "cannot run it"),
        (lambda g: g.input.append(helper.make_tensor_value_info("b", 1, [1])), "its inputs are"),
        (lambda g: setattr(g.input[0].type.tensor_type.shape.dim[3], "dim_value", 4), "4"),
        (lambda g: _retype(g.output[0], TensorProto.INT64), "cannot run it"),
        (lambda g: g.node.pop(), "cannot run it"),
        (lambda g: setattr(g.node[3], "op_type", "Convolve"), "cannot run it"),
    ],
)
def test_graph_of_other_ports_is_refused(
    tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    """An input or an output is missing, or of another type, rank or name."""
    assert said in _refused(tmp_path, _ports(change)).message


def test_graph_of_the_other_task_is_refused(tmp_path: Path) -> None:
    """Its outputs are not those of what the record says."""
    named = {"zoo.model": json.dumps(record_of(CLASSES, "instance"))}
    data = with_metadata(semantic_model(record_of(CLASSES)), named)
    assert "its output 'boxes' is missing" in _refused(tmp_path, data).message

    named = {"zoo.model": json.dumps(record_of(CLASSES))}
    data = with_metadata(instance_model(record_of(CLASSES, "instance")), named)
    assert "its output 'labels' is tensor(int64) of rank 1" in _refused(tmp_path, data).message


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_ids_without_a_class_are_refused(tmp_path: Path, task: str) -> None:
    """When they are predicted: the record has fewer classes than the graph."""
    make = semantic_model if task == "semantic" else instance_model
    fewer = {"zoo.model": json.dumps(record_of(CLASSES[:1], task))}
    path = tmp_path / "model.onnx"
    path.write_bytes(with_metadata(make(record_of(CLASSES, task)), fewer))
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)

    with pytest.raises(ModelError, match=r"the model has 1 classes|for 1 classes"):
        Predictor(path)(image)


@pytest.mark.parametrize("opset", [9999, 10**12])
def test_opset_too_new_is_refused_with_what_to_install(
    whole: bytes, tmp_path: Path, opset: int
) -> None:
    """A file of the future: onnxruntime must be newer."""
    model = onnx.load_from_string(whole)
    model.opset_import[0].version = opset
    data = with_metadata(model.SerializeToString(), {"zoo.certificate": None})

    error = _refused(tmp_path, data)

    assert f"it needs opset {opset}" in error.message
    assert error.hint == "pip install -U onnxruntime"


def test_message_of_the_future_is_refused(whole: bytes, tmp_path: Path) -> None:
    """Its IR version is newer than onnxruntime's."""
    model = onnx.load_from_string(whole)
    model.ir_version = 5000
    data = with_metadata(model.SerializeToString(), {"zoo.certificate": None})

    assert _refused(tmp_path, data).hint == "pip install -U onnxruntime"


@pytest.mark.parametrize("side", [2**31, 2**62])
def test_tensor_larger_than_its_bytes_is_refused(whole: bytes, tmp_path: Path, side: int) -> None:
    """Nothing of the size that it states is allocated."""
    model = onnx.load_from_string(whole)
    model.graph.initializer[0].dims[0] = side
    data = with_metadata(model.SerializeToString(), {"zoo.certificate": None})

    assert "it is no whole ONNX file: a tensor states" in _refused(tmp_path, data).message


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 64,
        b"\x08\x07",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"PK\x03\x04" + b"\0" * 100,
        b"\x80\x02}q\x00.",
        b"{" * 100,
        bytes(range(256)) * 8,
        b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        b"\x3a\x02\x3a" * 300,
    ],
)
def test_bytes_that_are_no_model_are_refused(tmp_path: Path, data: bytes) -> None:
    """Pictures, archives, pickles, zeros, lengths beyond the file: no ONNX file."""
    assert "it is no whole ONNX file" in _refused(tmp_path, data).message


def test_file_of_others_is_named_as_such(tmp_path: Path) -> None:
    """A plain ONNX file, as torchvision or a tutorial writes one."""
    node = helper.make_node("Relu", ["x"], ["y"])
    values = [helper.make_tensor_value_info(name, 1, [1, 3]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "plain", values[:1], values[1:]))

    error = _refused(tmp_path, model.SerializeToString())

    assert "an ONNX file without zoo's record of the model" in error.message


def test_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    """Nothing there, a folder, a pipe nobody writes to: refused, and nothing hangs."""
    os.mkfifo(tmp_path / "pipe.onnx")
    assert stat.S_ISFIFO((tmp_path / "pipe.onnx").stat().st_mode)
    (tmp_path / "folder.onnx").mkdir()

    for name in ("pipe", "folder", "nothing"):
        with pytest.raises(ModelError, match=f"cannot open '{name}.onnx'") as caught:
            Predictor(tmp_path / f"{name}.onnx")
        assert caught.value.hint
