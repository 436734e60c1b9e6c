# SPDX-License-Identifier: Apache-2.0
"""What a model takes of weights that fit in part, what of them it lists, and what it refuses."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, UnsafeCheckpointError

pytestmark = pytest.mark.mm

MASK_RCNN_HEADS = [
    "roi_head.bbox_head.fc_cls.weight (81, 16), expected (2, 16)",
    "roi_head.bbox_head.fc_cls.bias (81,), expected (2,)",
    "roi_head.bbox_head.fc_reg.weight (320, 16), expected (4, 16)",
    "roi_head.bbox_head.fc_reg.bias (320,), expected (4,)",
    "roi_head.mask_head.conv_logits.weight (80, 8, 1, 1), expected (1, 8, 1, 1)",
    "roi_head.mask_head.conv_logits.bias (80,), expected (1,)",
]


@pytest.fixture
def build(squares_config: Path) -> Callable[..., Any]:
    """Return a function that builds a small model of either task, of so many classes."""

    def make(task: str, classes: int, seed: int) -> Any:
        import torch
        from mmengine.config import Config
        from mmengine.registry import MODELS, init_default_scope

        torch.manual_seed(seed)
        if task == "semantic":
            model = Config.fromfile(squares_config).model
            model.decode_head.num_classes = classes
        else:
            init_default_scope("mmdet")
            model = _small_mask_rcnn(classes)
        scope = {"semantic": "mmseg", "instance": "mmdet"}[task]
        init_default_scope(scope)
        built = MODELS.build(model)
        built.init_weights()
        return built

    return make


def _small_mask_rcnn(classes: int) -> Any:
    """Return mmdet's own Mask R-CNN with a ResNet-18 of 8 channels and an eighth of the rest."""
    from mmengine.config import Config
    from mmengine.hub import get_config

    config: Config = get_config("mmdet::_base_/models/mask-rcnn_r50_fpn.py")
    model = config.model
    model.backbone.update(depth=18, base_channels=8, stem_channels=8, init_cfg=None)
    model.neck.update(in_channels=[8, 16, 32, 64], out_channels=8)
    model.rpn_head.update(in_channels=8, feat_channels=8)
    head = model.roi_head
    head.bbox_roi_extractor.out_channels = head.mask_roi_extractor.out_channels = 8
    head.bbox_head.update(in_channels=8, fc_out_channels=16, num_classes=classes)
    head.mask_head.update(in_channels=8, conv_out_channels=8, num_classes=classes)
    return model


@pytest.mark.parametrize(
    ("task", "before", "after", "heads"),
    [
        ("instance", 80, 1, MASK_RCNN_HEADS),
        (
            "semantic",
            3,
            2,
            [
                "decode_head.conv_seg.weight (3, 4, 1, 1), expected (2, 4, 1, 1)",
                "decode_head.conv_seg.bias (3,), expected (2,)",
            ],
        ),
    ],
)
def test_weights_of_other_classes_are_taken_but_for_the_heads_that_count_them(
    build: Callable[..., Any], task: str, before: int, after: int, heads: list[str]
) -> None:
    """All that has its shape has the donor's values; what has not keeps its own."""
    import torch

    from zoo.engine.resuming.partial_start import take_weights

    donor, model = build(task, before, 1), build(task, after, 2)
    given = {name: tensor.clone() for name, tensor in donor.state_dict().items()}
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    found = take_weights(model, given, "donor.pth")

    assert sorted(found.shaped) == sorted(heads)
    assert (found.missing, found.unexpected) == ((), ())
    counted = [name for name in start if not name.endswith("num_batches_tracked")]
    assert found.taken == len(counted) - len(heads)
    names = {text.partition(" ")[0] for text in heads}
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, start[name] if name in names else given[name]), name


