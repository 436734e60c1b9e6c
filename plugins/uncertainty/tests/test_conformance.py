# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "uncertainty"
