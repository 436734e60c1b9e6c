# SPDX-License-Identifier: Apache-2.0
"""Exports of small models: each transform, each head, any size; and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from zoo_onnx_export.entry import export
from zoo_onnx_export.errors import ExportError, FileError
from zoo_onnx_export.exporter import make_graph
from zoo_onnx_export.images import smooth_noise
from zoo_onnx_export.record import read_export, with_certificate
from zoo_onnx_export.runner import OnnxModel
from zoo_onnx_export.running import Session

import zoo
from zoo.interfaces import ExportOptions

Toy = Callable[..., zoo.Predictor]
pytestmark = [pytest.mark.mm, pytest.mark.slow]

LOAD = {"type": "LoadImageFromFile"}
SIZES = [(1, 1), (1, 40), (2, 3), (31, 47), (47, 31), (64, 64), (96, 72), (129, 200)]
RESIZE = {"type": "Resize", "scale": (80, 56), "keep_ratio": True}
PREPROCESSOR = {
    "type": "SegDataPreProcessor",
    "mean": [100.0, 110.0, 120.0],
    "std": [50.0, 60.0, 70.0],
    "pad_val": 0,
}
MODELS: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any]]] = {
    "any size": ((), {}),
    "fixed": (({**RESIZE, "keep_ratio": False},), {}),
    "kept ratio": ((RESIZE,), {}),
    "factor": (({"type": "Resize", "scale_factor": 0.7, "keep_ratio": True},), {}),
    "factors": (({"type": "Resize", "scale_factor": (1.3, 0.6)},), {}),
    "area": (({**RESIZE, "interpolation": "area"},), {}),
    "nearest": (({**RESIZE, "interpolation": "nearest"},), {}),
    "multiple": (({"type": "ResizeToMultiple", "size_divisor": 16},), {}),
    "padded": ((RESIZE, {"type": "Pad", "size_divisor": 32, "pad_val": 7}), {}),
    "padded in batches": (
        (RESIZE,),
        {"data_preprocessor": {**PREPROCESSOR, "test_cfg": {"size_divisor": 32}}},
    ),
    "padded to a size": (
        (RESIZE,),
        {"data_preprocessor": {**PREPROCESSOR, "test_cfg": {"size": (96, 96)}}},
    ),
    "normalised": (
        (
            {"type": "Normalize", "mean": [90.0, 100, 110], "std": [60.0, 50, 40], "to_rgb": True},
            RESIZE,
        ),
        {"data_preprocessor": {"type": "SegDataPreProcessor"}},
    ),
    "floats": ((RESIZE,), {"load": {**LOAD, "to_float32": True}}),
    "grey": ((RESIZE,), {"load": {**LOAD, "color_type": "grayscale"}, "stem": {"channels": 1}}),
    "threshold": ((RESIZE,), {"classes": 2, "threshold": 0.3}),
    "not flipped": (({"type": "RandomFlip", "prob": 0.0},), {}),
}


@pytest.mark.parametrize("name", MODELS)
def test_labels_and_probabilities_are_the_models_at_any_size(
    name: str, write_toy: Toy, tmp_path: Path
) -> None:
    """Also at sizes, shapes and batches that were never traced."""
    steps, others = MODELS[name]
    model = write_toy(*steps, **others)

    session = Session(make_graph(model, "toy"), "toy.onnx")

    differing = total = 0
    for index, (height, width) in enumerate(SIZES):
        images = np.stack([smooth_noise(height, width, seed=i) for i in range(1 + index % 3)])
        labels, shares = session(images, ("labels", "probabilities"))
        assert (labels.shape, labels.dtype) == (images.shape[:3], np.uint8)
        for one, found, share in zip(images, labels, shares, strict=True):
            expected = model.probabilities(one)
            np.testing.assert_allclose(share, expected, atol=2e-2 if name == "area" else 2e-4)
            differing += int((found != model(one).labels).sum())
            total += found.size
    assert differing <= 1e-4 * total + 1


@pytest.mark.parametrize("threshold", [None, 0.3])
def test_record_states_the_threshold_of_one_map(threshold: float | None, write_toy: Toy) -> None:
    """Who averages windows decides by it; null where the most probable class wins."""
    data = make_graph(write_toy(RESIZE, classes=2, threshold=threshold), "toy")

    texts = {each.key: each.value for each in onnx.load_model_from_string(data).metadata_props}

    assert json.loads(texts["zoo.model"])["threshold"] == threshold


REFUSED: dict[str, tuple[tuple[dict[str, Any], ...], dict[str, Any], str]] = {
    "transform": (({"type": "CLAHE"},), {}, "has the transform CLAHE, which a graph"),
    "interpolation": (
        ({**RESIZE, "interpolation": "lanczos"},),
        {},
        "Resize interpolates by 'lanczos' of 'cv2'",
    ),
    "backend": (({**RESIZE, "backend": "pillow"},), {}, "by 'bilinear' of 'pillow'"),
    "flip": (({"type": "RandomFlip", "prob": 0.5},), {}, "RandomFlip flips images by chance"),
    "edges": (
        ({"type": "Pad", "size_divisor": 8, "padding_mode": "edge"},),
        {},
        "Pad fills by 'edge'",
    ),
    "bits": ((), {"load": {**LOAD, "color_type": "unchanged"}}, "LoadImageFromFile keeps the"),
    "windows": (
        (),
        {"test_cfg": {"mode": "slide", "crop_size": (32, 32), "stride": (16, 16)}},
        "it predicts in sliding windows",
    ),
    "operator": (
        (),
        {"stem": {"type": "ToyUnknown"}},
        "no counterpart of the operator prims.bessel_i1.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused_by_its_name(
    name: str, write_toy: Toy, tmp_path: Path
) -> None:
    """One message, and no file."""
    steps, others, said = REFUSED[name]
    model, out = write_toy(*steps, **others), tmp_path / "out"

    with pytest.raises(ExportError, match=said.replace(".", r"\.")):
        export(model, out / "toy.onnx", ExportOptions(name="toy"))

    assert not out.exists()


def test_export_that_departs_is_refused_with_the_first_layer(
    write_toy: Toy, tmp_path: Path
) -> None:
    """The layers before it agree, those after it only follow it."""
    model, out = write_toy(RESIZE, stem={"departs": True}), tmp_path / "toy.onnx"

    with pytest.raises(ExportError) as caught:
        export(model, out, ExportOptions(name="toy"))

    assert "the first layer that departs is backbone.scale (ToyScale)." in caught.value.message
    assert "% of the labels differ, expected at most 0.010%" in caught.value.message
    assert not out.exists()


PADS = {
    "alone": ({"type": "Pad", "size": (80, 60), "pad_val": 7},),
    "of a known size": (
        {**RESIZE, "keep_ratio": False},
        {"type": "Pad", "size": (64, 96)},
    ),
}


@pytest.mark.parametrize("name", PADS)
def test_image_beyond_its_padding_is_left_whole(name: str, write_toy: Toy) -> None:
    """As mmcv leaves it; each side by itself."""
    model = write_toy(*PADS[name])

    session = Session(make_graph(model, "toy"), "toy.onnx")

    for height, width in [(31, 47), (60, 80), (129, 47), (31, 200), (129, 200)]:
        image = smooth_noise(height, width, seed=1)
        labels, shares = session(image[None], ("labels", "probabilities"))
        np.testing.assert_allclose(shares[0], model.probabilities(image), atol=2e-4)
        assert (labels[0] != model(image).labels).mean() <= 1e-3


def test_certificate_has_a_size_beyond_every_stated_one(write_toy: Toy, tmp_path: Path) -> None:
    """What a graph does to larger images is not seen on smaller ones."""
    model = write_toy({"type": "Pad", "size": (720, 600)})

    stated = export(model, tmp_path / "toy.onnx", ExportOptions(name="toy"))

    assert stated["sizes"][-1] == "1x753x785"


CHANGES: dict[str, Any] = {
    "classes": ["class_1", "class_0", "class_2"],
    "palette": [[1, 2, 3]] * 3,
    "licence": {"weights": "CC0-1.0", "data": "CC0-1.0", "non_commercial": False},
    "notice": "For doctors.",
    "postprocess": {"fill_holes": ["class_1"]},
    "config_sha256": "0" * 64,
    "input": {"channels": 1, "bits": 8},
    "later": 1,
}


def test_verify_compares_the_record_with_that_of_the_original(
    write_toy: Toy, tmp_path: Path
) -> None:
    """Any key that was changed, with the digest made again; but for what it was made with."""
    path, model = tmp_path / "toy.onnx", write_toy(RESIZE)
    export(model, path, ExportOptions(name="toy"))
    opened = read_export(path)

    def change(**values: Any) -> OnnxModel:
        made = onnx.load_model_from_string(opened.graph)
        (entry,) = (one for one in made.metadata_props if one.key == "zoo.model")
        entry.value = json.dumps({**json.loads(entry.value), **values})
        path.write_bytes(with_certificate(made.SerializeToString(), opened.certificate))
        return OnnxModel(path)

    assert change(made_with={"zoo": "9"}).verify(model, None)["compared_again"] is True
    for key, value in CHANGES.items():
        with pytest.raises(FileError, match=f"its record is not that of 'toy': '{key}' is "):
            change(**{key: value}).verify(model, None)
    said = "its model is named 'other', and the same model is now named 'toy'"
    with pytest.raises(FileError, match=said):
        change(name="other").verify(model, None)
