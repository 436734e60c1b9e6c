# SPDX-License-Identifier: Apache-2.0
"""Converted models compute what transformers computes: small networks, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ALLOWED = 1e-9
"""Largest difference, as a share of the range. In float32, a flipped threshold moves masks."""
ALLOWED_WITH_SINES = 1e-6
"""The same where one library computes its sine positions in float32."""


def swin(**changes: Any) -> Any:
    values = {
        "embed_dim": 12,
        "depths": [1, 2, 1, 2],
        "num_heads": [1, 2, 4, 8],
        "window_size": 3,
        "out_features": [f"stage{number}" for number in (1, 2, 3, 4)],
        **changes,
    }
    return transformers.SwinConfig(**values)


SWIN = {"embed_dims": 12, "depths": [1, 2, 1, 2], "num_heads": [1, 2, 4, 8], "window_size": 3}
SWIN_CHANNELS = [12, 24, 48, 96]


def image(size: tuple[int, int], seed: int, batch: int = 2) -> Any:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, 3, *size, dtype=torch.float64, generator=generator)


def resized(logits: Any, size: tuple[int, int]) -> Any:
    return torch.nn.functional.interpolate(logits, size, mode="bilinear", align_corners=False)


def assert_equal(ours: Any, theirs: Any, allowed: float = ALLOWED) -> None:
    """Compare with the range, and be sure that there is one."""
    assert ours.shape == theirs.shape
    span = (theirs.max() - theirs.min()).item()
    assert span > 1e-3
    assert (ours - theirs).abs().max().item() <= allowed * span


def scores(model: Any, x: Any) -> Any:
    size = tuple(x.shape[-2:])
    metas = [{"img_shape": size, "batch_input_shape": size, "ori_shape": size}] * len(x)
    return model.encode_decode(x, metas)


@pytest.mark.parametrize(
    ("size", "classes", "seed"), [((64, 96), 2, 0), ((77, 130), 19, 1), ((33, 64), 150, 2)]
)
def test_segformer_gives_the_logits_of_transformers(
    build_model: Callable[..., Any],
    randomised: Callable[..., Any],
    size: Any,
    classes: int,
    seed: int,
) -> None:
    from zoo_transformers_weights.segformer import convert

    widths, depths = [8, 16, 40, 64], [1, 2, 1, 3]
    config = transformers.SegformerConfig(
        hidden_sizes=widths, depths=depths, decoder_hidden_size=32, num_labels=classes
    )
    source = randomised(transformers.SegformerForSemanticSegmentation(config).double(), seed)
    model = build_model(
        "segformer_mit-b2_ade20k-512x512",
        {
            "backbone": {"embed_dims": 8, "num_layers": depths},
            "decode_head": {"in_channels": widths, "channels": 32, "num_classes": classes},
        },
    ).double()

    model.load_state_dict(convert(source.state_dict()))

    x = image(size, seed)
    with torch.no_grad():
        assert_equal(scores(model, x), resized(source(x).logits, size))


@pytest.mark.parametrize(
    ("size", "classes", "seed"), [((64, 96), 2, 0), ((77, 130), 19, 1), ((35, 61), 150, 2)]
)
def test_upernet_gives_the_logits_of_transformers(
    build_model: Callable[..., Any],
    randomised: Callable[..., Any],
    size: Any,
    classes: int,
    seed: int,
) -> None:
    """Those of the auxiliary head too."""
    from zoo_transformers_weights.upernet import convert

    config = transformers.UperNetConfig(
        backbone_config=swin(),
        num_labels=classes,
        hidden_size=32,
        auxiliary_in_channels=48,
        auxiliary_channels=16,
    )
    source = randomised(transformers.UperNetForSemanticSegmentation(config).double(), seed)
    model = build_model(
        "upernet_swin-t_ade20k-512x512",
        {
            "backbone": SWIN,
            "decode_head": {"in_channels": SWIN_CHANNELS, "channels": 32, "num_classes": classes},
            "auxiliary_head": {"in_channels": 48, "channels": 16, "num_classes": classes},
        },
    ).double()

    model.load_state_dict(convert(source.state_dict()))

    x = image(size, seed)
    with torch.no_grad():
        assert_equal(scores(model, x), source(x).logits)
        maps = source.backbone.forward_with_filtered_kwargs(x).feature_maps
        assert_equal(model.auxiliary_head(model.backbone(x)), source.auxiliary_head(maps))


def mask2former(classes: int) -> Any:
    config = transformers.Mask2FormerConfig(
        backbone_config=swin(),
        num_labels=classes,
        num_queries=7,
        hidden_dim=32,
        feature_size=32,
        mask_feature_size=32,
        num_attention_heads=4,
        encoder_layers=2,
        decoder_layers=4,
        encoder_feedforward_dim=24,
        dim_feedforward=40,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config).double()


def mask2former_head(classes: dict[str, Any]) -> dict[str, Any]:
    attention = {"embed_dims": 32, "num_heads": 4}
    deformable = {
        "self_attn_cfg": attention,
        "ffn_cfg": {"embed_dims": 32, "feedforward_channels": 24},
    }
    layer = {
        "self_attn_cfg": attention,
        "cross_attn_cfg": attention,
        "ffn_cfg": {"embed_dims": 32, "feedforward_channels": 40},
    }
    return {
        "in_channels": SWIN_CHANNELS,
        "feat_channels": 32,
        "out_channels": 32,
        "num_queries": 7,
        "pixel_decoder": {
            "encoder": {"num_layers": 2, "layer_cfg": deformable},
            "positional_encoding": {"num_feats": 16},
        },
        "positional_encoding": {"num_feats": 16},
        "transformer_decoder": {"num_layers": 3, "layer_cfg": layer},
        **classes,
    }


@pytest.mark.parametrize(("size", "seed"), [((64, 96), 0), ((96, 64), 1), ((83, 131), 2)])
def test_mask2former_gives_the_class_scores_of_transformers(
    build_model: Callable[..., Any], randomised: Callable[..., Any], size: Any, seed: int
) -> None:
    """As transformers' processor computes them, but for its way over masks of 384x384."""
    from zoo_transformers_weights.mask2former import convert_semantic

    classes = (2, 19, 150)[seed]
    source = randomised(mask2former(classes), seed)
    head = mask2former_head({"num_classes": classes})
    head["loss_cls"] = {"class_weight": [1.0] * classes + [0.1]}
    model = build_model(
        "mask2former_swin-t_ade20k-512x512", {"backbone": SWIN, "decode_head": head}
    ).double()

    model.load_state_dict(convert_semantic(source.state_dict()))

    x = image(size, seed)
    with torch.no_grad():
        found = source(x)
        masks = resized(found.masks_queries_logits, size).sigmoid()
        weights = found.class_queries_logits.softmax(-1)[..., :-1]
        expected = torch.einsum("bqc,bqhw->bchw", weights, masks)
        assert_equal(scores(model, x), expected, ALLOWED_WITH_SINES)


