# SPDX-License-Identifier: Apache-2.0
"""The runtime without torch cleans labels and merges windows as the engine does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import numpy as np  # noqa: E402 (after the skip)

sys.path.append(str(Path(__file__).resolve().parents[3] / "tools"))
from onnx_models import instance_model, record_of, semantic_model  # noqa: E402
from zoo_runtime import Predictor  # noqa: E402

import zoo.data  # noqa: E402
from zoo.engine.cleaning.postprocess import parse_postprocess  # noqa: E402
from zoo.engine.scenes.merging import Detection, merge_windows  # noqa: E402
from zoo.engine.scenes.roi_mask import RoiMask  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("background", "field", "house")


@pytest.fixture(scope="module")
def photo() -> NDArray[Any]:
    """An image of soft blobs, ``(90, 130, 3)``, of all values."""
    import cv2

    noise = np.random.default_rng(3).normal(size=(90, 130, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 5)
    return np.rint((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def semantic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A semantic model of three classes."""
    path = tmp_path_factory.mktemp("semantic") / "hand_made.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES)))
    return path


def _outputs(path: Path, image: NDArray[Any], *names: str) -> list[NDArray[Any]]:
    """Return what onnxruntime alone returns of a file."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return list(session.run(list(names), {"image": image[None]}))


@pytest.mark.parametrize(
    "stated",
    [
        {"keep_largest": {"field": 1}, "fill_holes": ["house"]},
        {"keep_largest": 2, "fill_holes": True},
        {"keep_largest": {"house": 3, "field": 1}},
        {"fill_holes": ["field", "house"]},
    ],
)
def test_postprocessing_is_zoos(
    tmp_path: Path, semantic_file: Path, photo: NDArray[Any], stated: dict[str, Any]
) -> None:
    """Of the file, or given; None switches it off."""
    raw = _outputs(semantic_file, photo, "labels")[0][0]
    expected = parse_postprocess(stated, CLASSES).apply(raw, CLASSES)
    path = tmp_path / "cleaned.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES, postprocess=stated)))

    assert not np.array_equal(raw, expected)
    assert np.array_equal(expected, Predictor(path)(photo).labels)
    assert np.array_equal(expected, Predictor(semantic_file, postprocess=stated)(photo).labels)
    assert np.array_equal(raw, Predictor(path, postprocess=None)(photo).labels)


def test_windows_of_instances_are_merged_as_zoo_merges(tmp_path: Path, photo: NDArray[Any]) -> None:
    """The same detections, given to zoo's own function, leave the same instances."""
    path = tmp_path / "windows.onnx"
    tiling = {"tile_px": 64, "overlap_px": 16}
    path.write_bytes(instance_model(record_of(("a", "b"), "instance", tiling=tiling)))
    tiles = zoo.data.parse_tiling("tiles", 64, 16)
    found = []
    for window in zoo.data.tile_windows(130, 90, tiles):
        left, top, right, bottom = window.box
        part = np.ascontiguousarray(photo[top:bottom, left:right])
        names = ("boxes", "scores", "labels", "masks")
        detections = []
        for box, score, label, mask in zip(*_outputs(path, part, *names), strict=True):
            place = tuple((box + np.array([left, top, left, top])).tolist())
            cut = RoiMask.cut(mask > 0, left, top)
            if cut is not None:
                detections.append(Detection(place, float(score), int(label), cut))
        found.append((window, detections))
    expected = merge_windows(found, 130, 90)

    result = Predictor(path, score_thr=0)(photo)

    assert [one.box for one in expected] == [tuple(box) for box in result.boxes.tolist()]
    assert all(
        np.array_equal(one.mask.pixels, mask.pixels)
        for one, mask in zip(expected, result.masks, strict=True)
    )
    assert len(found) == result.windows
