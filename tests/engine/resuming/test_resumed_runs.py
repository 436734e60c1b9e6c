# SPDX-License-Identifier: Apache-2.0
"""What may change between a run and its going on: schedule, data, place; and what may not."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import CheckpointError, ConfigError, DataError, TrainingError

pytestmark = pytest.mark.mm


@pytest.fixture
def read(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Return a function that reads the squares' config, with a rate that falls to the end."""
    from zoo.engine.config.reading import read_config

    def run(*options: str, schedulers: Any = None, **more: Any) -> Any:
        more = {"data": squares_data, "work_dir": tmp_path / "run"} | more
        fixed = ("train_cfg.val_interval=1000", "default_hooks.logger.interval=1")
        config = read_config(squares_config, cfg_options=(*fixed, *options), **more)
        falling = [{"type": "PolyLR", "power": 0.9, "eta_min": 1e-5, "by_epoch": False}]
        config.param_scheduler = falling if schedulers is None else schedulers
        return config

    return run


def _rates(folder: Path) -> dict[int, float]:
    """Return the learning rate of each step, as the last log of it has it."""
    rates = {}
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if "lr" in row:
                rates[row["iter"]] = row["lr"]
    return rates


_WARM = [
    {"type": "LinearLR", "start_factor": 0.1, "by_epoch": False, "begin": 0, "end": 3},
    {"type": "CosineAnnealingLR", "by_epoch": False, "begin": 3, "end": 12},
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({}, {"options": ["train_cfg.max_iters=12"]}),
        ({}, {"schedulers": _WARM, "options": ["train_cfg.max_iters=12"]}),
        ({}, {"options": ["train_cfg.max_iters=12", "optim_wrapper.optimizer.lr=0.01"]}),
        ({"schedulers": []}, {"options": ["train_cfg.max_iters=12"]}),
    ],
    ids=["longer", "of another kind", "other rate", "none before"],
)
def test_run_resumed_with_another_schedule_has_its_rates(
    read: Callable[..., Any],
    tmp_path: Path,
    old: dict[str, Any],
    new: dict[str, Any],
) -> None:
    """From the step that was reached on they are those of a run that began with it."""
    from zoo.engine.runs.train import train

    def config(folder: str, *, options: Any = (), **more: Any) -> Any:
        return read(*options, work_dir=tmp_path / folder, **more)

    whole = _rates(train(config("whole", **new)))
    folder = train(config("again", **old))
    shutil.rmtree(next(folder.glob("*/vis_data")))
    train(config("again", **new), resume="auto", other_config=True)

    again = _rates(folder)
    assert set(range(7, 13)) == set(again)
    assert {step: whole[step] for step in again} == again


@pytest.mark.slow
def test_run_resumed_with_its_own_schedule_is_left_alone(read: Callable[..., Any]) -> None:
    """Its rates are those that it had; test_resuming.py compares them bit for bit."""
    from zoo.engine.runs.train import train

    folder = train(read(schedulers=_WARM))
    (folder / "last_checkpoint").write_text(str(folder / "iter_3.pth"))

    train(read(schedulers=_WARM), resume="auto")

    logs = "".join(path.read_text() for path in folder.glob("*/*.log"))
    assert "not that of the checkpoint" not in logs


@pytest.mark.slow
def test_plateau_resumed_with_another_schedule_is_refused(read: Callable[..., Any]) -> None:
    """What validation measured before cannot be gone through again."""
    from zoo.engine.runs.train import train

    plateau = {"type": "ReduceOnPlateauLR", "monitor": "mDice", "rule": "greater"}
    train(read(schedulers=[plateau]))

    changed = read("train_cfg.max_iters=9", schedulers=[{**plateau, "factor": 0.5}])
    with pytest.raises(
        ConfigError, match="ReduceOnPlateauLR depends on earlier validation results"
    ):
        train(changed, resume="auto", other_config=True)


@pytest.mark.slow
def test_run_resumed_with_another_optimizer_is_refused_in_words(read: Callable[..., Any]) -> None:
    from zoo.engine.runs.train import train

    train(read())
    grouped = read("train_cfg.max_iters=9")
    grouped.optim_wrapper.paramwise_cfg = {"bias_lr_mult": 2.0}

    with pytest.raises(CheckpointError, match="its optimizer is not the config's"):
        train(grouped, resume="auto", other_config=True)


