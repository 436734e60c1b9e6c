# SPDX-License-Identifier: Apache-2.0
"""Models of transformers with the sizes of the hub's files, and random weights."""

from __future__ import annotations

from typing import Any

SWINS = {
    "t": {"embed_dim": 96, "depths": [2, 2, 6, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "s": {"embed_dim": 96, "depths": [2, 2, 18, 2], "num_heads": [3, 6, 12, 24], "window_size": 7},
    "b": {
        "embed_dim": 128,
        "depths": [2, 2, 18, 2],
        "num_heads": [4, 8, 16, 32],
        "window_size": 12,
    },
    "l": {
        "embed_dim": 192,
        "depths": [2, 2, 18, 2],
        "num_heads": [6, 12, 24, 48],
        "window_size": 12,
    },
}


def segformer(classes: int, **sizes: Any) -> Any:
    """Return a SegFormer; without sizes, B0."""
    import transformers

    config = transformers.SegformerConfig(num_labels=classes, **sizes)
    return transformers.SegformerForSemanticSegmentation(config)


def swin(size: str) -> Any:
    """Return the config of a Swin backbone."""
    import transformers

    stages = [f"stage{number}" for number in (1, 2, 3, 4)]
    return transformers.SwinConfig(out_features=stages, **SWINS[size])


def upernet(size: str) -> Any:
    """Return a UperNet of ADE20K on a Swin."""
    import transformers

    config = transformers.UperNetConfig(
        backbone_config=swin(size),
        num_labels=150,
        auxiliary_in_channels=4 * SWINS[size]["embed_dim"],
    )
    return transformers.UperNetForSemanticSegmentation(config)


def mask2former(size: str, classes: int, queries: int = 100) -> Any:
    """Return a Mask2Former on a Swin."""
    import transformers

    config = transformers.Mask2FormerConfig(
        backbone_config=swin(size), num_labels=classes, num_queries=queries
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


def dpt() -> Any:
    """Return the DPT of ADE20K, which has one size."""
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


def beit(image_size: int = 640, **sizes: Any) -> Any:
    """Return a BEiT of ADE20K; without sizes, the base one."""
    import transformers

    config = transformers.BeitConfig(
        image_size=image_size,
        out_indices=[3, 5, 7, 11],
        use_relative_position_bias=True,
        num_labels=150,
        **sizes,
    )
    return transformers.BeitForSemanticSegmentation(config)
