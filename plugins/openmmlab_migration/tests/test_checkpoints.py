# SPDX-License-Identifier: Apache-2.0
"""Old weights under the names of today: equal values, and equal outputs where both can be built."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from zoo_openmmlab_migration.checkpoints.migration import migrate_checkpoint
from zoo_openmmlab_migration.checkpoints.renaming import rename_weights

import zoo
from zoo.errors import CheckpointError, ConversionError, UnsafeCheckpointError

_ORDER = ("self_attn", "norm", "ffn", "norm")
_DECODER = ("self_attn", "norm", "cross_attn", "norm", "ffn", "norm")
_MASKED = ("cross_attn", "norm", "self_attn", "norm", "ffn", "norm")


def _twin(order: tuple[str, ...], deformable: str = "") -> Any:
    """Return a layer as mmdet 2.x had it: mmcv's own base layer, the batch second."""
    from mmcv.cnn.bricks.transformer import BaseTransformerLayer

    plain = {"type": "MultiheadAttention", "embed_dims": 32, "num_heads": 4}
    windowed = {"type": "MultiScaleDeformableAttention", "embed_dims": 32, "num_levels": 2}
    windowed |= {"num_heads": 4, "dropout": 0.0}
    attentions = [
        dict(windowed if part == deformable else plain) for part in order if part.endswith("attn")
    ]
    feed = {"type": "FFN", "embed_dims": 32, "feedforward_channels": 64, "ffn_drop": 0.0}
    return BaseTransformerLayer(
        attn_cfgs=attentions, ffn_cfgs=feed, operation_order=order, batch_first=False
    )


def _random(model: Any) -> Any:
    generator = torch.Generator().manual_seed(0)
    for value in model.state_dict().values():
        if value.is_floating_point():
            value.copy_(torch.randn(value.shape, generator=generator, dtype=value.dtype) * 0.3)
    return model.double().eval()


def _renamed_layer(old: Any, prefix: str, new_prefix: str, extra: dict[str, Tensor]) -> Any:
    """Return the state dict of a new layer, from an old one among other names of its model."""
    state = {f"{prefix}.layers.0.{name}": value for name, value in old.state_dict().items()}
    found = rename_weights({**state, **extra}).weights
    start = f"{new_prefix}.layers.0."
    return {n.removeprefix(start): v for n, v in found.items() if n.startswith(start)}


_MASK2FORMER = {"panoptic_head.level_embed.weight": torch.zeros(3, 32)}
_MASKFORMER = {"panoptic_head.query_embed.weight": torch.zeros(3, 32)}
_DEFORMABLE = {"bbox_head.transformer.level_embeds": torch.zeros(3, 32)}
_DETR = {"bbox_head.transformer.encoder.layers.9.norms.0.weight": torch.zeros(32)}


@pytest.mark.mm
@pytest.mark.parametrize(
    ("order", "kind", "prefix", "new_prefix", "extra"),
    [
        (_MASKED, "Mask2Former", "panoptic_head.transformer_decoder", "", _MASK2FORMER),
        (_DECODER, "Detr", "panoptic_head.transformer_decoder", "", _MASKFORMER),
        (_DECODER, "Detr", "bbox_head.transformer.decoder", "decoder", _DETR),
    ],
    ids=["mask2former", "maskformer", "detr"],
)
def test_decoder_layer_of_mmdet_2_gives_equal_outputs(
    order: tuple[str, ...], kind: str, prefix: str, new_prefix: str, extra: dict[str, Tensor]
) -> None:
    """Layers built from mmcv's pieces as in mmdet 2.x, beside those of mmdet 3.x, in float64."""
    from mmdet.models import layers
    from mmdet.models.layers.transformer.mask2former_layers import (
        Mask2FormerTransformerDecoderLayer,
    )

    old = _random(_twin(order))
    attention = {"embed_dims": 32, "num_heads": 4, "dropout": 0.0, "batch_first": True}
    feed = {"embed_dims": 32, "feedforward_channels": 64, "ffn_drop": 0.0}
    new_kind = (
        Mask2FormerTransformerDecoderLayer
        if kind == "Mask2Former"
        else layers.DetrTransformerDecoderLayer
    )
    new = new_kind(self_attn_cfg=attention, cross_attn_cfg=dict(attention), ffn_cfg=feed).double()
    new.load_state_dict(_renamed_layer(old, prefix, new_prefix or prefix, extra))
    query, memory, place, key_place = (
        torch.randn(length, 2, 32, dtype=torch.float64) for length in (5, 9, 5, 9)
    )

    with torch.no_grad():
        expected = old(query, memory, memory, query_pos=place, key_pos=key_place)
        first = {"query_pos": place.transpose(0, 1), "key_pos": key_place.transpose(0, 1)}
        batched = [each.transpose(0, 1) for each in (query, memory, memory)]
        got = new.eval()(*batched, **first)

    assert torch.allclose(got.transpose(0, 1), expected, atol=1e-12)


