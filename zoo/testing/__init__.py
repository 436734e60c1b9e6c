# SPDX-License-Identifier: Apache-2.0
"""The conformance kit: a test class for plugins that checks every rule of zoo.

::

    from zoo.testing import PluginConformance

    class TestConformance(PluginConformance):
        plugin = "my_thing"

It needs pytest. All checks except those of the manifest also need torch and OpenMMLab.
"""

import pytest

pytest.register_assert_rewrite(
    "zoo.testing.commands",
    "zoo.testing.datasets",
    "zoo.testing.conformance",
    "zoo.testing.hooks",
    "zoo.testing.losses",
    "zoo.testing.metrics",
    "zoo.testing.transforms",
)

from zoo.testing.checks import (  # noqa: E402
    check_members,
    check_pyproject,
    check_targets,
    check_weights,
)
from zoo.testing.conformance import PluginConformance  # noqa: E402

__all__ = [
    "PluginConformance",
    "check_members",
    "check_pyproject",
    "check_targets",
    "check_weights",
]
