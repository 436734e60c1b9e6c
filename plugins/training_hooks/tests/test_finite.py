# SPDX-License-Identifier: Apache-2.0
"""StopOnNonFiniteLoss in real runs of mmengine's Runner."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner, get_priority
from mmengine.structures import BaseDataElement
from torch.utils.data import Dataset
from zoo_training_hooks.finite import StopOnNonFiniteLoss

from zoo.errors import TrainingError

pytestmark = pytest.mark.mm

STEPS = 6


class Images(Dataset):
    """Six images of one number; batches of two."""

    def __len__(self) -> int:
        return 2 * STEPS

    def __getitem__(self, index: int) -> dict[str, Any]:
        sample = BaseDataElement(metainfo={"img_path": f"scans/{index:02}.png"})
        return {"inputs": torch.ones(1), "data_samples": sample}


class Model(BaseModel):
    """Breaks in a chosen way at one step: in its loss, or in its gradient alone."""

    def __init__(self, broken: str = "", step: int = 3) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2))
        self.broken = broken
        self.broken_step = step
        self.step = 0

    def forward(
        self, inputs: Any, data_samples: Any = None, mode: str = "tensor"
    ) -> dict[str, torch.Tensor]:
        self.step += 1
        plain = (self.weight - 1).square().sum()
        losses = {"loss_ce": plain, "loss_dice": plain / 2, "acc": torch.tensor(float("nan"))}
        if self.step == self.broken_step and self.broken == "loss":
            losses["loss_dice"] = plain * float("nan")
        elif self.step == self.broken_step and self.broken == "gradient":
            losses["loss_dice"] = plain + (self.weight[0] * 0).abs().sqrt()
        return losses


class SkippingOptimWrapper(OptimWrapper):
    """What a gradient scaler does: no step where a gradient is not finite."""

    def step(self, **kwargs: Any) -> None:
        groups = self.optimizer.param_groups
        if all(p.grad.isfinite().all() for group in groups for p in group["params"]):
            super().step(**kwargs)


def collate(items: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {key: [item[key] for item in items] for key in ("inputs", "data_samples")}


def make_runner(
    work_dir: Path, model: BaseModel, *, by_epoch: bool, optim_wrapper: OptimWrapper | None = None
) -> Runner:
    """Return a runner that saves after each step, or epoch, and keeps only the last file."""
    every = {"by_epoch": True, "max_epochs": 3} if by_epoch else {"max_iters": STEPS}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return Runner(
        model,
        str(work_dir),
        train_dataloader={
            "dataset": Images(),
            "batch_size": 2,
            "sampler": {"type": "DefaultSampler", "shuffle": False},
            "collate_fn": collate,
        },
        train_cfg=every if by_epoch else {"by_epoch": False, **every},
        optim_wrapper=optim_wrapper or OptimWrapper(optimizer),
        default_hooks={
            "checkpoint": {
                "type": "CheckpointHook",
                "interval": 1,
                "by_epoch": by_epoch,
                "max_keep_ckpts": 1,
            }
        },
        custom_hooks=[StopOnNonFiniteLoss()],
        experiment_name=work_dir.name,
        default_scope=None,
        log_level="ERROR",
    )


def read_weight(work_dir: Path) -> tuple[str, torch.Tensor]:
    """Return the name and the weight of the only checkpoint."""
    (path,) = work_dir.glob("*.pth")
    checkpoint = torch.load(path, weights_only=False)  # written by this test
    return path.name, checkpoint["state_dict"]["weight"]


def test_run_when_loss_is_nan_stops_naming_step_loss_and_images(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, Model("loss"), by_epoch=False)

    with pytest.raises(TrainingError) as caught:
        runner.train()

    message, where, hint = str(caught.value).splitlines()
    assert message == (
        "cannot continue training: loss_dice is nan at step 3, expected a finite number."
    )
    assert where == "where: scans/04.png, scans/05.png"
    assert hint.startswith("HINT: check these images and their masks, lower the learning rate")
    assert hint.endswith("iter_2.pth is from before this step, and its weights are finite.")


@pytest.mark.parametrize("broken", ["loss", "gradient"])
def test_checkpoint_when_step_breaks_weights_stays_the_last_good_one(
    tmp_path: Path, broken: str
) -> None:
    """max_keep_ckpts=1 would delete the good file before it writes the broken one."""
    runner = make_runner(tmp_path, Model(broken), by_epoch=False)

    with pytest.raises(TrainingError):
        runner.train()

    name, weight = read_weight(tmp_path)
    assert name == "iter_2.pth"
    assert weight.isfinite().all()
    assert not runner.model.weight.isfinite().all()


def test_run_when_gradient_alone_is_nan_stops_naming_weights(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, Model("gradient"), by_epoch=False)

    with pytest.raises(TrainingError) as caught:
        runner.train()

    message, where, hint = str(caught.value).splitlines()
    assert message == (
        "cannot continue training: 1 of 1 weights are not finite after step 3, although its loss "
        "was, "
        "expected finite numbers."
    )
    assert where == "where: weight"
    assert hint.startswith("HINT: lower the learning rate or clip gradients")


def test_epoch_checkpoint_when_last_step_breaks_weights_stays(tmp_path: Path) -> None:
    """The last step of epoch 2 breaks the weights under a finite loss."""
    runner = make_runner(tmp_path, Model("gradient", step=2 * STEPS), by_epoch=True)

    with pytest.raises(TrainingError, match=f"not finite after step {2 * STEPS}, although"):
        runner.train()

    name, weight = read_weight(tmp_path)
    assert name == "epoch_1.pth"
    assert weight.isfinite().all()


def test_run_when_first_loss_is_nan_says_that_no_checkpoint_is_there(tmp_path: Path) -> None:
    runner = make_runner(tmp_path, Model("loss", step=1), by_epoch=False)

    with pytest.raises(TrainingError, match=r"no checkpoint was written before this step\."):
        runner.train()

    assert list(tmp_path.glob("*.pth")) == []


@pytest.mark.parametrize("by_epoch", [False, True])
def test_run_when_all_is_finite_ends(tmp_path: Path, by_epoch: bool) -> None:
    """A NaN that is not a loss (an accuracy over no pixel) does not matter."""
    runner = make_runner(tmp_path, Model(), by_epoch=by_epoch)

    runner.train()

    assert ("epoch_3.pth" if by_epoch else "iter_6.pth") == read_weight(tmp_path)[0]


def test_run_when_scaler_skips_broken_gradient_ends(tmp_path: Path) -> None:
    model = Model("gradient")
    wrapper = SkippingOptimWrapper(torch.optim.SGD(model.parameters(), lr=0.1))
    runner = make_runner(tmp_path, model, by_epoch=False, optim_wrapper=wrapper)

    runner.train()

    name, weight = read_weight(tmp_path)
    assert name == "iter_6.pth"
    assert weight.isfinite().all()


def test_step_when_total_is_finite_reads_nothing_else() -> None:
    """One number a step: parts of the loss are left on the device."""

    class Unread:
        def __float__(self) -> float:
            pytest.fail("a part of the loss was read")

    class Quiet:
        hooks = ()

    outputs = {"loss": torch.tensor(1.0), "loss_dice": Unread()}

    StopOnNonFiniteLoss().after_train_iter(Quiet(), 0, None, outputs)


def test_priority_of_hook_comes_before_checkpoints() -> None:
    assert get_priority(StopOnNonFiniteLoss.priority) < get_priority(CheckpointHook.priority)


@pytest.mark.parametrize(
    ("batch", "where"),
    [
        ({"data_samples": [{"img_path": "a.png"}, {"img_path": "b.png"}]}, "a.png, b.png"),
        ({"data_samples": {"sup": [{"img_path": "a.png"}], "unsup": []}}, "a.png"),
        (
            {"data_samples": [{"img_path": f"{i}.png"} for i in range(10)]},
            "0.png, 1.png, 2.png, 3.png, 4.png, 5.png, 6.png, 7.png and 2 more",
        ),
        ({"inputs": [1]}, None),
        (None, None),
    ],
)
def test_error_when_batches_differ_names_their_images(batch: Any, where: str | None) -> None:
    runner = SimpleNamespace(iter=0, hooks=[], message_hub=SimpleNamespace(runtime_info={}))
    outputs = {"loss": torch.tensor(float("inf"))}

    with pytest.raises(TrainingError, match="loss is inf at step 1") as caught:
        StopOnNonFiniteLoss().after_train_iter(runner, 0, batch, outputs)

    assert where == caught.value.where
