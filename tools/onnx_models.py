# SPDX-License-Identifier: Apache-2.0
"""Small models in ONNX files of zoo's format 1, written by hand, for tests and benchmarks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "CERTIFICATE",
    "PASSED",
    "PASSED_INSTANCES",
    "given_outputs",
    "instance_model",
    "record_of",
    "semantic_model",
    "with_metadata",
]

CERTIFICATE = "zoo.certificate"
PASSED = {"passed": True, "labels_differ": 0.0, "tolerance": {"labels_differ": 1e-4}}
"""A certificate with what decides whether a file is taken."""
_NOTHING = dict.fromkeys(
    ("detections_differ", "largest_box_px", "largest_score", "masks_differ"), 0.0
)
PASSED_INSTANCES = {"passed": True, **_NOTHING, "tolerance": _NOTHING}
"""The same of an instance model."""
_OPSET = 18
_LEVELS = (60, 120, 200)


def record_of(classes: Sequence[str], task: str = "semantic", **others: Any) -> dict[str, Any]:
    """Return ``zoo.model`` of a model that exists for tests.

    Args:
        classes: Their names.
        task: ``semantic`` or ``instance``.
        others: Keys with other values.
    """
    palette = [[(40 * i) % 256, (90 * i) % 256, (200 * i) % 256] for i in range(len(classes))]
    values: dict[str, Any] = {
        "name": "hand_made",
        "task": task,
        "classes": list(classes),
        "palette": palette,
        "licence": {"weights": "CC0-1.0", "data": "CC0-1.0", "non_commercial": False},
        "notice": None,
        "postprocess": None,
        "tiling": None,
        "threshold": None,
        "weights_sha256": "0" * 64,
        "config_sha256": "1" * 64,
        "input": {"channels": 3, "bits": 8},
        "made_with": {"zoo": "0.1.0", "torch": "2.6", "opset": _OPSET},
    }
    return values | others


def semantic_model(
    record: Mapping[str, Any],
    *,
    seed: int = 0,
    bits: int = 8,
    width: int = 8,
    reach_px: int = 1,
    certificate: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a file of two convolutions, whose labels and probabilities depend on every pixel.

    Args:
        record: ``zoo.model``.
        seed: Of the weights.
        bits: Of its input, 8 or 16.
        width: Channels between the convolutions.
        reach_px: How far each convolution sees: 1, or 0 for the pixel alone.
        certificate: Its certificate, without ``graph_sha256``; None for none.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(seed)
    count, side, pads = len(record["classes"]), 2 * reach_px + 1, [reach_px] * 4
    weights = {
        "first": generator.normal(0, 1.2 / side, (width, 3, side, side)),
        "second": generator.normal(0, 2.4 / side, (count, width, side, side)),
        "scale": np.array(1 / 64 if bits == 8 else 1 / 16384),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["real", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "first"], ["hidden"], pads=pads),
        helper.make_node("Sin", ["hidden"], ["bent"]),
        helper.make_node("Conv", ["bent", "second"], ["logits"], pads=pads),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["logits"], ["ids"], axis=1, keepdims=0),
        helper.make_node("Cast", ["ids"], ["labels"], to=TensorProto.UINT8),
    ]
    if record["threshold"] is not None:
        weights |= {"threshold": np.array(record["threshold"]), "second_class": np.array(1)}
        nodes[-2:-1] = [
            helper.make_node("Gather", ["probabilities", "second_class"], ["share"], axis=1),
            helper.make_node("Greater", ["share", "threshold"], ["ids"]),
        ]
    kind = TensorProto.UINT8 if bits == 8 else TensorProto.UINT16
    sides = ["batch", "height", "width"]
    graph = helper.make_graph(
        nodes,
        "hand_made",
        [helper.make_tensor_value_info("image", kind, [*sides, 3])],
        [
            helper.make_tensor_value_info("labels", TensorProto.UINT8, sides),
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, [sides[0], count, *sides[1:]]
            ),
        ],
        [numpy_helper.from_array(_as_weight(v), name) for name, v in weights.items()],
    )
    return _finished(graph, record, certificate)


def _as_weight(values: NDArray[Any]) -> NDArray[Any]:
    return values if values.dtype.kind == "i" else values.astype("float32")


def instance_model(record: Mapping[str, Any], *, has_masks: bool = True) -> bytes:
    """Return a file that finds three instances: where red exceeds 60, 120 and 200.

    Their boxes are the left, the upper and the whole image, their scores 0.9, 0.6 and 0.3, and
    their ids 0, the last one, and 0.

    Args:
        record: ``zoo.model``.
        has_masks: Whether it returns masks, besides boxes.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    last = len(record["classes"]) - 1
    constants: dict[str, NDArray[Any]] = {
        "scores": np.array([0.9, 0.6, 0.3], np.float32),
        "labels": np.array([0, last, 0], np.int64),
        "levels": np.array(_LEVELS, np.float32).reshape(3, 1, 1),
        "shares": np.array([[0, 0, 0.5, 1], [0, 0, 1, 0.5], [0, 0, 1, 1]], np.float32),
        "zero": np.array(0, np.int64),
        "sides": np.array([2, 1, 2, 1], np.int64),
    }
    nodes = [
        helper.make_node("Shape", ["image"], ["shape"]),
        helper.make_node("Gather", ["shape", "sides"], ["lengths"]),
        helper.make_node("Cast", ["lengths"], ["reals"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["shares", "reals"], ["boxes"]),
        helper.make_node("Gather", ["image", "zero"], ["one"], axis=0),
        helper.make_node("Gather", ["one", "zero"], ["red"], axis=2),
        helper.make_node("Cast", ["red"], ["bright"], to=TensorProto.FLOAT),
        helper.make_node("Greater", ["bright", "levels"], ["above"]),
        helper.make_node("Cast", ["above"], ["masks"], to=TensorProto.UINT8),
        *(helper.make_node("Identity", [f"{name}_"], [name]) for name in ("scores", "labels")),
    ]
    given = ("scores", "labels")  # no output is a constant
    held = {f"{name}_" if name in given else name: v for name, v in constants.items()}
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["count", 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["count"]),
        helper.make_tensor_value_info("labels", TensorProto.INT64, ["count"]),
        helper.make_tensor_value_info("masks", TensorProto.UINT8, ["count", "height", "width"]),
    ]
    graph = helper.make_graph(
        nodes,
        "hand_made",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "height", "width", 3])],
        outputs if has_masks else outputs[:3],
        [numpy_helper.from_array(value, name) for name, value in held.items()],
    )
    return _finished(graph, record, None)


