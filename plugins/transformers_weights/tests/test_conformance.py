# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hub_models import beit, dpt, mask2former, segformer, upernet

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


# The smallest model that each converter has a row for.
_MODELS: dict[str, Callable[[], Any]] = {
    "segformer": lambda: segformer(150),
    "upernet_swin": lambda: upernet("t"),
    "mask2former_instance": lambda: mask2former("t", 80),
    "mask2former_semantic": lambda: mask2former("l", 150),
    "dpt": dpt,
    "beit": beit,
}


class TestConformance(PluginConformance):
    plugin = "transformers_weights"

    def make_state_dict(self, name: str) -> Mapping[str, Any]:
        """Return zeros in the shapes of a model of transformers, which is never filled itself."""
        import torch

        with torch.device("meta"):
            model = _MODELS[name]()
        return {
            key: torch.zeros(value.shape, dtype=value.dtype)
            for key, value in model.state_dict().items()
            if not key.endswith("relative_position_index")  # which files may lack, or have whole
        }