def test_names_that_one_side_lacks_are_listed_ten_at_most(build: Callable[..., Any]) -> None:
    from zoo.engine.resuming.partial_start import take_weights

    model = build("semantic", 2, 0)
    given = dict(model.state_dict())
    lost = [f"decode_head.conv_seg.{part}" for part in ("weight", "bias")]
    for name in lost:
        given.pop(name)
    given |= {
        f"old.{number}": given["backbone.encoder.0.0.convs.0.conv.weight"] for number in range(13)
    }

    found = take_weights(model, given, "old.pth")

    assert found.missing == tuple(lost)
    assert len(found.unexpected) == 13
    count = found.taken + 2
    assert found.text("old.pth").splitlines() == [
        f"starting from old.pth: {found.taken} of the model's {count} tensors taken",
        f"2 tensors are missing in the file and keep their initial values: {lost[0]}; {lost[1]}",
        "13 tensors of the file are not in the model: "
        + "; ".join(f"old.{number}" for number in range(10))
        + "; and 3 more",
    ]


@pytest.mark.parametrize("kind", ["other names", "other shapes"])
def test_weights_of_which_none_fits_are_refused(build: Callable[..., Any], kind: str) -> None:
    """A backbone's own file has no 'backbone.' before its names."""
    import torch

    from zoo.engine.resuming.partial_start import take_weights

    model = build("semantic", 2, 0)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    given = {
        "other names": {"conv1.weight": torch.zeros(3), "bn1.bias": torch.zeros(1)},
        "other shapes": {"decode_head.conv_seg.bias": torch.zeros(9)},
    }[kind]

    with pytest.raises(CheckpointError) as caught:
        take_weights(model, given, "/tmp/resnet.pth")

    message = str(caught.value)
    assert message.startswith(f"cannot start from 'resnet.pth': none of its {len(given)} tensors")
    assert next(iter(given)) in message
    assert "where: /tmp/resnet.pth" in message
    assert message.endswith(
        "HINT: give weights for this model's architecture, or train from random weights."
    )
    assert all(torch.equal(start[name], value) for name, value in model.state_dict().items())


