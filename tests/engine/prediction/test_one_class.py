# SPDX-License-Identifier: Apache-2.0
"""A semantic model of one class alone: a softmax over one channel is 1 whatever it has learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ConfigError

pytestmark = pytest.mark.mm


def _config(losses: Any, classes: tuple[str, ...] = ("vessel",)) -> Any:
    from mmengine.config import Config

    count = len(classes)
    dataset = {"type": "BaseSegDataset", "metainfo": {"classes": classes}}
    head = {"type": "FCNHead", "num_classes": count, "loss_decode": losses}
    model = {"type": "EncoderDecoder", "decode_head": head}
    return Config(
        {"default_scope": "mmseg", "model": model, "train_dataloader": {"dataset": dataset}}
    )


@pytest.mark.parametrize(
    "losses",
    [
        {"type": "CrossEntropyLoss"},
        {"type": "zoo.dice_loss.DiceLoss"},
        [{"type": "CrossEntropyLoss", "use_sigmoid": True}, {"type": "DiceLoss"}],
        [],
    ],
    ids=["cross-entropy", "dice", "both", "none"],
)
def test_one_class_with_a_softmax_is_refused_and_the_way_out_named(losses: Any) -> None:
    from zoo.engine.dataset.class_check import check_run_classes

    with pytest.raises(ConfigError) as caught:
        check_run_classes(_config(losses), "train_dataloader")

    assert caught.value.message == (
        "cannot train on the one class 'vessel': a softmax over one channel is 1 everywhere, "
        "expected at least two classes."
    )
    assert "the background as a class of its own" in str(caught.value.hint)
    assert "out_channels=1 and use_sigmoid=True" in str(caught.value.hint)


def test_one_class_with_sigmoids_and_two_classes_are_taken() -> None:
    from zoo.engine.dataset.class_check import check_run_classes

    sigmoid = {"type": "CrossEntropyLoss", "use_sigmoid": True}
    check_run_classes(_config(sigmoid), "train_dataloader")
    two = _config({"type": "CrossEntropyLoss"}, ("ground", "vessel"))
    check_run_classes(two, "train_dataloader")


def test_one_class_of_instances_is_taken(tmp_path: Path) -> None:
    """Their heads tell objects from none by themselves."""
    from mmengine.config import Config

    from zoo.engine.dataset.class_check import check_run_classes

    heads = {"bbox_head": {"num_classes": 1}, "mask_head": {"num_classes": 1}}
    dataset = {"type": "CocoDataset", "metainfo": {"classes": ("tank",)}}
    loader = {"train_dataloader": {"dataset": dataset}}
    model = {"type": "MaskRCNN", "roi_head": heads}
    check_run_classes(
        Config({"default_scope": "mmdet", "model": model, **loader}), "train_dataloader"
    )