def given_outputs(
    record: Mapping[str, Any], outputs: Mapping[str, Any], certificate: Mapping[str, Any]
) -> bytes:
    """Return a file that finds the same in each image, whatever that is.

    Args:
        record: ``zoo.model``.
        outputs: Arrays by name.
        certificate: Its certificate, without ``graph_sha256``.
    """
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    values = {name: numpy_helper.from_array(np.asarray(v)) for name, v in outputs.items()}
    graph = helper.make_graph(
        [helper.make_node("Constant", [], [f"{name}_"], value=v) for name, v in values.items()]
        + [helper.make_node("Identity", [f"{name}_"], [name]) for name in values],
        "hand_made",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "height", "width", 3])],
        [
            helper.make_tensor_value_info(name, value.data_type, list(value.dims))
            for name, value in values.items()
        ],
    )
    return _finished(graph, record, certificate)


def _finished(
    graph: Any, record: Mapping[str, Any], certificate: Mapping[str, Any] | None
) -> bytes:
    from onnx import checker, helper

    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)
    checker.check_model(model)
    helper.set_model_props(model, {"zoo.format": "1", "zoo.model": json.dumps(dict(record))})
    if certificate is not None:
        digest = hashlib.sha256(model.SerializeToString()).hexdigest()
        entry = model.metadata_props.add()
        entry.key = CERTIFICATE
        entry.value = json.dumps({**certificate, "graph_sha256": digest})
    data: bytes = model.SerializeToString()
    return data


def with_metadata(data: bytes, changes: Mapping[str, str | None]) -> bytes:
    """Return a file whose metadata has other values; None removes a key.

    Args:
        data: The file.
        changes: Key -> value.
    """
    import onnx

    model = onnx.load_from_string(data)
    kept = {each.key: each.value for each in model.metadata_props} | dict(changes)
    del model.metadata_props[:]
    onnx.helper.set_model_props(
        model, {key: value for key, value in kept.items() if value is not None}
    )
    changed: bytes = model.SerializeToString()
    return changed
