# SPDX-License-Identifier: Apache-2.0
"""A small certified ONNX file, and onnxruntime-web if it is at hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.append(str(ROOT / "tools"))

CLASSES = ("background", "lung", "heart")


@pytest.fixture(scope="session")
def package() -> Path:
    """Return the package of npm, which is not in the repository."""
    named = os.environ.get("ZOO_ONNXRUNTIME_WEB")
    if not named:
        pytest.skip("ZOO_ONNXRUNTIME_WEB names no package: npm pack onnxruntime-web@1.30.0")
    return Path(named)


@pytest.fixture(scope="session")
def write_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that writes a certified file of two convolutions."""
    return partial(_write_model, tmp_path_factory)


def _write_model(
    folders: pytest.TempPathFactory, classes: tuple[str, ...] = CLASSES, **others: Any
) -> Path:
    from onnx_models import PASSED, record_of, semantic_model

    path = folders.mktemp("model") / "toy.onnx"
    path.write_bytes(semantic_model(record_of(classes, **others), certificate=PASSED))
    return path
