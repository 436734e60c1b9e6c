# SPDX-License-Identifier: Apache-2.0
"""A run that is told to stop, wherever it is, goes on as if nobody had stopped it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import TrainingError

pytestmark = pytest.mark.mm

_BY_EPOCH = (
    "train_dataloader.sampler.type=DefaultSampler",
    "log_processor.by_epoch=True",
    "default_hooks.checkpoint.by_epoch=True",
    "default_hooks.checkpoint.interval=1",
)
# Draws from NumPy and torch, where the loader lies and in the model.
_RANDOM = ("model.decode_head.dropout_ratio=0.4",)


@pytest.fixture
def read(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> Callable[..., Any]:
    """Return a function that reads the squares' config for a work dir, with random flips."""
    from zoo.engine.config.reading import read_config

    def run(folder: str, *options: str, by_epoch: bool = False, ema: bool = False) -> Any:
        options = (*_RANDOM, *(_BY_EPOCH if by_epoch else ()), *options)
        config = read_config(
            squares_config, cfg_options=options, data=squares_data, work_dir=tmp_path / folder
        )
        pipeline = config.train_dataloader.dataset.dataset.pipeline
        pipeline.insert(2, {"type": "RandomFlip", "prob": 0.5})
        pipeline.insert(3, {"type": "PhotoMetricDistortion"})
        if by_epoch:
            config.train_cfg = {"by_epoch": True, "max_epochs": 1, "val_interval": 1}
        if ema:
            config.custom_hooks = [{"type": "EMAHook"}]
        return config

    return run


