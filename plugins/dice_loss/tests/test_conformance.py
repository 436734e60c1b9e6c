# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from typing import Any, ClassVar

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "dice_loss"
    settings: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "DiceLoss": [{}, {"squared": True, "per_image": True}, {"use_sigmoid": True}]
    }
    mask_settings: ClassVar[dict[str, list[dict[str, Any]]]] = {"DiceLoss": [{"use_mask": True}]}
