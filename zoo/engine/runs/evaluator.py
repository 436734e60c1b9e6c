# SPDX-License-Identifier: Apache-2.0
"""Let a run build any evaluator of a plugin, and treat its values as those of mmengine's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.config.type_names import is_evaluator
from zoo.engine.work_dir.no_results import with_nan

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["use_evaluators"]

_COLLECTED = ".collected"  # removed by mmengine as soon as the first process has read it


def use_evaluators(runner: Runner, scope: str) -> None:
    """Let a runner build evaluators that bring their own metrics, and leave their no-results out.

    Several processes exchange their results in the work dir.

    mmengine takes a dict without ``metrics`` for a metric.

    Args:
        runner: Changed in place; its loops are not built yet.
        scope: The config's default scope.
    """
    from mmengine.dist import get_world_size
    from mmengine.evaluator import Evaluator
    from mmengine.registry import EVALUATOR

    build = runner.build_evaluator

    def building(evaluator: Any) -> Any:
        is_own = isinstance(evaluator, Mapping) and "metrics" not in evaluator
        is_own = is_own and is_evaluator(evaluator, scope)
        built = EVALUATOR.build(dict(evaluator)) if is_own else build(evaluator)
        if type(built).evaluate is not Evaluator.evaluate:
            built.evaluate = with_nan(built.evaluate)
        for metric in getattr(built, "metrics", ()) if get_world_size() > 1 else ():
            if getattr(metric, "collect_dir", "") is None and metric.collect_device == "cpu":
                # mmengine would leave a folder .dist_test in the current one.
                metric.collect_dir = str(Path(runner.work_dir, _COLLECTED))
        return built

    runner.build_evaluator = building