@pytest.mark.parametrize(("size", "seed"), [((64, 96), 0), ((96, 64), 1), ((83, 131), 2)])
def test_mask2former_gives_the_instances_of_transformers(
    build_model: Callable[..., Any], randomised: Callable[..., Any], size: Any, seed: int
) -> None:
    """The logits of classes and masks after every layer of the decoder."""
    from mmdet.structures import DetDataSample
    from zoo_transformers_weights.mask2former import convert_instance

    classes = (1, 12, 80)[seed]
    source = randomised(mask2former(classes), seed)
    things = {"num_things_classes": classes, "num_stuff_classes": 0}
    head = mask2former_head(things)
    head["loss_cls"] = {"class_weight": [1.0] * classes + [0.1]}
    model = build_model(
        "mask2former_swin-t_coco",
        {"backbone": SWIN, "panoptic_head": head, "panoptic_fusion_head": things},
    ).double()

    model.load_state_dict(convert_instance(source.state_dict()))

    x = image(size, seed)
    sample = DetDataSample(metainfo={"batch_input_shape": size, "img_shape": size})
    with torch.no_grad():
        found = source(x, output_auxiliary_logits=True)
        logits, masks = model.panoptic_head(model.backbone(x), [sample, sample])
    theirs = [
        *(
            (each["class_queries_logits"], each["masks_queries_logits"])
            for each in found.auxiliary_logits
        ),
        (found.class_queries_logits, found.masks_queries_logits),
    ]
    assert len(logits) == len(theirs) == 4
    for ours, expected in zip(zip(logits, masks, strict=True), theirs, strict=True):
        assert_equal(ours[0], expected[0], ALLOWED_WITH_SINES)
        assert_equal(ours[1], expected[1], ALLOWED_WITH_SINES)


