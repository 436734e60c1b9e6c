# SPDX-License-Identifier: Apache-2.0
"""The interface of each kind of contribution: its arguments and return values.

These are Protocols: a plugin's class conforms if it has the methods, whatever its base class. In
practice most classes inherit the methods from an mmengine, mmseg or mmdet class. The Protocols
list what the engine and the heads, loops and runners of OpenMMLab rely on, and
``zoo.testing.PluginConformance`` checks them. Shapes follow ``docs/glossary.md``: N images,
C classes, H and W pixels, K instances.
"""

from __future__ import annotations

from zoo.interfaces.charts import CHART_COLORS, CHART_STYLE
from zoo.interfaces.commands import CheckResult, Command, DataCheck, DoctorCheck, Mapper, Panel
from zoo.interfaces.datasets import (
    Dataset,
    ImageValues,
    InitTarget,
    PrepareTarget,
    Progress,
    SampleTarget,
    Transform,
)
from zoo.interfaces.exchanging import (
    Exchange,
    LabelledImage,
    LabelledObject,
    LabelledPolygon,
    LabelReader,
    Labels,
    LabelWriter,
    SourceReader,
)
from zoo.interfaces.exporting import (
    ExportedInstances,
    ExportedModel,
    Exporter,
    ExportOptions,
    Runner,
)
from zoo.interfaces.metrics import Evaluator, Metric, PerImageMetric
from zoo.interfaces.networks import Buildable, Converter, Loss, MaskLoss, Module
from zoo.interfaces.planning import (
    Allowance,
    ClassFacts,
    Fingerprint,
    Machine,
    Measured,
    Plan,
    Planner,
    Reason,
    Spread,
)
from zoo.interfaces.runs import (
    Hook,
    Loop,
    Optimizer,
    OptimWrapperConstructor,
    ParamScheduler,
    Sampler,
)

__all__ = [
    "CHART_COLORS",
    "CHART_STYLE",
    "Allowance",
    "Buildable",
    "CheckResult",
    "ClassFacts",
    "Command",
    "Converter",
    "DataCheck",
    "Dataset",
    "DoctorCheck",
    "Evaluator",
    "Exchange",
    "ExportOptions",
    "ExportedInstances",
    "ExportedModel",
    "Exporter",
    "Fingerprint",
    "Hook",
    "ImageValues",
    "InitTarget",
    "LabelReader",
    "LabelWriter",
    "LabelledImage",
    "LabelledObject",
    "LabelledPolygon",
    "Labels",
    "Loop",
    "Loss",
    "Machine",
    "Mapper",
    "MaskLoss",
    "Measured",
    "Metric",
    "Module",
    "OptimWrapperConstructor",
    "Optimizer",
    "Panel",
    "ParamScheduler",
    "PerImageMetric",
    "Plan",
    "Planner",
    "PrepareTarget",
    "Progress",
    "Reason",
    "Runner",
    "SampleTarget",
    "Sampler",
    "SourceReader",
    "Spread",
    "Transform",
]
