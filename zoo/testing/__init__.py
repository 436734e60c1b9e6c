# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: a test class for plugins that checks every rule of zoo.

::

    from zoo.testing import conformance

    TestPlugin = conformance("my_thing")

It needs pytest. All checks except those of the manifest also need torch and OpenMMLab.
"""

from zoo.checking.kinds.targets import (
    check_members,
    check_pyproject,
    check_targets,
    check_weights,
)
from zoo.testing.conformance import PluginConformance
from zoo.testing.one_line import conformance

__all__ = [
    "PluginConformance",
    "check_members",
    "check_pyproject",
    "check_targets",
    "check_weights",
    "conformance",
]
