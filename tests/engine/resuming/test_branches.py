# SPDX-License-Identifier: Apache-2.0
"""Runs that are stopped often, killed in their first validation, or resumed from further back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.checkpoints.kept import (
    choose_checkpoint,
    find_best_checkpoint,
    find_checkpoint,
    read_left_behind,
)

pytestmark = pytest.mark.mm


class Stop(Exception):
    """Ends a run where the test wants it."""


@pytest.fixture
def run(
    toy_runner: Callable[..., Any], given_scores: Callable[..., Any], tmp_path: Path
) -> Callable[..., Any]:
    """Return a function that trains the toy by steps, and validates every second one."""
    from zoo.engine.resuming.place import Place, find_hook
    from zoo.engine.resuming.retention import save_stop
    from zoo.engine.resuming.safe_loading import safe_loading
    from zoo.engine.resuming.safe_saving import safe_saving

    def train(
        scores: Sequence[float],
        *hooks: Any,
        resume: Path | None = None,
        end: int = 8,
        saves: bool = False,
        folder: str = "run",
        schedule: Any = None,
        **checkpoints: Any,
    ) -> Any:
        hook = {"type": "CheckpointHook", "by_epoch": False, "interval": 2, "save_best": "acc"}
        hook |= {"rule": "greater", **checkpoints}
        runner = toy_runner(
            folder,
            by_epoch=False,
            val_evaluator=[given_scores(scores)],
            train_cfg={"by_epoch": False, "max_iters": end, "val_interval": 2},
            default_hooks={"checkpoint": hook},
            param_scheduler=schedule,
            custom_hooks=list(hooks),
            **({"load_from": str(resume), "resume": True} if resume else {}),
        )
        find_hook(runner, Place)
        with safe_loading(), safe_saving():
            try:
                runner.train()
            except Stop:
                if saves:
                    save_stop(runner)
        return runner

    return train


def stop_before(step: int) -> Any:
    """Return a hook that ends a run before a step."""
    from mmengine.hooks import Hook

    class Stopping(Hook):  # type: ignore[misc]
        def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
            if runner.iter + 1 == step:
                raise Stop

    return Stopping()


def names(folder: Path) -> list[str]:
    """Return the names of the checkpoints in a folder."""
    return sorted(path.name for path in folder.glob("*.pth"))


def steps_in(folder: Path) -> list[int]:
    """Return the steps of the checkpoints in a folder that are not the best."""
    return sorted(int(path.stem[5:]) for path in folder.glob("iter_*.pth"))


def test_best_of_the_steps_that_a_run_leaves_behind_is_not_its_best(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Resumed from step 4, it has not done the step 6 that was best; its own best comes later."""
    folder = tmp_path / "run"
    run([0.5, 0.6, 0.9, 0.1])
    assert find_best_checkpoint(folder) == folder / "best_acc_iter_6.pth"

    run([], stop_before(6), resume=folder / "iter_4.pth", saves=True)
    assert (folder / "best_acc_iter_6.pth").is_file()
    assert find_best_checkpoint(folder) is None
    assert choose_checkpoint(folder, prefer="best") == folder / "iter_5.pth"

    run([0.2, 0.3], resume=folder / "iter_5.pth")
    assert find_best_checkpoint(folder) == folder / "best_acc_iter_8.pth"