def test_weights_that_a_module_renames_are_taken_and_those_of_another_shape_refused() -> None:
    """As mmdet's and mmcv's modules do with names of old versions."""
    import torch

    from zoo.engine.resuming.partial_start import take_weights

    class Renaming(torch.nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
            if f"{prefix}kernel" in state_dict:
                state_dict[f"{prefix}weight"] = state_dict.pop(f"{prefix}kernel")
            super()._load_from_state_dict(state_dict, prefix, *args)

    model = torch.nn.Sequential(Renaming(2, 2), torch.nn.Linear(2, 2))
    rest = {"0.bias": torch.ones(2), "1.weight": torch.ones(2, 2), "1.bias": torch.ones(2)}

    found = take_weights(model, rest | {"0.kernel": torch.ones(2, 2)}, "old.pth")
    with pytest.raises(CheckpointError) as caught:
        take_weights(model, rest | {"0.kernel": torch.ones(3, 2)}, "old.pth")

    assert (found.taken, found.shaped, found.missing, found.unexpected) == (4, (), (), ())
    assert "cannot start from 'old.pth': size mismatch for 0.weight" in str(caught.value)
    assert "\nHINT: " in str(caught.value)


def test_versions_of_modules_reach_them() -> None:
    """torch's layers and mmcv's convert what is older than they are."""
    import torch

    from zoo.engine.resuming.partial_start import take_weights

    seen: list[Any] = []

    class Asking(torch.nn.Linear):
        def _load_from_state_dict(self, state: Any, prefix: str, meta: Any, *args: Any) -> None:
            seen.append(meta.get("version"))
            super()._load_from_state_dict(state, prefix, meta, *args)

    weights = OrderedDict({"weight": torch.ones(2, 2), "bias": torch.ones(3)})
    weights._metadata = {"": {"version": 7}}  # type: ignore[attr-defined]

    found = take_weights(Asking(2, 2), weights, "old.pth")

    assert seen == [7]
    assert found.shaped == ("bias (3,), expected (2,)",)


@pytest.fixture
def read(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Return a function that reads the squares' config for one step, options laid over it."""
    from zoo.engine.config.reading import read_config

    def run(*options: str, **more: Any) -> Any:
        more = {"data": squares_data, "work_dir": tmp_path / "run"} | more
        options = ("train_cfg.max_iters=1", "train_cfg.val_interval=9", *options)
        return read_config(squares_config, cfg_options=options, **more)

    return run


def _log_of(folder: Path) -> str:
    (path,) = folder.glob("*/*.log")
    return path.read_text()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("hooks", [[], [{"type": "EMAHook"}]])
def test_run_from_weights_of_three_classes_lists_its_head_and_trains(
    build: Callable[..., Any],
    read: Callable[..., Any],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    suffix: str,
    hooks: list[Any],
) -> None:
    """With bare weights in either format, with and without averaged weights."""
    import torch
    from safetensors.torch import save_file

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.runs.train import train

    given = {name: tensor.clone() for name, tensor in build("semantic", 3, 1).state_dict().items()}
    path = tmp_path / f"donor{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(given, path)
    config = read(f"load_from={path}", "optim_wrapper.optimizer.lr=1e-9")
    config.custom_hooks = hooks

    folder = train(config)

    log = _log_of(folder)
    assert f"starting from {path}: " in log
    assert (
        "2 tensors have another shape in the file and keep their initial values: "
        "decode_head.conv_seg.weight (3, 4, 1, 1), expected (2, 4, 1, 1); "
        "decode_head.conv_seg.bias (3,), expected (2,)" in log
    )
    assert "do not match exactly" not in "".join(capfd.readouterr())
    after = load_checkpoint(folder / "iter_1.pth").state_dict
    name = "backbone.encoder.0.0.convs.0.conv.weight"
    assert torch.allclose(after[name], given[name], atol=1e-6)
    assert after["decode_head.conv_seg.weight"].shape[0] == 2


def test_run_from_weights_that_hold_code_is_refused(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    """The restricted rules hold here too."""
    import torch

    from zoo.engine.runs.train import train

    path, canary = tmp_path / "bad.pth", tmp_path / "canary"

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (canary,))

    torch.save({"state_dict": {"a": torch.zeros(1)}, "x": Evil()}, path)

    with pytest.raises(UnsafeCheckpointError):
        train(read(f"load_from={path}"), transfer=True)

    assert not canary.exists()


def test_run_from_weights_of_which_none_fits_is_refused_before_it_trains(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    import torch

    from zoo.engine.runs.train import train

    path = tmp_path / "resnet.pth"
    torch.save({"conv1.weight": torch.zeros(3)}, path)

    with pytest.raises(CheckpointError, match=r"cannot start from 'resnet\.pth': none of its 1"):
        train(read(f"load_from={path}"))

    assert not list((tmp_path / "run").glob("*.pth"))


@pytest.mark.parametrize("prefix", [None, "backbone."])
def test_backbone_of_which_a_file_holds_nothing_is_refused_before_it_trains(
    read: Callable[..., Any], tmp_path: Path, prefix: str | None
) -> None:
    """As of a whole detector given as the weights of its backbone; mmengine only warns."""
    import torch

    from zoo.engine.runs.train import train

    path = tmp_path / "detector.pth"
    torch.save({"backbone.other.weight": torch.zeros(3)}, path)
    config = read()
    config.model.backbone.init_cfg = {"type": "Pretrained", "checkpoint": str(path)}
    if prefix is not None:
        config.model.backbone.init_cfg.prefix = prefix

    with pytest.raises(CheckpointError, match=r"cannot start from 'detector\.pth': none") as caught:
        train(config)

    hint = f"--pretrained {path} --cfg-options model.backbone.init_cfg=None."
    assert caught.value.hint == f"to use weights of a whole model: {hint}"

    assert not list((tmp_path / "run").glob("*.pth"))


@pytest.mark.parametrize("name", ["weight", "old_weight"])
def test_part_of_a_model_takes_what_fits_of_a_file_also_under_names_that_it_renames(
    tmp_path: Path, name: str
) -> None:
    import torch
    from mmengine.model import PretrainedInit

    from zoo.engine.resuming.partial_start import listing_start

    class Renaming(torch.nn.Linear):
        def _load_from_state_dict(self, state_dict: Any, *args: Any) -> None:
            if "old_weight" in state_dict:
                state_dict["weight"] = state_dict.pop("old_weight")
            super()._load_from_state_dict(state_dict, *args)

    path = tmp_path / "a.pth"
    torch.save({name: torch.full((2, 3), 7.0), "else": torch.zeros(1)}, path)
    layer = Renaming(3, 2)

    with listing_start():
        PretrainedInit(str(path))(layer)

    assert layer.weight.unique().tolist() == [7.0]


def _encoder(width: int = 4) -> Any:
    import torch

    pairs = [(torch.nn.Conv2d(3, width, 3), torch.nn.BatchNorm2d(width)) for _ in range(2)]
    return torch.nn.Sequential(*(layer for pair in pairs for layer in pair))


@pytest.fixture
def nested() -> Any:
    """Return a model whose encoder lies two levels deep, as a U-Net's with a VGG-16."""
    import torch

    model = torch.nn.Module()
    model.backbone = torch.nn.Module()
    model.backbone.encoder = _encoder()
    model.backbone.decoder = torch.nn.Conv2d(4, 2, 1)
    model.head = torch.nn.Conv2d(2, 2, 1)
    return model


def test_weights_of_an_encoder_alone_go_to_where_it_is(nested: Any) -> None:
    """Their names begin at the encoder; a classifier that the model lacks stays out."""
    import torch

    from zoo.engine.resuming.partial_start import placed, take_weights

    given = _encoder().state_dict() | {"classifier.weight": torch.zeros(9, 4)}

    moved, place = placed(nested, given)
    found = take_weights(nested, moved, "vgg16_bn.pth")

    assert place == "backbone.encoder"
    assert found.unexpected == ("backbone.encoder.classifier.weight",)
    for name, value in nested.backbone.encoder.state_dict().items():
        assert torch.equal(value, given[name]), name


@pytest.mark.parametrize("kind", ["whole", "other shapes", "few"])
def test_weights_that_are_no_part_by_their_shapes_keep_their_names(nested: Any, kind: str) -> None:
    import torch

    from zoo.engine.resuming.partial_start import placed

    given = {
        "whole": nested.state_dict(),
        "other shapes": _encoder(7).state_dict(),
        "few": {"0.weight": torch.zeros(4, 3, 3, 3), "0.bias": torch.zeros(4)},
    }[kind]

    moved, place = placed(nested, given)

    assert place is None
    assert list(moved) == list(given)


def test_weights_of_a_part_s_names_and_other_shapes_are_told_the_part(nested: Any) -> None:
    """Whose own initializer says what it takes; its hint does not lead back."""
    from zoo.engine.resuming.partial_start import take_weights

    with pytest.raises(CheckpointError) as caught:
        take_weights(nested, _encoder(7).state_dict(), "vgg16.pth")

    key = "model.backbone.encoder.init_cfg"
    assert caught.value.hint == (
        f"--cfg-options {key}.type=Pretrained {key}.checkpoint=vgg16.pth shows why they do not fit."
    )


def test_initializer_of_a_backbone_takes_weights_of_its_encoder(
    nested: Any, tmp_path: Path
) -> None:
    """As with model.backbone.init_cfg where the file is of what lies inside."""
    import torch
    from mmengine.model import PretrainedInit

    from zoo.engine.resuming.partial_start import listing_start

    given = _encoder().state_dict()
    torch.save(given, tmp_path / "vgg16_bn.pth")

    with listing_start():
        PretrainedInit(str(tmp_path / "vgg16_bn.pth"))(nested.backbone)

    assert torch.equal(nested.backbone.encoder[0].weight, given["0.weight"])


def test_part_of_which_nothing_fits_is_not_told_an_option_that_was_given(tmp_path: Path) -> None:
    """``--pretrained none`` takes away addresses, not the files that a config names."""
    import torch
    from mmengine.model import PretrainedInit

    from zoo.engine.resuming.partial_start import listing_start

    torch.save({"x.weight": torch.zeros(3)}, tmp_path / "a.pth")

    with listing_start(), pytest.raises(CheckpointError) as caught:
        PretrainedInit(str(tmp_path / "a.pth"))(_encoder())

    assert caught.value.hint == (
        "give weights for this architecture, or set that part's init_cfg to None."
    )
