# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from typing import Any, ClassVar

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


class TestConformance(PluginConformance):
    plugin = "folder_data"
    prepare_options: ClassVar[dict[str, Any]] = {"FolderDataset": {"mask_suffix": "_mask"}}