@pytest.mark.mm
@pytest.mark.parametrize(
    ("prefix", "new_prefix", "extra"),
    [
        ("panoptic_head.pixel_decoder.encoder", "", _MASK2FORMER),
        ("bbox_head.transformer.encoder", "encoder", _DEFORMABLE),
    ],
    ids=["mask2former", "deformable_detr"],
)
def test_deformable_encoder_layer_of_mmdet_2_gives_equal_outputs(
    prefix: str, new_prefix: str, extra: dict[str, Tensor]
) -> None:
    """The same for the layers of the pixel decoder and of Deformable DETR."""
    from mmdet.models.layers import DeformableDetrTransformerEncoderLayer

    old = _random(_twin(_ORDER, deformable="self_attn"))
    attention = {"embed_dims": 32, "num_levels": 2, "num_heads": 4, "dropout": 0.0}
    feed = {"embed_dims": 32, "feedforward_channels": 64, "ffn_drop": 0.0}
    new = DeformableDetrTransformerEncoderLayer(
        self_attn_cfg={**attention, "batch_first": True}, ffn_cfg=feed
    ).double()
    new.load_state_dict(_renamed_layer(old, prefix, new_prefix or prefix, extra))
    shapes = torch.tensor([[4, 4], [2, 2]])
    starts = torch.tensor([0, 16])
    points = torch.rand(2, 20, 2, 2, dtype=torch.float64)
    query = torch.randn(20, 2, 32, dtype=torch.float64)
    more = {"spatial_shapes": shapes, "level_start_index": starts, "reference_points": points}

    with torch.no_grad():
        place = torch.randn(20, 2, 32, dtype=torch.float64)
        expected = old(query, None, None, query_pos=place, **more)
        got = new.eval()(
            query.transpose(0, 1), query_pos=place.transpose(0, 1), key_padding_mask=None, **more
        )

    assert torch.allclose(got.transpose(0, 1), expected, atol=1e-12)