@pytest.fixture
def other_data(squares_data: Path, tmp_path: Path) -> Path:
    """Return the same pictures prepared with other shares: what was in train is in val and test."""
    from zoo.data import DatasetIdentity, Pair, Report, Shares, open_source, prepare_semantic

    raw = squares_data.parent / "raw"
    names = sorted(path.name for path in (raw / "images").iterdir())
    with open_source(raw) as source:
        prepare_semantic(
            source,
            tmp_path / "other",
            dataset=DatasetIdentity("squares", "SquareDataset", "0.1.0"),
            pairs=[Pair(n[:3], n[:3], f"images/{n}", (f"masks/{n}",)) for n in names],
            classes=["ground", "square"],
            palette=[(0, 0, 0), (250, 200, 0)],
            encode_mask=lambda masks, _: (masks[0], []),
            shares=Shares(0.3, 0.2, 0.5),
            report=Report(),
        )
    return tmp_path / "other"


def test_run_resumed_with_other_data_is_refused_before_it_writes(
    read: Callable[..., Any], other_data: Path
) -> None:
    """Its note of the data stays, and so does everything else in the work dir."""
    from zoo.engine.runs.train import train
    from zoo.engine.work_dir.run_facts import note_command

    first, second = read(), read("train_cfg.max_iters=9", data=other_data)
    for config in (first, second):
        note_command(config, "squares")
    folder = train(first)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    with pytest.raises(DataError) as caught:
        train(second, resume="auto")

    assert first.zoo_data_digest[:12] in caught.value.message
    assert second.zoo_data_digest[:12] in caught.value.message
    assert "--other-data" in str(caught.value.hint)
    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.slow
def test_run_resumed_with_other_data_by_the_switch_notes_both(
    read: Callable[..., Any], other_data: Path
) -> None:
    """Every later checkpoint does, the best one too."""
    from zoo.data import read_prepared
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.dataset.history import read_history
    from zoo.engine.runs.train import train

    folder = train(read())
    train(read("train_cfg.max_iters=9", data=other_data), resume="auto", other_data=True)
    train(read("train_cfg.max_iters=12", data=other_data), resume="auto")

    first, *rest = (
        read_history(load_checkpoint(folder / f"{name}.pth").meta)
        for name in ("iter_6", "iter_9", "iter_12", "best_mDice_iter_12")
        if (folder / f"{name}.pth").is_file()
    )
    assert [use.step for use in first] == [0]
    for history in rest:
        assert [use.step for use in history] == [0, 6]
        assert read_prepared(other_data).digest == history[1].digest
        assert set(history[0].images) == {"train", "val"}
        assert len(history[0].images["train"]) > 0
    assert len(rest) >= 2


@pytest.mark.slow
def test_numbers_of_images_that_the_run_was_once_trained_on_are_not_published(
    read: Callable[..., Any], other_data: Path, squares_data: Path, tmp_path: Path
) -> None:
    """Neither those of a test nor those of the validation, though both are of its own data."""
    from click.testing import CliRunner

    from zoo.cli import main
    from zoo.data import read_prepared
    from zoo.engine.runs.train import train
    from zoo.engine.work_dir.run_facts import note_command

    options = ("train_cfg.max_iters=9", "train_cfg.val_interval=9")
    first, second = read(), read(*options, data=other_data)
    for config in (first, second):
        note_command(config, "squares")
    trained = read_prepared(squares_data).splits["train"].stems
    tested = read_prepared(other_data).splits["test"].stems
    assert set(trained) & set(tested)
    train(first)
    folder = train(second, resume="auto", other_data=True)

    def run(*words: Any) -> Any:
        return CliRunner().invoke(main, [str(word) for word in words])

    last = folder / "iter_9.pth"
    publish = ("publish", last, "--name", "n", "--out", tmp_path / "out")
    validated = run(*publish)
    tests = run("test", folder / "squares.py", last, "--out", tmp_path / "test.json")
    named = run(*publish, "--metrics", tmp_path / "test.json")

    assert tests.exit_code == 0, tests.output
    assert (validated.exit_code, named.exit_code) == (1, 1)
    assert "was earlier trained on some of its images, with other data" in " ".join(
        validated.stderr.split()
    )
    assert "are among those that the run was trained or selected on" in named.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_checkpoint_without_a_history_is_known_by_its_config(
    read: Callable[..., Any], other_data: Path
) -> None:
    """As zoo wrote it before; the text is searched and never run."""
    import torch

    from zoo.engine.runs.train import train
    from zoo.engine.work_dir.run_facts import note_command

    config = read()
    note_command(config, "squares")
    path = train(config) / "iter_6.pth"
    tree = torch.load(path, weights_only=False)
    del tree["meta"]["zoo_data"], tree["zoo_schedule"]
    torch.save(tree, path)

    with pytest.raises(DataError, match="it was trained on data of an older run of digest"):
        train(read("train_cfg.max_iters=9", data=other_data), resume="auto")


