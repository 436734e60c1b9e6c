# SPDX-License-Identifier: Apache-2.0
"""Imported once by the process that all processes of a check are forks of.

What nearly every case needs takes seconds to import, and no plugin is among it.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings

__all__: list[str] = []

_MODULES = (
    *("torch", "cv2", "pytest", "mmengine.runner", "mmcv.transforms"),
    *("mmseg.models", "mmseg.datasets", "mmseg.evaluation", "mmseg.engine", "mmseg.visualization"),
    *("mmdet.models", "mmdet.datasets", "mmdet.evaluation", "mmdet.engine", "mmdet.visualization"),
    *("zoo.registry", "zoo.checking.rules", "zoo.engine.runs.train", "zoo.engine.measuring.test"),
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    for _name in _MODULES:
        # What is missing is found by the rules that need it.
        with contextlib.suppress(Exception):
            importlib.import_module(_name)
