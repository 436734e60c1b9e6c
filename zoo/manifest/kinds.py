# SPDX-License-Identifier: Apache-2.0
"""The kinds of contributions: a table of kind, mmengine root registry and Protocol.

To add a kind, add a row here. The manifest then accepts ``[[<kind>]]`` tables, the catalog finds
them, the registry serves them to mmengine (or zoo itself looks them up, if they name no registry),
and the conformance kit checks them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["COMMAND_GROUPS", "KINDS", "Kind", "kinds_of_registry"]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of contribution.

    Attributes:
        name: Name of the manifest table, ``[[name]]``.
        registry: Attribute of ``mmengine.registry`` that configs build from; empty for a kind that
            zoo itself looks up.
        protocol: Class in ``zoo.interfaces`` that the target must implement.
        summary: Description for listings.
    """

    name: str
    registry: str
    protocol: str
    summary: str


_ROWS = (
    Kind("dataset", "DATASETS", "Dataset", "images with labels, as an mmseg or mmdet data set"),
    Kind("model", "MODELS", "Module", "a network or a part of one"),
    Kind("loss", "MODELS", "Loss", "a loss for mmseg heads, mmdet mask heads, or both"),
    Kind("hook", "HOOKS", "Hook", "code that runs at certain points of a run"),
    Kind("transform", "TRANSFORMS", "Transform", "one step of a data pipeline"),
    Kind("metric", "METRICS", "Metric", "a score over a test set"),
    Kind("evaluator", "EVALUATOR", "Evaluator", "a group of metrics"),
    Kind("sampler", "DATA_SAMPLERS", "Sampler", "the order in which images are drawn"),
    Kind("loop", "LOOPS", "Loop", "a training, validation or test loop"),
    Kind("visualizer", "VISUALIZERS", "Buildable", "draws images and results"),
    Kind("vis_backend", "VISBACKENDS", "Buildable", "stores scalars and pictures"),
    Kind("optimizer", "OPTIMIZERS", "Optimizer", "a torch optimizer"),
    Kind("optim_wrapper", "OPTIM_WRAPPERS", "Buildable", "precision and gradient accumulation"),
    Kind(
        "optim_wrapper_constructor",
        "OPTIM_WRAPPER_CONSTRUCTORS",
        "OptimWrapperConstructor",
        "parameter groups of an optimizer",
    ),
    Kind("param_scheduler", "PARAM_SCHEDULERS", "ParamScheduler", "a learning-rate schedule"),
    Kind("task_util", "TASK_UTILS", "Buildable", "assigners, coders, pixel samplers, ..."),
    Kind("model_wrapper", "MODEL_WRAPPERS", "Module", "a module around a whole model"),
    Kind("weight_initializer", "WEIGHT_INITIALIZERS", "Buildable", "initial values of weights"),
    Kind("log_processor", "LOG_PROCESSORS", "Buildable", "what the log shows"),
    Kind("runner", "RUNNERS", "Buildable", "a runner"),
    Kind("runner_constructor", "RUNNER_CONSTRUCTORS", "Buildable", "builds a runner"),
    Kind("strategy", "STRATEGIES", "Buildable", "how training is distributed over devices"),
    Kind("inferencer", "INFERENCERS", "Buildable", "mmengine's inference classes"),
    Kind("function", "FUNCTIONS", "Buildable", "a function that a config names (collate, ...)"),
    Kind("converter", "", "Converter", "a state dict of another library to OpenMMLab's"),
    Kind("command", "", "Command", "a command of the zoo command line"),
    Kind("panel", "", "Panel", "panels of a plot of runs and tests"),
    Kind("planner", "", "Planner", "a config made from facts of the data, the machine and a time"),
    Kind("exporter", "", "Exporter", "a model as one file of another format"),
    Kind("exchange", "", "Exchange", "a format that labels come from or predictions go to"),
    Kind("check", "", "DoctorCheck", "a check of this machine, or of a prepared folder"),
)

COMMAND_GROUPS = ("cache", "config", "data", "plugin", "source")
"""Groups of zoo's own command line that commands of plugins may join."""

KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in _ROWS})


def kinds_of_registry(registry: str) -> tuple[str, ...]:
    """Return the kinds that one mmengine root registry builds.

    Args:
        registry: Attribute of ``mmengine.registry``, such as ``"MODELS"``.

    Returns:
        Names of kinds in the order of the table; empty for a registry without kinds.

    Example:
        >>> kinds_of_registry("MODELS")
        ('model', 'loss')
    """
    return tuple(kind.name for kind in _ROWS if kind.registry == registry)
