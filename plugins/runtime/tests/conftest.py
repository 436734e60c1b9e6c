# SPDX-License-Identifier: Apache-2.0
"""Files of models for these tests, written by hand."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path += [str(ROOT / "tools"), str(ROOT / "tests" / "data" / "pictures")]

if TYPE_CHECKING:
    from numpy.typing import NDArray

CLASSES = ("background", "field", "house")


@pytest.fixture(scope="session")
def semantic_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A semantic model of three classes."""
    pytest.importorskip("onnx")
    from onnx_models import PASSED, record_of, semantic_model

    path = tmp_path_factory.mktemp("semantic") / "hand_made.onnx"
    path.write_bytes(semantic_model(record_of(CLASSES), certificate=PASSED))
    return path


@pytest.fixture(scope="session")
def instance_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance model of two classes, which finds three instances in any image."""
    pytest.importorskip("onnx")
    from onnx_models import instance_model, record_of

    path = tmp_path_factory.mktemp("instance") / "hand_made.onnx"
    path.write_bytes(instance_model(record_of(("tank", "shed"), "instance")))
    return path


@pytest.fixture(scope="session")
def photo() -> NDArray[Any]:
    """An image of soft blobs, ``(90, 130, 3)``, of all values."""
    import cv2
    import numpy as np

    noise = np.random.default_rng(3).normal(size=(90, 130, 3))
    soft = cv2.GaussianBlur(noise, (0, 0), 5)
    return np.rint((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)