@pytest.mark.mm
def test_original_swin_gives_equal_outputs() -> None:
    """A twin of the original patch merging, beside mmcv's, on one feature map in float64."""
    from mmseg.models.utils.embed import PatchMerging

    torch.manual_seed(0)
    channels, side = 8, 6
    reduction = torch.randn(2 * channels, 4 * channels, dtype=torch.float64)
    weight, bias = torch.rand(2, 4 * channels, dtype=torch.float64)
    start = "backbone.layers.0.downsample"
    state = {
        "backbone.layers.0.blocks.0.attn.qkv.weight": torch.zeros(3 * channels, channels),
        "backbone.layers.0.blocks.1.attn_mask": torch.zeros(4, 9, 9),
        f"{start}.reduction.weight": reduction,
        f"{start}.norm.weight": weight,
        f"{start}.norm.bias": bias,
    }
    image = torch.randn(1, side, side, channels, dtype=torch.float64)

    renamed = rename_weights(state)

    # Liu et al.'s PatchMerging: four pixels of a patch one after another, then norm and linear.
    four = [image[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
    joined = torch.cat(four, -1).reshape(1, -1, 4 * channels)
    normed = torch.nn.functional.layer_norm(joined, (4 * channels,), weight, bias)
    expected = normed @ reduction.T
    ours = PatchMerging(channels, 2 * channels).double()
    begin = "backbone.stages.0.downsample."
    ours.load_state_dict(
        {n.removeprefix(begin): v for n, v in renamed.weights.items() if n.startswith(begin)}
    )
    got, _ = ours(image.reshape(1, -1, channels), (side, side))
    assert torch.allclose(got, expected, atol=1e-12)
    assert renamed.names["backbone.layers.0.blocks.1.attn_mask"] is None
    assert "backbone.stages.0.blocks.0.attn.w_msa.qkv.weight" in renamed.weights


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"rpn_head.rpn_conv.weight": 1}, {"bbox_head.rpn_conv.weight"}),
        (
            {"rpn_head.rpn_conv.weight": 1, "roi_head.bbox_head.fc_cls.weight": 1},
            {"rpn_head.rpn_conv.weight", "roi_head.bbox_head.fc_cls.weight"},
        ),
        (
            {"segm_head.segm_conv.weight": 1, "mask_head.protonet.0.weight": 1},
            {"mask_head.segm_branch.segm_conv.weight", "mask_head.protonet.0.weight"},
        ),
        (
            {"decode_head.conv_seg.weight": 1, "backbone.stem.0.weight": 1},
            {"decode_head.conv_seg.weight", "backbone.stem.0.weight"},
        ),
    ],
    ids=["rpn", "faster_rcnn", "yolact", "mmseg"],
)
def test_rename_weights_changes_only_what_changed(old: dict[str, int], new: set[str]) -> None:
    """Names that both generations share stay, and tensors are not touched."""
    state = {name: torch.full((2,), float(value)) for name, value in old.items()}

    renamed = rename_weights(state)

    assert renamed.weights.keys() == new
    assert {id(value) for value in renamed.weights.values()} == {id(v) for v in state.values()}


def test_rename_weights_where_two_names_meet_raises() -> None:
    """Weights of two models in one file would overwrite each other."""
    state = {"segm_head.segm_conv.weight": torch.zeros(1)}
    state["mask_head.segm_branch.segm_conv.weight"] = torch.ones(1)

    with pytest.raises(ConversionError, match="another weight is called"):
        rename_weights(state)


def _save(path: Path, state: dict[str, Tensor], **meta: Any) -> Path:
    torch.save({"meta": meta, "state_dict": state, "optimizer": {"state": {}}}, path)
    return path


def test_checkpoint_keeps_classes_and_copies_of_averages(tmp_path: Path) -> None:
    """`ema_*` copies get the dotted names of their weights, renamed as these are."""
    state = {"segm_head.segm_conv.weight": torch.ones(2), "backbone.a.bias": torch.zeros(3)}
    state |= {"ema_segm_head_segm_conv_weight": torch.full((2,), 5.0)}
    state |= {"ema_backbone_a_bias": torch.full((3,), 6.0)}
    path = _save(tmp_path / "old.pth", state, CLASSES=("cat", "dog"), PALETTE=[[1, 2, 3]] * 2)

    made = migrate_checkpoint(path)

    assert made.weights["mask_head.segm_branch.segm_conv.weight"].tolist() == [1, 1]
    assert made.copies["mask_head.segm_branch.segm_conv.weight"].tolist() == [5, 5]
    assert made.copies["backbone.a.bias"].tolist() == [6, 6, 6]
    assert made.note["classes"] == ["cat", "dog"]
    assert made.ledger.is_whole
    assert {"optimizer", "meta"} <= {entry.key for entry in made.ledger.dropped}


def test_checkpoint_brings_its_own_config(old_configs: Any, tmp_path: Path) -> None:
    """Runs of mmseg 0.x and mmdet 2.x store the text of their config."""
    old = next(each for each in old_configs.sample() if len(each.files) == 1)
    text = old.files[f"{old.name}.py"]
    path = _save(tmp_path / "old.pth", {"decode_head.a": torch.ones(1)}, config=text)

    made = migrate_checkpoint(path)

    assert made.config is not None
    assert made.config.family == old.family
    assert "train_dataloader" in made.config.values


