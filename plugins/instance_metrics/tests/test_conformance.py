# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from typing import ClassVar

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "instance_metrics"
    settings: ClassVar = {
        "CocoMetric": [{}, {"metric": "bbox"}, {"sizes": {"small": (0, 3), "big": (3, None)}}]
    }
