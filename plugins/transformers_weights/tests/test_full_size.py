# SPDX-License-Identifier: Apache-2.0
"""Whole models of each family, in the precision that users run: float32, random weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hub_models import beit, dpt, mask2former, segformer, upernet

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

pytestmark = [pytest.mark.mm, pytest.mark.slow, pytest.mark.release]

ALLOWED = 1e-5
"""Largest difference of logits, as a share of their range."""


def build_source(make: Callable[[], Any], randomised: Callable[..., Any]) -> Any:
    """Return a model that is filled once, not also as its library would."""
    from transformers.modeling_utils import no_init_weights

    with no_init_weights():
        return randomised(make())


def check(ours: Any, theirs: Any) -> None:
    span = (theirs.max() - theirs.min()).item()
    assert ours.shape == theirs.shape
    assert span > 1e-2
    assert (ours - theirs).abs().max().item() <= ALLOWED * span


def image(*size: int) -> Any:
    return torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(0))


def test_segformer_b2(build_model: Callable[..., Any], randomised: Callable[..., Any]) -> None:
    from zoo_transformers_weights.segformer import convert

    sizes = {"hidden_sizes": [64, 128, 320, 512], "depths": [3, 4, 6, 3]}
    source = build_source(lambda: segformer(19, **sizes, decoder_hidden_size=768), randomised)
    model = build_model("segformer_mit-b2_cityscapes-1024x1024")

    model.load_state_dict(convert(source.state_dict()), assign=True)

    x = image(97, 163)
    with torch.no_grad():
        check(model.decode_head(model.backbone(x)), source(x).logits)


def test_upernet_swin_t(build_model: Callable[..., Any], randomised: Callable[..., Any]) -> None:
    from zoo_transformers_weights.upernet import convert

    source = build_source(lambda: upernet("t"), randomised)
    model = build_model("upernet_swin-t_ade20k-512x512")

    model.load_state_dict(convert(source.state_dict()), assign=True)

    x = image(97, 163)
    with torch.no_grad():
        check(model.encode_decode(x, [{"img_shape": (97, 163)}]), source(x).logits)


def test_mask2former_swin_t(
    build_model: Callable[..., Any], randomised: Callable[..., Any]
) -> None:
    """In float64: a flipped pixel of an attention mask moves everything after it."""
    from mmdet.structures import DetDataSample
    from zoo_transformers_weights.mask2former import convert_instance

    source = build_source(lambda: mask2former("t", 80), randomised)
    model = build_model("mask2former_swin-t_coco")

    model.load_state_dict(convert_instance(source.state_dict()), assign=True)

    x = image(96, 128).double()
    sample = DetDataSample(metainfo={"batch_input_shape": (96, 128), "img_shape": (96, 128)})
    with torch.no_grad():
        found, model = source.double()(x), model.double()
        logits, masks = model.panoptic_head(model.backbone(x), [sample])
    check(logits[-1], found.class_queries_logits)
    check(masks[-1], found.masks_queries_logits)


def test_dpt_large(build_model: Callable[..., Any], randomised: Callable[..., Any]) -> None:
    from zoo_transformers_weights.dpt import convert

    source = build_source(dpt, randomised)
    model = build_model("dpt_vit-l16_ade20k-480x480")

    model.load_state_dict(convert(source.state_dict()), assign=True)

    x = image(128, 128)
    with torch.no_grad():
        check(model.encode_decode(x, [{"img_shape": (128, 128)}]), source(x).logits)


def test_beit_base(build_model: Callable[..., Any], randomised: Callable[..., Any]) -> None:
    """On 160 px, which takes a sixteenth of the time of 640."""
    from zoo_transformers_weights.beit import convert

    source = build_source(lambda: beit(image_size=160), randomised)
    source.config._out_indices = [5, 7, 9, 13]
    model = build_model("beit-base_upernet_ade20k-640x640", {"backbone": {"img_size": 160}})

    model.load_state_dict(convert(source.state_dict()), assign=True)

    x = image(160, 160)
    with torch.no_grad():
        check(model.decode_head(model.extract_feat(x)), source(x).logits)
