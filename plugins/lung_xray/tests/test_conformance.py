# SPDX-License-Identifier: Apache-2.0
from zoo.testing import PluginConformance


class TestConformance(PluginConformance):
    plugin = "lung_xray"
