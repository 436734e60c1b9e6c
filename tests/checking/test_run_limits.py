# SPDX-License-Identifier: Apache-2.0
"""What a config may use while it runs for a check: parameters, CPU time, and a floor of scores."""

from __future__ import annotations

import time

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]


def test_parameters_of_a_model_that_computes_while_it_is_built_are_counted() -> None:
    """Swin reads the rates of its dropped paths; as many as the model has that is really built."""
    import torch
    from mmengine.config import Config
    from mmseg.registry import MODELS

    from zoo.checking.configs.steps import _count_parameters

    backbone = {
        "type": "mmseg.SwinTransformer",
        "embed_dims": 24,
        "depths": (2, 2, 6, 2),
        "num_heads": (1, 2, 4, 8),
    }
    config = Config({"default_scope": "mmseg", "model": backbone})
    before = torch.nn.Module.register_parameter

    counted = _count_parameters(config)

    assert counted == sum(each.numel() for each in MODELS.build(backbone).parameters()) > 10**6
    assert torch.nn.Module.register_parameter is before


def test_untrained_detector_is_let_find_something() -> None:
    """With a floor of scores it may find nothing, of which COCO's metric makes no values."""
    from mmengine.config import Config

    from zoo.checking.configs.small import cut

    rcnn = {"score_thr": 0.05, "max_per_img": 100, "nms": {"type": "nms", "iou_threshold": 0.5}}
    config = Config({"model": {"test_cfg": {"rpn": {"nms_pre": 1000}, "rcnn": rcnn}}})

    cut(config)

    assert config.model.test_cfg.rcnn.score_thr == 0
    assert config.model.test_cfg.rcnn.max_per_img == 20
    assert config.model.test_cfg.rcnn.nms.iou_threshold == 0.5


def test_batches_are_padded_to_the_reduced_size() -> None:
    """As Mask2Former's on COCO, to 1024 px: a step of two images took 14 GiB."""
    from mmengine.config import Config

    from zoo.checking.configs.small import shrink

    pad = {"type": "BatchFixedSizePad", "size": (1024, 1024), "pad_mask": True}
    pipeline = [{"type": "Resize", "scale": (1024, 1024)}, {"type": "PackDetInputs"}]
    config = Config(
        {
            "model": {"data_preprocessor": {"pad_size_divisor": 32, "batch_augments": [pad]}},
            "train_dataloader": {"dataset": {"pipeline": pipeline}},
        }
    )

    assert shrink(config)

    assert config.model.data_preprocessor.batch_augments[0].size == (128, 128)
    assert config.model.data_preprocessor.pad_size_divisor == 32
    assert config.train_dataloader.dataset.pipeline[0].scale == (128, 128)


class _Sample:
    """A prediction with some instances, or one of another task."""

    def __init__(self, count: int | None) -> None:
        if count is not None:
            self.pred_instances = range(count)


@pytest.mark.parametrize(("counts", "is_fault"), [([0, 0], False), ([0, 2], True), ([None], True)])
def test_metrics_without_values_are_a_fault_unless_nothing_is_found(
    counts: list[int | None], is_fault: bool
) -> None:
    """COCO's metric makes no values of no instance, which an untrained model may find."""
    from zoo.checking.configs.watching import Outcome, check_values, watch
    from zoo.checking.expecting import Broken

    outcome = Outcome()
    hook = watch(outcome)
    hook.before_val(None)
    for count in counts:
        hook.after_val_iter(None, 0, outputs=[_Sample(count)])

    if is_fault:
        with pytest.raises(Broken, match="the validation gives no values"):
            hook.after_val_epoch(None, metrics={})
        return
    hook.after_val_epoch(None, metrics={})
    assert outcome.unmeasured == "validate"
    outcome.enter("test")
    with pytest.raises(Broken, match="the test gives no values"):  # semantic, or not run
        check_values({}, outcome)


def test_config_is_ended_by_what_it_computes_and_not_by_the_clock(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a busy machine a short config takes long; one that waits for ever ends as well."""
    import torch

    from zoo.checking.configs.steps import Outcome, _time_limit, _TooLongError

    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    with _time_limit(1, Outcome()):
        time.sleep(1.5)
    started_s = time.process_time()
    with pytest.raises(_TooLongError, match="more than 1 s here"), _time_limit(1, Outcome()):
        _compute(20)
    assert time.process_time() - started_s < 5
    with pytest.raises(_TooLongError), _time_limit(1, Outcome()):
        time.sleep(60)


def _compute(seconds: float) -> None:
    """Use a core for some seconds of CPU time."""
    ends_s = time.process_time() + seconds
    while time.process_time() < ends_s:
        pass
