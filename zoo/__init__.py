# SPDX-License-Identifier: Apache-2.0
"""A plugin-based model zoo registry for image segmentation on OpenMMLab.

Importing zoo imports only the standard library. If no compiled mmcv is installed, it makes
``mmcv._ext`` importable. The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo._extension import install as _install
from zoo.version import __version__

if TYPE_CHECKING:
    from zoo.catalog import read_catalog
    from zoo.engine.adoption.obtaining import download
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.measuring.measure import measure
    from zoo.engine.prediction.predictor import Predictor, load
    from zoo.engine.prediction.results import InstanceResult, SemanticResult
    from zoo.engine.preparation import prepare, sample
    from zoo.engine.runs.training import TrainingResult, train
    from zoo.engine.work_dir.scalars import Run, read_run
    from zoo.engine.work_dir.tested import TestValues, read_test
    from zoo.errors import ZooError
    from zoo.loading import load_contribution
    from zoo.weights.download import list_weights
else:
    from zoo.faces import lazy_names as _lazy_names

    __getattr__, __dir__ = _lazy_names(
        __name__,
        {
            "zoo.catalog": ["read_catalog"],
            "zoo.engine.adoption.obtaining": ["download"],
            "zoo.engine.checkpoints.checkpoint": ["load_checkpoint"],
            "zoo.engine.measuring.measure": ["measure"],
            "zoo.engine.prediction.predictor": ["Predictor", "load"],
            "zoo.engine.prediction.results": ["InstanceResult", "SemanticResult"],
            "zoo.engine.work_dir.scalars": ["Run", "read_run"],
            "zoo.engine.work_dir.tested": ["TestValues", "read_test"],
            "zoo.engine.runs.training": ["TrainingResult", "train"],
            "zoo.errors": ["ZooError"],
            "zoo.loading": ["load_contribution"],
            "zoo.engine.preparation": ["prepare", "sample"],
            "zoo.weights.download": ["list_weights"],
        },
    )

__all__ = [
    "InstanceResult",
    "Predictor",
    "Run",
    "SemanticResult",
    "TestValues",
    "TrainingResult",
    "ZooError",
    "__version__",
    "download",
    "list_weights",
    "load",
    "load_checkpoint",
    "load_contribution",
    "measure",
    "prepare",
    "read_catalog",
    "read_run",
    "read_test",
    "sample",
    "train",
]

_install()
