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
    from zoo.engine.machine import find_machine
    from zoo.engine.measuring.measure import measure
    from zoo.engine.prediction.predictor import Predictor, load
    from zoo.engine.prediction.results import InstanceResult, SemanticResult
    from zoo.engine.prediction_files.described import results_coco, results_json
    from zoo.engine.prediction_files.geojson import geojson_text
    from zoo.engine.preparation import prepare, sample
    from zoo.engine.recording.trackers import parse_trackers
    from zoo.engine.reproducing.comparing import Comparison
    from zoo.engine.reproducing.reproduce import Reproduction, reproduce
    from zoo.engine.runs.training import TrainingResult, train
    from zoo.engine.scenes.ground_area import ground_area_of
    from zoo.engine.work_dir.scalars import Run, read_run
    from zoo.engine.work_dir.tested import TestValues, read_test
    from zoo.errors import ZooError
    from zoo.loading import load_contribution
    from zoo.weights.by_address import fetch_pinned
    from zoo.weights.download import list_weights
    from zoo.weights.licences import restriction_of
    from zoo.weights.sources.contents import SourceContents, read_sources
else:
    from zoo.faces import lazy_names as _lazy_names

    __getattr__, __dir__ = _lazy_names(
        __name__,
        {
            "zoo.catalog": ["read_catalog"],
            "zoo.engine.adoption.obtaining": ["download"],
            "zoo.engine.checkpoints.checkpoint": ["load_checkpoint"],
            "zoo.engine.machine": ["find_machine"],
            "zoo.engine.measuring.measure": ["measure"],
            "zoo.engine.prediction.predictor": ["Predictor", "load"],
            "zoo.engine.prediction.results": ["InstanceResult", "SemanticResult"],
            "zoo.engine.prediction_files.described": ["results_coco", "results_json"],
            "zoo.engine.prediction_files.geojson": ["geojson_text"],
            "zoo.engine.recording.trackers": ["parse_trackers"],
            "zoo.engine.reproducing.comparing": ["Comparison"],
            "zoo.engine.reproducing.reproduce": ["Reproduction", "reproduce"],
            "zoo.engine.scenes.ground_area": ["ground_area_of"],
            "zoo.engine.work_dir.scalars": ["Run", "read_run"],
            "zoo.engine.work_dir.tested": ["TestValues", "read_test"],
            "zoo.engine.runs.training": ["TrainingResult", "train"],
            "zoo.errors": ["ZooError"],
            "zoo.loading": ["load_contribution"],
            "zoo.engine.preparation": ["prepare", "sample"],
            "zoo.weights.by_address": ["fetch_pinned"],
            "zoo.weights.download": ["list_weights"],
            "zoo.weights.licences": ["restriction_of"],
            "zoo.weights.sources.contents": ["SourceContents", "read_sources"],
        },
    )

__all__ = [
    "Comparison",
    "InstanceResult",
    "Predictor",
    "Reproduction",
    "Run",
    "SemanticResult",
    "SourceContents",
    "TestValues",
    "TrainingResult",
    "ZooError",
    "__version__",
    "download",
    "fetch_pinned",
    "find_machine",
    "geojson_text",
    "ground_area_of",
    "list_weights",
    "load",
    "load_checkpoint",
    "load_contribution",
    "measure",
    "parse_trackers",
    "prepare",
    "read_catalog",
    "read_run",
    "read_sources",
    "read_test",
    "reproduce",
    "restriction_of",
    "results_coco",
    "results_json",
    "sample",
    "train",
]

_install()
