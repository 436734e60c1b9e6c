# SPDX-License-Identifier: Apache-2.0
"""Which checkpoint of a work dir counts as its best, after runs in one piece and in several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.checkpoints.kept import find_best_checkpoint

pytestmark = pytest.mark.mm


@pytest.fixture
def train(
    toy_runner: Callable[..., Any], given_scores: Callable[..., Any], tmp_path: Path
) -> Callable[..., Path]:
    """Return a function that trains until an end, validating four times in all, with scores."""
    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.resuming.safe_loading import safe_loading
    from zoo.engine.resuming.safe_saving import safe_saving

    def run(scores: Sequence[float], *, by_epoch: bool, end: int, resume: bool = False) -> Path:
        folder, each = tmp_path / "run", 1 if by_epoch else 2
        hook = {"type": "CheckpointHook", "by_epoch": by_epoch, "interval": each}
        hook |= {"max_keep_ckpts": 1, "save_best": "acc", "rule": "greater"}
        loop = {"by_epoch": by_epoch, "val_interval": each}
        loop["max_epochs" if by_epoch else "max_iters"] = end * each
        start = {"load_from": str(find_checkpoint(folder)), "resume": True} if resume else {}
        with safe_loading(), safe_saving():
            toy_runner(
                "run",
                by_epoch=by_epoch,
                val_evaluator=[given_scores(scores)],
                train_cfg=loop,
                default_hooks={"checkpoint": hook},
                **start,
            ).train()
        return folder

    return run


@pytest.mark.parametrize(
    ("by_epoch", "names"),
    [
        (True, ["best_acc_epoch_2.pth", "best_acc_epoch_4.pth"]),
        (False, ["best_acc_iter_4.pth", "best_acc_iter_8.pth"]),
    ],
)
def test_run_that_is_continued_has_the_best_of_all_its_parts(
    train: Callable[..., Path], by_epoch: bool, names: list[str]
) -> None:
    """Counted in epochs and in iterations: the first part's stays until the second beats it.

    Each part first repeats the validation of its checkpoint, which was written before it.
    """
    folder = train([0.1, 0.9], by_epoch=by_epoch, end=2)
    first = find_best_checkpoint(folder)
    train([0.9, 0.5], by_epoch=by_epoch, end=3, resume=True)
    second = find_best_checkpoint(folder)
    train([0.5, 0.95], by_epoch=by_epoch, end=4, resume=True)
    third = find_best_checkpoint(folder)

    assert [first, second, third] == [folder / name for name in (names[0], *names)]
    assert list(folder.glob("best_*")) == [folder / names[1]]


def test_steps_of_best_checkpoints_are_compared_as_numbers(tmp_path: Path) -> None:
    """Epoch 10 comes after epoch 9, whatever the metric is called."""
    for name in ("best_val_loss_epoch_9.pth", "best_val_loss_epoch_10.pth", "best_a.pth"):
        (tmp_path / name).touch()

    assert find_best_checkpoint(tmp_path) == tmp_path / "best_val_loss_epoch_10.pth"


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([-1.0, 0.0, -1.0, 0.3], "best_coco_segm_mAP_s_epoch_4.pth"),
        ([-1.0, 0.2, 0.1, -1.0], "best_coco_segm_mAP_s_epoch_2.pth"),
        ([-1.0, -1.0, -1.0, -1.0], None),
    ],
    ids=["first", "last", "all"],
)
def test_cocos_minus_one_is_never_the_best(
    toy_runner: Callable[..., Any], tmp_path: Path, scores: list[float], kept: str | None
) -> None:
    """It says that there was nothing to find; the log has no number there, and no curve begins."""
    from mmengine.evaluator import BaseMetric

    from zoo.engine.resuming.safe_saving import safe_saving
    from zoo.engine.work_dir.no_results import leaving_no_results_out
    from zoo.engine.work_dir.scalars import read_run

    class Coco(BaseMetric):  # type: ignore[misc]
        values = iter(scores)

        def process(self, data_batch: Any, data_samples: Any) -> None:
            self.results.append(0)

        def compute_metrics(self, results: list[Any]) -> dict[str, float]:
            return {"coco/segm_mAP_s": next(self.values), "bias": -1.0}

    hook = {"type": "CheckpointHook", "interval": 1, "save_best": "auto", "rule": "greater"}
    with safe_saving(), leaving_no_results_out():
        toy_runner("run", val_evaluator=[Coco()], default_hooks={"checkpoint": hook}).train()

    found = find_best_checkpoint(tmp_path / "run")
    metrics = read_run(tmp_path / "run").metrics
    assert (found and found.name) == kept
    assert list(metrics["bias"].values()) == [-1.0] * 4
    shown = [value for value in metrics.get("coco/segm_mAP_s", {}).values() if value == value]
    assert shown == [score for score in scores if score >= 0]
