# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from typing import Any, ClassVar

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "vgg_unet"
    settings: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "MirrorPad": [{}, {"margin_px": 0}, {"margin_px": 5}],
    }

    def make_inputs(self, name: str, model: Any, size_px: tuple[int, int]) -> Any:
        """Give the network of valid convolutions a size that it takes."""
        if name == "OriginalUNet":
            size_px = (204, 220)
        return super().make_inputs(name, model, size_px)
