# SPDX-License-Identifier: Apache-2.0
"""The metrics of a config's evaluators, and the COCO JSON that some of them use as ground truth."""

from __future__ import annotations

import copy
import inspect
import logging
from collections.abc import Mapping
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
    not keep. A metric that reads another data set's own files is replaced by COCO's, which an
    evaluator has once: two would give values of one name.

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
    replaced = []
    for place, metric in iterate_metrics(config[key], key):
        if _exchange(metric, place):
            replaced.append(metric)
        if "ann_file" in metric or _takes_ann_file(metric.get("type"), scope):
            metric["ann_file"] = str(path.absolute())
    config[key] = _joined(config[key], replaced)


def _joined(evaluator: Any, replaced: list[dict[str, Any]]) -> Any:
    """Return an evaluator in which metrics that became COCO's are one with that which was there."""
    if isinstance(evaluator, dict) and "metrics" in evaluator:
        return {**evaluator, "metrics": _joined(evaluator["metrics"], replaced)}
    if not isinstance(evaluator, (list, tuple)):
        return evaluator
    coco: list[dict[str, Any]] = [each for each in evaluator if _is_plain_coco(each)]
    joined = [each for each in coco if any(each is one for one in replaced)]
    if not joined:
        return evaluator
    kept = next((each for each in coco if each not in joined), joined[0])
    for other in (each for each in joined if each is not kept):
        kept["metric"] = list(dict.fromkeys([*_asked(kept), *_asked(other)]))
    return [each for each in evaluator if each is kept or not any(each is one for one in joined)]


def _is_plain_coco(metric: Any) -> bool:
    """Return whether a metric is COCO's, and gives its values the usual names."""
    if not isinstance(metric, dict) or metric.get("prefix") is not None:
        return False
    return str(metric.get("type")).rpartition(".")[2] == "CocoMetric"


def _asked(metric: Mapping[str, Any]) -> list[str]:
    asked = metric.get("metric", "bbox")
    return [asked] if isinstance(asked, str) else list(asked)


def _exchange(metric: dict[str, Any], key: str) -> bool:
    """Replace a metric that only reads files of another data set by COCO's; return whether."""
    kind = str(metric.get("type")).rpartition(".")[2]
    if kind not in _OF_OTHER_DATA:
        return False
    kept = [name for name in _asked(metric) if name in ("bbox", "segm")] or ["bbox"]
    metric.clear()
    metric.update(type="mmdet.CocoMetric", metric=kept)
    _LOG.warning("%s: %s reads files of another data set; using CocoMetric instead", key, kind)
    return True


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