@pytest.mark.slow
def test_run_without_a_seed_is_resumed_with_the_one_that_it_drew(read: Callable[..., Any]) -> None:
    """The order of the images and what workers draw come from it, from the first start on."""
    from mmengine.hooks import Hook

    from zoo.engine.runs.train import train

    seeds: list[int] = []

    class Seen(Hook):
        def before_train(self, runner: Any) -> None:
            seeds.append(runner.train_dataloader.sampler.seed)

    train(read("randomness.seed=None", "train_cfg.max_iters=2"), hooks=[Seen()])
    train(
        read("randomness.seed=None", "train_cfg.max_iters=4"),
        resume="auto",
        other_config=True,
        hooks=[Seen()],
    )

    assert len(seeds) == 2
    assert seeds[0] == seeds[1]


def test_copy_of_a_work_dir_leaves_the_original_alone(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    """It goes on from its own checkpoint, and a better best of its own removes no other's."""
    import torch

    from zoo.engine.runs.train import train

    folder = train(read("train_cfg.val_interval=3"))
    tree = torch.load(folder / "iter_6.pth", weights_only=False)
    tree["message_hub"]["runtime_info"]["best_score"] = 0.0  # so that the next one is better
    tree["zoo_place"]["validation_due"] = False  # the next one, not this one again
    torch.save(tree, folder / "iter_6.pth")
    copied = Path(shutil.copytree(folder, tmp_path / "copied"))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}

    train(read("train_cfg.val_interval=3", "train_cfg.max_iters=9", work_dir=copied), resume="auto")

    assert before == {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert [path.name for path in copied.glob("best_*.pth")] == ["best_mDice_iter_9.pth"]
    assert (copied / "iter_9.pth").is_file()


def test_copy_without_checkpoints_does_not_go_on_from_the_original(tmp_path: Path) -> None:
    from zoo.engine.checkpoints.checkpoint import find_checkpoint

    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "last_checkpoint").write_text(str(tmp_path / "old/iter_3.pth"))
    (tmp_path / "old/iter_3.pth").write_bytes(b"x")

    assert find_checkpoint(tmp_path / "new") is None
    assert tmp_path / "old/iter_3.pth" == find_checkpoint(tmp_path / "old")


def _hold(folder: str, ready: Any) -> None:
    from zoo.engine.work_dir.lock import locked_work_dir

    with locked_work_dir(folder):
        ready.send(os.getpid())
        if not os.fork():  # as a data worker, which outlives a killed parent for a while
            time.sleep(20)
            os._exit(0)
        signal.pause()


def test_work_dir_in_which_a_run_trains_is_refused_until_that_is_killed(
    read: Callable[..., Any], tmp_path: Path
) -> None:
    """The kernel gives the lock back, though a child of the run lives on."""
    from zoo.engine.runs.train import train

    ours, theirs = multiprocessing.Pipe()
    holder = multiprocessing.get_context("fork").Process(
        target=_hold, args=(str(tmp_path / "run"), theirs)
    )
    holder.start()
    pid = ours.recv()

    with pytest.raises(TrainingError) as caught:
        train(read())
    holder.kill()
    holder.join()
    folder = train(read("train_cfg.max_iters=1"))

    assert f"process {pid} is training there" in caught.value.message
    assert f"kill -INT {pid}" in str(caught.value.hint)
    assert (folder / "iter_1.pth").is_file()
    assert not (folder / ".running").exists()


def test_ranks_of_one_run_share_its_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first takes it, the others ask for none."""
    from zoo.engine.work_dir.lock import locked_work_dir

    with locked_work_dir(tmp_path / "run", "pytorch"):
        for variable, launcher in (("RANK", "pytorch"), ("SLURM_PROCID", "slurm")):
            monkeypatch.setenv(variable, "1")
            with locked_work_dir(tmp_path / "run", launcher):
                pass
            assert (tmp_path / "run/.running").is_file()
            monkeypatch.setenv(variable, "0")
            with pytest.raises(TrainingError), locked_work_dir(tmp_path / "run", launcher):
                pass
