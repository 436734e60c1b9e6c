# SPDX-License-Identifier: Apache-2.0
"""Small models of each family on a loopback hub: pinned, converted, used for predicting."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import zoo
from zoo.errors import ConversionError, DownloadError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = [pytest.mark.mm, pytest.mark.slow]

CONFIGS = (
    Path(__file__).resolve().parent.parent / "zoo_transformers_weights" / "configs"
).as_posix()
CLASSES = ("ground", "water", "roof")
_SEMANTIC = f"""
data = dict(_delete_=True, type="BaseSegDataset", metainfo=dict(classes={CLASSES!r}),
    pipeline=[dict(type="LoadImageFromFile"), dict(type="Resize", scale=(64, 64)),
              dict(type="PackSegInputs")])
test_dataloader = dict(dataset=data)
"""
_INSTANCE = f"""
test_pipeline = [dict(type="LoadImageFromFile"), dict(type="Resize", scale=(64, 64)),
    dict(type="PackDetInputs", meta_keys=("img_path", "ori_shape", "img_shape", "scale_factor"))]
data = dict(_delete_=True, type="CocoDataset", metainfo=dict(classes={CLASSES!r}),
    pipeline=test_pipeline)
test_dataloader = dict(dataset=data)
"""
_SWIN = "embed_dims=12, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], window_size=3"
_HEAD = """feat_channels=32, out_channels=32, num_queries=7, in_channels=[12, 24, 48, 96],
        loss_cls=dict(class_weight=[1.0] * 3 + [0.1]), positional_encoding=dict(num_feats=16),
        pixel_decoder=dict(positional_encoding=dict(num_feats=16), encoder=dict(num_layers=1,
            layer_cfg=dict(self_attn_cfg=dict(embed_dims=32, num_heads=4),
                           ffn_cfg=dict(embed_dims=32, feedforward_channels=24)))),
        transformer_decoder=dict(num_layers=2, layer_cfg=dict(
            self_attn_cfg=dict(embed_dims=32, num_heads=4),
            cross_attn_cfg=dict(embed_dims=32, num_heads=4),
            ffn_cfg=dict(embed_dims=32, feedforward_channels=40)))"""


def _swin() -> Any:
    return transformers.SwinConfig(
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 4, 8],
        window_size=3,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def _segformer(width: int = 8) -> Any:
    config = transformers.SegformerConfig(
        hidden_sizes=[width * heads for heads in (1, 2, 5, 8)],
        depths=[1, 1, 1, 1],
        decoder_hidden_size=32,
        num_labels=3,
    )
    return transformers.SegformerForSemanticSegmentation(config)


def _upernet() -> Any:
    config = transformers.UperNetConfig(
        backbone_config=_swin(),
        num_labels=3,
        hidden_size=32,
        auxiliary_in_channels=48,
        auxiliary_channels=16,
    )
    return transformers.UperNetForSemanticSegmentation(config)


def _mask2former(classes: int = 3) -> Any:
    config = transformers.Mask2FormerConfig(
        backbone_config=_swin(),
        num_labels=classes,
        num_queries=7,
        hidden_dim=32,
        feature_size=32,
        mask_feature_size=32,
        num_attention_heads=4,
        encoder_layers=1,
        decoder_layers=3,
        encoder_feedforward_dim=24,
        dim_feedforward=40,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config)


def _dpt() -> Any:
    config = transformers.DPTConfig(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=96,
        image_size=64,
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 16, 24, 24],
        fusion_hidden_size=16,
        use_batch_norm_in_fusion_residual=True,
        num_labels=3,
    )
    return transformers.DPTForSemanticSegmentation(config)


def _beit(side: int = 64) -> Any:
    config = transformers.BeitConfig(
        hidden_size=24,
        num_hidden_layers=4,
        num_attention_heads=3,
        intermediate_size=96,
        image_size=side,
        out_indices=[0, 1, 2, 3],
        use_relative_position_bias=True,
        num_labels=3,
        auxiliary_channels=16,
    )
    return transformers.BeitForSemanticSegmentation(config)


# Family -> source, the plugin's config, and the changes that make it as small.
FAMILIES: dict[str, tuple[Callable[..., Any], str, str]] = {
    "segformer": (
        _segformer,
        "segformer_mit-b2_ade20k-512x512",
        "backbone=dict(embed_dims=8, num_layers=[1, 1, 1, 1]), "
        "decode_head=dict(in_channels=[8, 16, 40, 64], channels=32, num_classes=3)",
    ),
    "upernet_swin": (
        _upernet,
        "upernet_swin-t_ade20k-512x512",
        f"backbone=dict({_SWIN}), decode_head=dict(in_channels=[12, 24, 48, 96], channels=32, "
        "num_classes=3), auxiliary_head=dict(in_channels=48, channels=16, num_classes=3)",
    ),
    "mask2former_semantic": (
        _mask2former,
        "mask2former_swin-t_ade20k-512x512",
        f"backbone=dict({_SWIN}), decode_head=dict(num_classes=3, {_HEAD})",
    ),
    "mask2former_instance": (
        _mask2former,
        "mask2former_swin-t_coco",
        f"backbone=dict({_SWIN}), panoptic_head=dict(num_things_classes=3, {_HEAD}), "
        "panoptic_fusion_head=dict(num_things_classes=3), test_cfg=dict(max_per_image=10)",
    ),
    "dpt": (
        _dpt,
        "dpt_vit-l16_ade20k-480x480",
        "backbone=dict(img_size=64, embed_dims=24, num_layers=4, num_heads=3, "
        "out_indices=(0, 1, 2, 3)), decode_head=dict(in_channels=[24] * 4, embed_dims=24, "
        "channels=16, num_classes=3, post_process_channels=[8, 16, 24, 24])",
    ),
    "beit": (
        _beit,
        "beit-base_upernet_ade20k-640x640",
        "backbone=dict(img_size=64, embed_dims=24, num_layers=4, num_heads=3, "
        "out_indices=(0, 1, 2, 3)), neck=dict(embed_dim=24), decode_head=dict(in_channels="
        "[24] * 4, channels=24, num_classes=3), auxiliary_head=dict(in_channels=24, channels=16, "
        "num_classes=3), test_cfg=dict(crop_size=(64, 64), stride=(43, 43))",
    ),
}


@pytest.fixture
def shelve(
    tmp_path: Path,
    hub: Any,
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., dict[str, Any]]:
    """Return a function that puts a model on the hub and into a third party's shelf."""
    for name in ("ZOO_MIRRORS", "ZOO_OFFLINE", "ZOO_LICENCES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "small_models"))

    def write(
        family: str, model: Any, *, is_pickle: bool = False, has_digest: bool = True
    ) -> dict[str, Any]:
        from safetensors.torch import save

        _, base, changes = FAMILIES[family]
        state_dict = {key: value.contiguous() for key, value in model.state_dict().items()}
        if is_pickle:
            stream = io.BytesIO()
            torch.save(state_dict, stream)
            data, file = stream.getvalue(), "pytorch_model.bin"
        else:
            data, file = save(state_dict, {"format": "pt"}), "model.safetensors"
        commit = hub.add("acme/small", {file: data})
        values = {
            "name": "small",
            "task": "instance" if family.endswith("instance") else "semantic",
            "config": "small",
            "urls": [f"hf://acme/small@{commit}/{file}"],
            "format": "pth" if is_pickle else "safetensors",
            "converter": f"transformers_weights.{family}",
            "licence": "Apache-2.0",
            "non_commercial": False,
            "data_licence": "CC0-1.0",
            "parameters": _count(family, model),
            "classes": list(CLASSES),
        }
        if has_digest:
            values |= {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
        rows = '[[shelf]]\nfile = "shelf.json"\n\n[[config]]\nname = "small"\nfile = "small.py"\n'
        package = write_plugin("small_models", rows)
        shelf = {"format": 1, "class_lists": {}, "weights": [values]}
        (package / "shelf.json").write_text(json.dumps(shelf))
        data_part = _INSTANCE if family.endswith("instance") else _SEMANTIC
        config = f'_base_ = ["{CONFIGS}/{base}.py"]\nmodel = dict({changes})\n{data_part}'
        (package / "small.py").write_text(config)
        return values

    return write


def _count(family: str, model: Any) -> int:
    """Return the parameters of the OpenMMLab model: transformers' own, but for what differs."""
    own = sum(each.numel() for each in model.parameters())
    if family == "segformer":  # four batch norms of 32 stand for four biases
        return own + 4 * 32
    if family == "dpt":  # unused: the last norm, one unit of the first fusion, the auxiliary head
        unused = [model.dpt.layernorm, model.auxiliary_head]
        unused.append(model.neck.fusion_stage.layers[0].residual_layer1)
        return own - sum(each.numel() for module in unused for each in module.parameters())
    return own


@pytest.mark.parametrize("family", FAMILIES)
def test_model_on_a_hub_is_fetched_converted_and_predicts(
    shelve: Callable[..., Any], randomised: Callable[..., Any], tmp_path: Path, family: str
) -> None:
    """From the row of a third party that names the plugin's converter, to labels of an image."""
    import cv2
    import numpy as np

    shelve(family, randomised(FAMILIES[family][0]()), is_pickle=family in ("dpt", "beit"))
    picture = np.random.default_rng(0).integers(0, 256, (70, 90, 3), np.uint8)
    assert cv2.imwrite(str(tmp_path / "x.png"), picture)

    model = zoo.load("small", device="cpu", score_thr=0)
    result: Any = model(tmp_path / "x.png")

    assert model.model.classes == CLASSES
    assert f"transformers_weights.{family}" in (tmp_path / "zoo.lock").read_text()
    if family.endswith("instance"):
        assert len(result.masks) > 0
        assert result.mask(0).shape == (70, 90)
    else:
        assert result.labels.shape == (70, 90)
        assert set(np.unique(result.labels)) <= {0, 1, 2}


@pytest.mark.parametrize(
    ("family", "model", "key"),
    [
        ("segformer", lambda: _segformer(width=16), "backbone.layers.0.0.projection.weight"),
        ("mask2former_semantic", lambda: _mask2former(classes=5), "decode_head.cls_embed.weight"),
        ("mask2former_instance", lambda: _mask2former(classes=5), "panoptic_head.cls_embed.weight"),
        ("beit", lambda: _beit(side=96), "backbone.layers.0.attn.relative_position_bias_table"),
    ],
    ids=["another size", "other classes", "other instances", "another window"],
)
def test_model_of_another_size_than_the_row_is_refused(
    shelve: Callable[..., Any],
    tmp_path: Path,
    family: str,
    model: Callable[[], Any],
    key: str,
) -> None:
    """The converter accepts it, the config does not; nothing is pinned."""
    shelve(family, model())

    with pytest.raises(ConversionError) as caught:
        zoo.download("small")

    assert key in caught.value.misshaped
    assert "config" in caught.value.message
    assert not (tmp_path / "zoo.lock").exists()


def test_model_of_another_family_is_refused_by_the_converter(shelve: Callable[..., Any]) -> None:
    shelve("segformer", _upernet())

    with pytest.raises(ConversionError, match="cannot convert the weights to SegFormer") as caught:
        zoo.download("small")

    assert any(key.startswith("segformer.encoder") for key in caught.value.missing)


def test_model_without_a_digest_is_not_taken_unasked(shelve: Callable[..., Any], hub: Any) -> None:
    """As most rows of the plugin are; the hint leads to the command that asks."""
    shelve("upernet_swin", _upernet(), has_digest=False)

    with pytest.raises(DownloadError) as caught:
        zoo.download("small")

    assert caught.value.hint is not None
    assert caught.value.hint.startswith("zoo download small --pin")
    assert hub.asked == []
