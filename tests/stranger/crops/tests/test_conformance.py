# SPDX-License-Identifier: Apache-2.0
import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "crops"