@pytest.fixture
def press(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that has signals sent at the n-th call of a method, before it begins."""

    def at(owner: Any, name: str, call: int, *numbers: int) -> None:
        method = getattr(owner, name)
        calls: list[int] = []

        def pressed(self: Any, *args: Any, **kwargs: Any) -> Any:
            calls.append(1)
            for number in numbers if len(calls) == call else ():
                os.kill(os.getpid(), number)
            return method(self, *args, **kwargs)

        monkeypatch.setattr(owner, name, pressed)

    return at


def _assert_same_end(whole: Path, again: Path) -> None:
    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.checkpoints.kept import find_best_checkpoint
    from zoo.engine.checkpoints.pickles import read_pickled

    for find in (find_checkpoint, find_best_checkpoint):
        first, second = find(whole), find(again)
        assert first is not None
        assert second is not None
        trees = [read_pickled(path) for path in (first, second)]
        # Not their names: a stop after the last epoch leaves iter_N.pth beside epoch_M.pth.
        assert trees[0]["meta"]["iter"] == trees[1]["meta"]["iter"]
        for key in ("state_dict", "ema_state_dict", "optimizer", "param_schedulers"):
            assert _plain(trees[0].get(key)) == _plain(trees[1].get(key)), (first.name, key)


def _plain(value: Any) -> Any:
    if hasattr(value, "numpy"):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


@pytest.mark.slow
@pytest.mark.parametrize(
    ("by_epoch", "workers", "step"),
    [(False, 0, 2), (False, 2, 6), (True, 2, 2), (True, 0, 6)],
)
def test_run_stopped_within_a_step_ends_as_the_run_left_alone(
    read: Callable[..., Any], press: Callable[..., None], by_epoch: bool, workers: int, step: int
) -> None:
    """Weights, optimizer and best checkpoint, bit for bit; a validation follows step 6."""
    from mmseg.models import EncoderDecoder

    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    options = {"by_epoch": by_epoch}
    loading = (f"train_dataloader.num_workers={workers}", "train_cfg.val_interval=3")
    whole = train(read("whole", *loading, **options))
    press(EncoderDecoder, "loss", step, signal.SIGINT)

    with pytest.raises(InterruptedRunError) as caught:
        train(read("again", *loading, **options))
    again = train(read("again", *loading, **options), resume="auto")

    assert caught.value.step == step
    _assert_same_end(whole, again)


@pytest.mark.slow
def test_run_by_epochs_whose_workers_outlive_them_ends_as_the_run_left_alone(
    read: Callable[..., Any], press: Callable[..., None]
) -> None:
    """What they drew in the epochs before the stop is drawn again."""
    from mmseg.models import EncoderDecoder

    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    def config(folder: str) -> Any:
        loading = ("num_workers=2", "persistent_workers=True")
        options = [f"train_dataloader.{option}" for option in loading]
        found = read(folder, *options, by_epoch=True)
        found.train_cfg.max_epochs = 2
        return found

    whole = train(config("whole"))
    press(EncoderDecoder, "loss", 13, signal.SIGINT)

    with pytest.raises(InterruptedRunError) as caught:
        train(config("again"))
    again = train(config("again"), resume="auto")

    assert "epoch_2.pth" in {path.name for path in whole.iterdir()}
    assert caught.value.step == 13
    assert active_children() == []
    _assert_same_end(whole, again)


@pytest.mark.slow
@pytest.mark.parametrize("by_epoch", [False, True])
def test_run_stopped_within_a_validation_validates_again(
    read: Callable[..., Any], press: Callable[..., None], by_epoch: bool
) -> None:
    """The averaged weights that are validated are not taken for the trained ones."""
    from mmseg.models import EncoderDecoder

    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    options = {"by_epoch": by_epoch, "ema": True}
    whole = train(read("whole", "train_cfg.val_interval=3", **options))
    press(EncoderDecoder, "predict", 2, signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        train(read("again", "train_cfg.val_interval=3", **options))
    again = train(read("again", "train_cfg.val_interval=3", **options), resume="auto")

    _assert_same_end(whole, again)


def test_signals_while_the_checkpoint_is_saved_do_not_disturb_it(
    read: Callable[..., Any], press: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    """Who presses again, and who closes the terminal, waits for the file."""
    from mmengine.runner import Runner
    from mmseg.models import EncoderDecoder

    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    press(EncoderDecoder, "loss", 2, signal.SIGINT)
    press(Runner, "save_checkpoint", 1, signal.SIGINT, signal.SIGINT, signal.SIGHUP)

    with pytest.raises(InterruptedRunError) as caught:
        train(read("run"))

    assert load_checkpoint(caught.value.checkpoint).meta["iter"] == 2
    assert "this ends by itself" in caplog.text
    assert not list((caught.value.checkpoint.parent).glob(".*.part"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_run_told_to_end_by_other_signals_saves_too(
    read: Callable[..., Any], press: Callable[..., None], number: int
) -> None:
    """A terminal that is closed hangs up twice; the second one takes nothing away."""
    from mmseg.models import EncoderDecoder

    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    before = signal.getsignal(number)
    press(EncoderDecoder, "loss", 2, number, number)

    with pytest.raises(InterruptedRunError) as caught:
        train(read("run"))

    assert (number, 2) == (caught.value.signal_number, caught.value.step)
    assert caught.value.checkpoint.is_file()
    assert signal.getsignal(number) is before


def test_signal_that_the_process_was_told_to_ignore_stays_ignored(
    read: Callable[..., Any], press: Callable[..., None]
) -> None:
    """As under nohup: the run goes to its end."""
    from mmseg.models import EncoderDecoder

    from zoo.engine.runs.train import train

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    press(EncoderDecoder, "loss", 2, signal.SIGHUP)
    try:
        folder = train(read("run", "train_cfg.max_iters=3"))
    finally:
        signal.signal(signal.SIGHUP, before)

    assert (folder / "iter_3.pth").is_file()


def test_resumed_run_stopped_before_its_first_step_keeps_its_checkpoint(
    read: Callable[..., Any], press: Callable[..., None]
) -> None:
    """Written again, it would hold the random state of a run that has hardly begun."""
    from mmengine.runner import Runner

    from zoo.engine.resuming.interrupts import InterruptedRunError
    from zoo.engine.runs.train import train

    saved = train(read("run", "train_cfg.max_iters=3")) / "iter_3.pth"
    content = saved.read_bytes()
    press(Runner, "load_or_resume", 1, signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(read("run"), resume="auto")

    assert not isinstance(caught.value, InterruptedRunError)
    assert content == saved.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "key", "workers"),
    [
        ("loss", "train_dataloader", ("train_dataloader.num_workers=2",)),
        ("predict", "val_dataloader", ("val_dataloader.num_workers=1",)),
    ],
)
def test_run_whose_worker_is_killed_saves_the_step_that_it_reached(
    read: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    key: str,
    workers: tuple[str, ...],
) -> None:
    """As the kernel does when memory is short; the step that runs then is not torn.

    In a validation too; what the hint sets is of the loader whose worker died.
    """
    from mmseg.models import EncoderDecoder

    from zoo.engine.checkpoints.checkpoint import find_checkpoint, load_checkpoint
    from zoo.engine.runs.train import train

    steps: list[int] = []
    original = getattr(EncoderDecoder, method)

    def killing(self: Any, *args: Any) -> Any:
        steps.append(1)
        if len(steps) == 4:
            for child in active_children():
                os.kill(child.pid or 0, signal.SIGKILL)
            time.sleep(0.3)
        return original(self, *args)

    monkeypatch.setattr(EncoderDecoder, method, killing)
    config = read("run", *workers, "train_cfg.max_iters=60", "train_cfg.val_interval=5")

    with pytest.raises(TrainingError) as caught:
        train(config)

    found = find_checkpoint(config.work_dir)
    assert found is not None
    assert load_checkpoint(found).meta["iter"] >= 4
    assert "DataLoader worker" in caught.value.message
    assert f"saved {found}." in caught.value.message
    assert caught.value.where == f"{key}.num_workers"
    assert f"{key}.num_workers=0" in str(caught.value.hint)


@pytest.fixture
def own_server() -> Iterator[None]:
    """Let the fork server start within the test, and the next one after it.

    Processes have the signals of their server: of one that an earlier test has left, those outside
    the block; of this test's one, those within it.
    """
    from multiprocessing import forkserver

    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


@pytest.mark.usefixtures("own_server")
@pytest.mark.parametrize(
    "method", ["fork", "spawn", pytest.param("forkserver", marks=pytest.mark.release)]
)
def test_process_that_is_shielded_outlives_ctrl_c(method: str) -> None:
    """However it is started; afterwards this process hears Ctrl-C as before."""
    import multiprocessing

    from zoo.engine.resuming.shielding import shielding_workers

    context: Any = multiprocessing.get_context(method)
    with shielding_workers():
        child = context.Process(target=time.sleep, args=(60,), daemon=True)
        child.start()
    os.kill(child.pid, signal.SIGINT)
    os.kill(child.pid, signal.SIGHUP)
    child.join(timeout=0.5)

    assert child.is_alive()
    child.terminate()
    child.join(timeout=120)
    assert child.exitcode == -signal.SIGTERM
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, ValueError])
def test_worker_that_dies_after_a_stopped_run_interrupts_nothing(
    error: type[BaseException] | None,
) -> None:
    """A group's signal may end a worker late, while the command says what it saved."""
    from torch.utils.data import DataLoader

    from zoo.engine.resuming.shielding import deferring_dead_workers

    loader: Any = DataLoader(list(range(100)), num_workers=1)  # type: ignore[arg-type]
    with suppress(KeyboardInterrupt, ValueError), deferring_dead_workers(lambda: False):
        batches = iter(loader)
        next(batches)
        if error is not None:
            raise error
    expected = nullcontext() if error else pytest.raises(RuntimeError, match="DataLoader worker")

    with expected:
        _kill_worker(batches)

    with deferring_dead_workers(lambda: False):  # the next run hears of its own workers
        batches = iter(loader)
        next(batches)
        with pytest.raises(RuntimeError, match="DataLoader worker"):
            _kill_worker(batches)


def _kill_worker(batches: Any) -> None:
    """Kill it, and return when the kernel has told of its end; torch collects it."""
    pid = batches._workers[0].pid
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.mark.parametrize("name", ["before_val", "after_val_epoch", "after_train_epoch"])
def test_hook_that_fails_while_a_stop_is_pending_is_not_taken_for_the_stop(
    read: Callable[..., Any], name: str
) -> None:
    """Its error is raised as it is: nobody would hear of it, and the state may be half."""
    from mmengine.hooks import Hook

    from zoo.engine.runs.train import train

    def fail(self: Any, runner: Any, **kwargs: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        message = "this hook is broken"
        raise RuntimeError(message)

    hook = type("Broken", (Hook,), {name: fail})()

    with pytest.raises(RuntimeError, match="this hook is broken"):
        train(read("run", "train_cfg.max_iters=2", "train_cfg.val_interval=2"), hooks=[hook])


@pytest.mark.parametrize("priority", ["ABOVE_NORMAL", "LOW"])
def test_run_that_fails_at_the_end_of_a_validation_saves_its_trained_weights(
    read: Callable[..., Any], priority: str
) -> None:
    """Whether EMAHook has exchanged them back or not; a hook may have a loader of its own."""
    import torch
    from mmengine.hooks import Hook

    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.checkpoints.pickles import read_pickled
    from zoo.engine.runs.train import train

    trained: dict[str, torch.Tensor] = {}

    class Fails(Hook):  # type: ignore[misc]
        def before_val(self, runner: Any) -> None:
            trained.update({k: v.clone() for k, v in runner.model.named_parameters()})

        def after_val_epoch(self, runner: Any, metrics: Any = None) -> None:
            message = "DataLoader worker (pid 7) is killed by signal: Killed."
            raise RuntimeError(message)

    class Adds(Hook):  # type: ignore[misc]
        def before_run(self, runner: Any) -> None:
            # Once: a hook that is put before this one has this one called again.
            if not any(isinstance(hook, Fails) for hook in runner.hooks):
                runner.register_hook(Fails(), priority=priority)

    config = read("run", "train_cfg.val_interval=2", ema=True)
    with pytest.raises(TrainingError, match="is killed by signal"):
        train(config, hooks=[Adds()])
    found = find_checkpoint(config.work_dir)

    assert found is not None
    tree = read_pickled(found)
    for key, value in trained.items():  # the averaged ones are what a checkpoint offers first
        assert torch.equal(tree["ema_state_dict"][f"module.{key}"], value), key
