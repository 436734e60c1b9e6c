# SPDX-License-Identifier: Apache-2.0
"""What zoo asks of every plugin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from zoo.testing import PluginConformance

pytestmark = pytest.mark.mm


def _swin(**sizes: Any) -> Any:
    from transformers import SwinConfig

    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    return SwinConfig(**{"depths": [2, 2, 6, 2], **sizes}, out_features=stages)


def _segformer() -> Any:
    import transformers

    config = transformers.SegformerConfig(num_labels=150)
    return transformers.SegformerForSemanticSegmentation(config)


def _upernet() -> Any:
    import transformers

    config = transformers.UperNetConfig(
        backbone_config=_swin(), num_labels=150, auxiliary_in_channels=384
    )
    return transformers.UperNetForSemanticSegmentation(config)


def _mask2former(labels: int, **sizes: Any) -> Any:
    import transformers

    config = transformers.Mask2FormerConfig(backbone_config=_swin(**sizes), num_labels=labels)
    return transformers.Mask2FormerForUniversalSegmentation(config)


def _dpt() -> Any:
    import transformers

    config = transformers.DPTConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        backbone_out_indices=[5, 11, 17, 23],
        neck_hidden_sizes=[256, 512, 1024, 1024],
        use_batch_norm_in_fusion_residual=True,
        num_labels=150,
    )
    return transformers.DPTForSemanticSegmentation(config)


def _beit() -> Any:
    import transformers

    config = transformers.BeitConfig(
        image_size=640,
        out_indices=[3, 5, 7, 11],
        use_relative_position_bias=True,
        num_labels=150,
    )
    return transformers.BeitForSemanticSegmentation(config)


_LARGE = {"embed_dim": 192, "depths": [2, 2, 18, 2], "num_heads": [6, 12, 24, 48]}
# The smallest model that each converter has a row for.
_MODELS: dict[str, Callable[[], Any]] = {
    "segformer": _segformer,
    "upernet_swin": _upernet,
    "mask2former_instance": lambda: _mask2former(80),
    "mask2former_semantic": lambda: _mask2former(150, **_LARGE, window_size=12),
    "dpt": _dpt,
    "beit": _beit,
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
