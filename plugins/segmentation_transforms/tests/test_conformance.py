# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from typing import ClassVar

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "segmentation_transforms"
    # Nothing is written: what has an array already is not cached.
    settings: ClassVar = {
        "CachedLoading": [{"steps": [{"type": "LoadImageFromFile"}], "folder": "cache"}]
    }