def test_run_that_goes_back_to_what_it_left_has_its_best_again(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """No file was removed or renamed; and what was resumed last is what goes on."""
    folder = tmp_path / "run"
    run([0.5, 0.6, 0.9, 0.1])

    run([], stop_before(5), resume=folder / "iter_4.pth")
    assert find_checkpoint(folder) == folder / "iter_4.pth"

    run([0.1, 0.7], resume=folder / "iter_8.pth", end=10)
    assert find_best_checkpoint(folder) == folder / "best_acc_iter_6.pth"


def test_best_that_another_branch_replaced_is_not_the_best_of_the_run_that_is_gone_back_to(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Step 6 was best in both: the file of that name is of other weights, so it is chosen anew."""
    folder = tmp_path / "run"
    run([0.5, 0.6, 0.9, 0.1])
    run([0.8], stop_before(8), resume=folder / "iter_4.pth")
    assert find_best_checkpoint(folder) == folder / "best_acc_iter_6.pth"

    again = run([0.1, 0.2], resume=folder / "iter_8.pth", end=10)

    assert find_best_checkpoint(folder) == folder / "best_acc_iter_10.pth"
    assert again.message_hub.get_info("best_score") == 0.2
    assert read_left_behind(folder) == ["best_acc_iter_6.pth"]


def test_best_of_an_earlier_session_stays_the_best(run: Callable[..., Any], tmp_path: Path) -> None:
    """Through two more sessions, in which it is not reached, and until it is."""
    folder = tmp_path / "run"
    run([0.9, 0.1], end=4)
    run([0.1, 0.2], resume=folder / "iter_4.pth", end=6)
    run([0.2, 0.3], resume=folder / "iter_6.pth")
    assert [path.name for path in folder.glob("best_*")] == ["best_acc_iter_2.pth"]
    assert find_best_checkpoint(folder) == folder / "best_acc_iter_2.pth"

    run([0.3, 0.95], resume=folder / "iter_8.pth", end=10)
    assert [path.name for path in folder.glob("best_*")] == ["best_acc_iter_10.pth"]


def test_checkpoint_of_another_work_dir_removes_nothing_where_it_is_resumed(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Neither what it lists as superfluous, nor what it no longer keeps, nor a best of its name."""
    import torch

    other, folder = tmp_path / "other", tmp_path / "run"
    run([0.5, 0.6, 0.1, 0.1], folder="other")
    run([0.5, 0.6, 0.2, 0.2])
    tree = torch.load(other / "iter_4.pth", weights_only=False)
    info = tree["message_hub"]["runtime_info"]
    info |= {"zoo_superseded": ["iter_6.pth"], "keep_ckpt_ids": [2, 4, 8]}
    tree["message_hub"]["resumed_keys"] |= dict.fromkeys(("zoo_superseded", "keep_ckpt_ids"), True)
    torch.save(tree, other / "iter_4.pth")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.pth")}

    again = run([], stop_before(5), resume=other / "iter_4.pth", max_keep_ckpts=1)

    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.pth")}
    assert len(before) == 10
    assert not again.message_hub.runtime_info.get("best_ckpt")
    run([0.1, 0.3], resume=other / "iter_4.pth")
    assert (folder / "best_acc_iter_4.pth").read_bytes() == before[folder / "best_acc_iter_4.pth"]
    assert (other / "best_acc_iter_4.pth").is_file()


def rare() -> dict[str, Any]:
    """Return a second hook that saves."""
    return {
        "type": "CheckpointHook",
        "by_epoch": False,
        "interval": 4,
        "filename_tmpl": "rare_{}.pth",
    }


def test_second_hook_that_saves_does_not_leave_the_best_of_the_first_behind(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """Both write into one folder, which has one note."""
    folder = tmp_path / "run"
    run([0.5, 0.9, 0.1, 0.1], rare())

    run([], rare(), stop_before(5), resume=folder / "iter_4.pth")

    assert find_best_checkpoint(folder) == folder / "best_acc_iter_4.pth"
    assert read_left_behind(folder) == []


def test_stop_is_replaced_by_the_next_checkpoint_of_any_hook(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    folder, plan = tmp_path / "run", {"interval": 6, "save_best": None}
    run([0.5], rare(), stop_before(4), saves=True, **plan)
    assert steps_in(folder) == [3]

    run([0.5], rare(), stop_before(6), resume=folder / "iter_3.pth", **plan)
    assert names(folder) == ["rare_4.pth"]

    run([0.5] * 3, rare(), resume=folder / "rare_4.pth", **plan)
    assert steps_in(folder) == [6, 8]


def test_many_names_of_what_is_left_behind_are_all_read(tmp_path: Path) -> None:
    """Several metrics of several branches are more than one path."""
    names = [
        f"best_mean_dice_of_all_classes_iter_{step}.pth" for step in range(1000, 201_000, 1000)
    ]
    for name in ("best_mean_dice_of_all_classes_iter_500.pth", *names):
        (tmp_path / name).touch()
    (tmp_path / "left_behind").write_text("".join(f"{name}\n" for name in names))

    assert len(names) == 200
    found = find_best_checkpoint(tmp_path)
    assert found == tmp_path / "best_mean_dice_of_all_classes_iter_500.pth"


def test_run_killed_in_its_first_validation_counts_it_once(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """What waits for progress (a plateau, an early stop) is as in a run that nobody killed."""
    from mmengine.hooks import Hook

    class Counts(Hook):  # type: ignore[misc]
        priority = "LOW"

        def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
            counted = runner.message_hub.runtime_info.get("counted", 0)
            runner.message_hub.update_info("counted", counted + 1)

    class KillsBest(Hook):  # type: ignore[misc]
        def before_save_checkpoint(self, runner: Any, checkpoint: Any) -> None:
            if "optimizer" not in checkpoint:
                raise Stop

    plateau = [{"type": "ReduceOnPlateauLR", "monitor": "acc", "rule": "greater", "patience": 2}]
    scores = [0.5, 0.4, 0.3, 0.2]
    plan = {"interval": 100, "schedule": plateau}
    whole = run(scores, Counts(), folder="whole", **plan)

    run(scores, Counts(), KillsBest(), **plan)
    assert names(tmp_path / "run") == ["iter_2.pth"]
    again = run(scores, Counts(), resume=tmp_path / "run" / "iter_2.pth", **plan)

    assert whole.message_hub.get_info("counted") == 4
    assert again.message_hub.get_info("counted") == 4
    for one, other in zip(whole.param_schedulers, again.param_schedulers, strict=True):
        assert one.state_dict() == other.state_dict()


@pytest.mark.parametrize("kept", [-1, 2])
def test_stops_leave_one_checkpoint_however_many_they_are(
    run: Callable[..., Any], tmp_path: Path, kept: int
) -> None:
    """Each replaces the one before, and the next of the interval replaces the last of them."""
    folder = tmp_path / "run"
    plan = {"interval": 6, "max_keep_ckpts": kept, "save_best": None}
    run([], stop_before(2), saves=True, **plan)
    for step in (3, 4, 6):
        found = find_checkpoint(folder)
        run([0.5] * 3, stop_before(step), resume=found, saves=True, **plan)
        assert steps_in(folder) == [step - 1]

    run([0.4] * 3, resume=folder / "iter_5.pth", **plan)
    assert steps_in(folder) == [6, 8]


def test_checkpoint_of_the_interval_stays_though_a_stop_wrote_it_again(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """All are kept here: a run that is stopped right after one was saved must not lose it."""
    folder = tmp_path / "run"
    run([0.5, 0.4], stop_before(5), saves=True)
    run([0.3, 0.2], stop_before(6), resume=folder / "iter_4.pth", saves=True)
    run([0.3, 0.2], resume=folder / "iter_5.pth")

    assert steps_in(folder) == [2, 4, 6, 8]


def test_run_killed_before_it_removes_the_earlier_stop_removes_it_when_resumed(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    """The new checkpoint lists what it replaces."""
    folder, plan = tmp_path / "run", {"interval": 100, "save_best": None}
    run([], stop_before(2), saves=True, **plan)
    first = (folder / "iter_1.pth").read_bytes()
    run([0.1], stop_before(4), resume=folder / "iter_1.pth", saves=True, **plan)
    assert names(folder) == ["iter_3.pth"]
    (folder / "iter_1.pth").write_bytes(first)

    run([0.1] * 3, stop_before(5), resume=folder / "iter_3.pth", **plan)

    assert names(folder) == ["iter_3.pth"]