@pytest.mark.parametrize(("side", "classes", "seed"), [(64, 150, 0), (96, 19, 1), (128, 2, 2)])
def test_dpt_gives_the_logits_of_transformers(
    build_model: Callable[..., Any],
    randomised: Callable[..., Any],
    side: int,
    classes: int,
    seed: int,
) -> None:
    """transformers computes squares alone; two of the sizes resize the positions."""
    from zoo_transformers_weights.dpt import convert

    necks = [8, 16, 24, 24]
    config = transformers.DPTConfig(
        hidden_size=24,
        num_hidden_layers=5,
        num_attention_heads=3,
        intermediate_size=96,
        image_size=64,
        backbone_out_indices=[0, 2, 3, 4],
        neck_hidden_sizes=necks,
        fusion_hidden_size=16,
        use_batch_norm_in_fusion_residual=True,
        num_labels=classes,
    )
    source = randomised(transformers.DPTForSemanticSegmentation(config).double(), seed)
    backbone = {"img_size": 64, "embed_dims": 24, "num_layers": 5, "num_heads": 3}
    head = {"in_channels": [24] * 4, "embed_dims": 24, "channels": 16, "num_classes": classes}
    model = build_model(
        "dpt_vit-l16_ade20k-480x480",
        {
            "backbone": {**backbone, "out_indices": (0, 2, 3, 4)},
            "decode_head": {**head, "post_process_channels": necks},
        },
    ).double()

    model.load_state_dict(convert(source.state_dict()))

    x = image((side, side), seed)
    with torch.no_grad():
        assert_equal(scores(model, x), source(x).logits)


def beit(classes: int) -> Any:
    config = transformers.BeitConfig(
        hidden_size=24,
        num_hidden_layers=6,
        num_attention_heads=3,
        intermediate_size=96,
        image_size=64,
        out_indices=[1, 2, 3, 5],
        use_relative_position_bias=True,
        num_labels=classes,
        auxiliary_channels=16,
    )
    return transformers.BeitForSemanticSegmentation(config).double()


@pytest.mark.parametrize(("classes", "seed"), [(150, 0), (19, 1), (2, 2)])
def test_beit_gives_the_logits_of_transformers_at_the_originals_blocks(
    build_model: Callable[..., Any], randomised: Callable[..., Any], classes: int, seed: int
) -> None:
    """transformers reads a level two blocks earlier than the number in the file's config says."""
    from zoo_transformers_weights.beit import convert

    source = randomised(beit(classes), seed)
    source.config._out_indices = [3, 4, 5, 7]
    model = build_model(
        "beit-base_upernet_ade20k-640x640",
        {
            "backbone": {
                "img_size": 64,
                "embed_dims": 24,
                "num_layers": 6,
                "num_heads": 3,
                "out_indices": (1, 2, 3, 5),
            },
            "neck": {"embed_dim": 24},
            "decode_head": {"in_channels": [24] * 4, "channels": 24, "num_classes": classes},
            "auxiliary_head": {"in_channels": 24, "channels": 16, "num_classes": classes},
        },
    ).double()

    model.load_state_dict(convert(source.state_dict()))

    x = image((64, 64), seed)
    with torch.no_grad():
        assert_equal(scores(model, x), resized(source(x).logits, (64, 64)))
