# SPDX-License-Identifier: Apache-2.0
"""The metrics of a config's evaluators, and the COCO JSON that some of them use as ground truth."""

from __future__ import annotations

import copy
import inspect
import logging
from pathlib import Path
from typing import Any

from zoo.engine.config.type_names import find_type
from zoo.engine.config_parts.parts import iterate_metrics
from zoo.errors import ZooError

__all__ = ["bind_evaluator"]

_LOG = logging.getLogger("zoo")
_OF_OTHER_DATA = ("CityScapesMetric", "CrowdHumanMetric", "LVISMetric", "OpenImagesMetric")


def bind_evaluator(config: Any, key: str, path: Path) -> None:
    """Set another COCO JSON for the metrics of an evaluator that compare with one.

    A metric without its JSON would use the annotations of the pipeline, which test pipelines do
    not keep. A metric that reads another data set's own files is replaced by COCO's.

    Args:
        config: The whole config, changed in place.
        key: ``val_evaluator`` or ``test_evaluator``.
        path: The JSON.
    """
    if not config.get(key):
        return
    # One dict often stands under two keys (test_evaluator = val_evaluator).
    config[key] = copy.deepcopy(config[key])
    scope = str(config.get("default_scope") or "mmdet")
    for place, metric in iterate_metrics(config[key], key):
        _exchange(metric, place)
        if "ann_file" in metric or _takes_ann_file(metric.get("type"), scope):
            metric["ann_file"] = str(path.absolute())


def _exchange(metric: dict[str, Any], key: str) -> None:
    """Replace a metric that only reads files of another data set by COCO's metric."""
    kind = str(metric.get("type")).rpartition(".")[2]
    if kind not in _OF_OTHER_DATA:
        return
    asked = metric.get("metric", "bbox")
    asked = [asked] if isinstance(asked, str) else list(asked)
    kept = [name for name in asked if name in ("bbox", "segm")] or ["bbox"]
    metric.clear()
    metric.update(type="mmdet.CocoMetric", metric=kept)
    _LOG.warning("%s: %s reads files of another data set; using CocoMetric instead", key, kind)


def _takes_ann_file(kind: Any, scope: str) -> bool:
    classes = [_find(registry, scope, kind) for registry in ("METRICS", "EVALUATOR")]
    return any(
        inspect.isclass(cls) and "ann_file" in inspect.signature(cls.__init__).parameters
        for cls in classes
    )


def _find(registry: str, scope: str, kind: Any) -> Any:
    try:
        return find_type(registry, scope, kind) if isinstance(kind, str) else kind
    except ZooError:  # said with its key when all types are checked
        return None