def test_checkpoint_with_code_in_its_config_runs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The text is data; what is more is named, and the weights are carried all the same."""
    monkeypatch.chdir(tmp_path)
    text = "import os\nmodel = os.system('touch ran')\n"
    path = _save(tmp_path / "old.pth", {"a.b": torch.ones(1)}, config=text)

    made = migrate_checkpoint(path)

    assert made.config is None
    assert [entry.key for entry in made.ledger.lost] == ["meta.config"]
    assert made.weights.keys() == {"a.b"}
    assert not (tmp_path / "ran").exists()


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        import os

        return os.system, ("touch ran",)


def test_checkpoint_with_code_in_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pickle that asks for more than tensors is not read."""
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": {"a": torch.ones(1)}, "meta": _Code()}, tmp_path / "bad.pth")

    with pytest.raises(UnsafeCheckpointError):
        migrate_checkpoint(tmp_path / "bad.pth")

    assert not (tmp_path / "ran").exists()


def test_checkpoint_of_mmengine_is_refused(tmp_path: Path) -> None:
    """It is of the new generation already."""
    path = _save(tmp_path / "new.pth", {"a": torch.ones(1)}, mmengine_version="0.10.7")

    with pytest.raises(CheckpointError, match="mmengine wrote it"):
        migrate_checkpoint(path)


def test_load_checkpoint_gives_copies_by_weight(tmp_path: Path) -> None:
    """What `zoo migrate` builds on."""
    state = {"a.b_c": torch.ones(1), "ema_a_b_c": torch.zeros(1), "ema_other": torch.ones(2)}
    path = _save(tmp_path / "old.pth", state)

    checkpoint = zoo.load_checkpoint(path)

    assert checkpoint.copies.keys() == {"a.b_c"}
    assert checkpoint.state_dict.keys() == {"a.b_c", "ema_other"}


def test_converter_of_another_architecture_names_what_is_missing() -> None:
    """A row whose file is something else ends with the keys, not with half a model."""
    from zoo_openmmlab_migration.checkpoints.converter import mask2former

    with pytest.raises(ConversionError) as caught:
        mask2former({"decode_head.conv_seg.weight": torch.zeros(1)})

    assert "panoptic_head.level_embed.weight" in caught.value.missing
    assert list(caught.value.unexpected) == ["decode_head.conv_seg.weight"]


def _old_name(name: str) -> str:
    """Return what mmdet 2.x called a weight of Mask2Former."""
    if ".encoder.layers." not in name and ".transformer_decoder.layers." not in name:
        return name
    # The decoder lists its masked attention first.
    first, second = ("self", "none") if ".encoder." in name else ("cross", "self")
    for old, new in (("attentions.0", f"{first}_attn"), ("attentions.1", f"{second}_attn")):
        name = name.replace(f".{new}.", f".{old}.")
    return name.replace(".ffn.", ".ffns.0.")


@pytest.mark.slow
@pytest.mark.mm
def test_converter_gives_exactly_the_weights_of_its_config() -> None:
    """Each weight of the shipped config, from the name that mmdet 2.x had for it."""
    from mmdet.registry import MODELS
    from mmdet.utils import register_all_modules
    from mmengine.config import Config
    from mmengine.registry import init_default_scope
    from zoo_openmmlab_migration.checkpoints.converter import mask2former

    package = Path(zoo.load_contribution("command", "migrate").callback.__code__.co_filename).parent
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    config = Config.fromfile(package / "shipped/configs/mask2former_swin-s_lsj-50e_coco.py")
    new = MODELS.build(config.model).state_dict()
    old = {_old_name(name): value for name, value in new.items()}

    converted = mask2former(old)

    assert len(old) == len(new)
    assert any(".attentions.1." in name for name in old)
    assert {n: v.shape for n, v in converted.items()} == {n: v.shape for n, v in new.items()}
