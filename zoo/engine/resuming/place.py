# SPDX-License-Identifier: Apache-2.0
"""The position in its run at which a checkpoint was written, so that resuming uses the same batch.

mmengine keeps epoch and iteration. zoo adds the random state, the number of finished batches of the
epoch, and whether a validation was due. Data loaders are read again up to that position, because
their workers cannot jump to it.
"""

from __future__ import annotations

from bisect import bisect
from typing import TYPE_CHECKING, Any, TypeVar

from mmengine.dist import get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop

from zoo.engine.processes.shared_states import SharedStates
from zoo.engine.random_state import (
    loading_random_state,
    random_state,
    set_random_state,
    training_random_state,
)

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["Place", "find_hook", "is_validation_due"]

_Hook = TypeVar("_Hook", bound=Hook)

_KEY = "zoo_place"
_OTHERS = "zoo_other_processes"  # random states of all but the first, by their number
# Images that are read again for the random state of workers that outlive an epoch; of more than
# these the reading would take longer than what is gained is worth.
_MOST_AGAIN = 20_000


def is_validation_due(runner: Runner, *, epochs: int, steps: int) -> bool:
    """Return whether a run validates between two of its steps or epochs.

    Args:
        runner: The run; its loops are built.
        epochs: Number of finished epochs.
        steps: Number of finished steps.
    """
    loop: Any = runner.train_loop
    if runner.val_loop is None or not hasattr(loop, "dynamic_milestones"):
        return False
    is_by_step = isinstance(loop, IterBasedTrainLoop)
    done, last = (steps, loop.max_iters) if is_by_step else (epochs, loop.max_epochs)
    interval = loop.dynamic_intervals[bisect(loop.dynamic_milestones, done + 1) - 1]
    return bool(done >= loop.val_begin and (done % interval == 0 or done == last))


def _is_before_validation(runner: Runner, meta: dict[str, Any]) -> bool:
    """Return whether a checkpoint is written after the training that a validation follows.

    It must note that, because a kill may end the run before the validation ends: what is decided by
    it (the best checkpoint, a plateau, an early stop) would not be decided again. While mmengine
    saves within training, its counters are one behind what it writes.
    """
    if isinstance(runner.train_loop, IterBasedTrainLoop):
        is_ahead = meta["iter"] == runner.iter + 1
    else:
        is_ahead = meta["epoch"] == runner.epoch + 1
    return is_ahead and is_validation_due(runner, epochs=meta["epoch"], steps=meta["iter"])


def _of_process(others: Any, rank: int) -> dict[str, Any]:
    """Return what a checkpoint holds of a process; nothing if that run had fewer of them."""
    state = others[rank - 1] if isinstance(others, list) and rank <= len(others) else None
    found = state if isinstance(state, dict) else {}
    return {key: value for key, value in found.items() if isinstance(value, dict)}


def find_hook(runner: Runner, kind: type[_Hook]) -> _Hook:
    """Return a runner's hook of a kind, and register one if it has none.

    Args:
        runner: The run.
        kind: A hook's class that takes no arguments.
    """
    for hook in runner.hooks:
        if isinstance(hook, kind):
            return hook
    made = kind()
    # Lowest: after the hooks that draw random numbers or save when an epoch begins or ends.
    runner.register_hook(made, priority="LOWEST")
    return made


class Place(Hook):
    """Keeps the position of a run in its checkpoints, and moves a resumed run there.

    Attributes:
        is_validation_due: Whether the run was stopped before or within a validation.
    """

    def __init__(self) -> None:
        self.is_validation_due = False
        self._first: int | None = None  # first step of the epoch; None between epochs
        self._epoch_state: dict[str, Any] | None = None
        self._state: dict[str, Any] | None = None
        self._skipped = 0
        self._validated: int | None = None  # step of the last validation that ended
        self._noted: tuple[int, dict[str, Any]] | None = None  # a step, and the state after it
        self._shared = SharedStates()

    def leave_state(self, runner: Runner) -> None:
        """Leave the random states of this process for the first one, which saves them.

        Args:
            runner: The run, of which all processes are about to save.
        """
        states = {"random_state": training_random_state(), "epoch_state": self._epoch_state}
        self._shared.leave(f"{runner.epoch}-{runner.iter}", states)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store the position in the checkpoint.

        Args:
            runner: The run.
            checkpoint: The checkpoint to save; changed in place.
        """
        meta = checkpoint["meta"]
        is_within = self._first is not None and meta["epoch"] == runner.epoch
        done = meta["iter"] - self._first if is_within else 0
        due = self.is_validation_due or _is_before_validation(runner, meta)
        if done or due:
            checkpoint[_KEY] = {
                "batches": done,
                "epoch_state": self._epoch_state if done else None,
                "validation_due": due,
            }
        if get_world_size() > 1 and "optimizer" in checkpoint:
            others = self._shared.collect()
            if others is not None:
                checkpoint[_OTHERS] = others

    def resume(self, checkpoint: dict[str, Any]) -> None:
        """Load the position from a checkpoint, to continue there.

        Args:
            checkpoint: The loaded checkpoint; ``random_state`` and the position are read.
        """
        state = checkpoint.get("random_state")
        self._state = state if isinstance(state, dict) else None
        kept = checkpoint.get(_KEY)
        kept = kept if isinstance(kept, dict) else {}
        batches, state = kept.get("batches"), kept.get("epoch_state")
        self._skipped = batches if type(batches) is int else 0
        self._epoch_state = state if isinstance(state, dict) else None
        if get_rank():
            own = _of_process(checkpoint.get(_OTHERS), get_rank())
            self._state, self._epoch_state = own.get("random_state"), own.get("epoch_state")
        self.is_validation_due = kept.get("validation_due") is True

    def before_train(self, runner: Runner) -> None:
        """Validate, if the run was stopped before a due validation.

        Args:
            runner: The run.
        """
        if not self.is_validation_due:
            return
        self.is_validation_due = False
        if runner.val_loop is not None:
            self._restore()  # what the validation saves also continues from there
            runner.val_loop.run()

    def after_val(self, runner: Runner) -> None:
        """Record that a validation has ended.

        Args:
            runner: The run.
        """
        self._validated = runner.iter

    def has_validated(self, step: int) -> bool:
        """Return whether the validation after a step has ended in this process.

        Args:
            step: Number of finished training steps.
        """
        return self._validated == step

    def note_step(self, runner: Runner) -> None:
        """Note the random state before the next batch is read, in case the run is stopped there.

        Args:
            runner: The run, which has just finished a step.
        """
        is_read_here = not getattr(runner.train_loop.dataloader, "num_workers", 0)
        self._noted = runner.iter, loading_random_state(is_read_here=is_read_here)

    def take_back_reading(self, runner: Runner) -> None:
        """Undo what a batch that is being read has drawn: a resumed run reads it again.

        Args:
            runner: The run, which stops between two steps.
        """
        if isinstance(runner.train_loop, EpochBasedTrainLoop):
            if self._first is None:
                return  # between two epochs nothing is read
            if self._first == runner.iter and self._epoch_state is not None:
                set_random_state(self._epoch_state)
                return
        if self._noted is not None and self._noted[0] == runner.iter:
            state = self._noted[1]
            set_random_state(state, torch_only="python" not in state)

    def before_train_epoch(self, runner: Runner) -> None:
        """Go to the position of the checkpoint, or record that an epoch begins.

        Args:
            runner: The run.
        """
        loop = runner.train_loop
        if not isinstance(loop, EpochBasedTrainLoop):
            self._rewind_iterations(loop)
            return
        if self._state is not None:
            self._read_epochs_again(runner, loop)
        skipped, self._skipped = min(self._skipped, len(loop.dataloader)), 0
        self._first = runner.iter - skipped
        if skipped:
            if self._epoch_state is not None:
                set_random_state(self._epoch_state)
            self._skip_batches(loop, skipped)
            return
        self._restore()
        self._state = None
        self._epoch_state = random_state()

    def after_train_epoch(self, runner: Runner) -> None:
        """Record that no epoch runs.

        Args:
            runner: The run.
        """
        self._first = None

    def _read_epochs_again(self, runner: Runner, loop: Any) -> None:
        """Bring persistent workers to the state in which the earlier epochs left theirs."""
        loader, epochs = loop.dataloader, loop.epoch
        if not epochs or not getattr(loader, "persistent_workers", False):
            return
        if epochs * len(loader.dataset) > _MOST_AGAIN:
            text = "the workers of train_dataloader outlive an epoch and cannot be restored: "
            text += "random transforms draw other numbers than in an uninterrupted run"
            runner.logger.warning(text)
            return
        runner.logger.info(f"reading {epochs} epochs again, for the random state of the workers")
        samplers: list[Any] = [getattr(loader, name, None) for name in ("sampler", "batch_sampler")]
        for epoch in range(epochs + 1):
            for sampler in (*samplers, getattr(samplers[1], "sampler", None)):
                if hasattr(sampler, "set_epoch"):
                    sampler.set_epoch(epoch)
            for _ in loader if epoch < epochs else ():
                pass

    def _restore(self) -> None:
        if self._state is not None:
            set_random_state(self._state)

    def _skip_batches(self, loop: Any, count: int) -> None:
        """Let the loop read the finished batches of its epoch, and train on the rest."""
        run_iter = loop.run_iter

        def skip(index: int, batch: Any) -> None:
            if index == count - 1:
                loop.run_iter = run_iter
                self._restore()
                self._state = None

        loop.run_iter = skip

    def _rewind_iterations(self, loop: Any) -> None:
        """Restore the random state before the first batch that the loop trains on."""
        iterator = getattr(loop, "dataloader_iterator", None)
        if getattr(loop, "stop_training", False):  # by a hook, before its first step
            loop.dataloader_iterator = _Unread()
            return
        if self._state is None or iterator is None:
            return

        def go_on() -> None:
            loop.dataloader_iterator = iterator
            self._restore()
            self._state = None

        # onedl-mmengine skips batches without reading them, mmengine's loop by iteration reads.
        is_skipping = hasattr(iterator, "skip_iter")
        count = 0 if is_skipping else loop.iter
        loop.dataloader_iterator = _Rewound(iterator, count, go_on)


class _Unread:
    """An iterator in place of one whose batches nobody needs: a loop skips them one by one."""

    def skip_iter(self, num_iters: int) -> None:
        """Skip no batch.

        Args:
            num_iters: Not used.
        """

    def __next__(self) -> None:
        return None


class _Rewound:
    """An iterator that reports when it has yielded as many batches as the earlier run."""

    def __init__(self, iterator: Any, count: int, go_on: Any) -> None:
        self._iterator, self._left, self._go_on = iterator, count, go_on

    def skip_iter(self, num_iters: int) -> None:
        """Skip batches, as the loop of onedl-mmengine asks for.

        Args:
            num_iters: Their number.
        """
        self._iterator.skip_iter(num_iters)

    def __next__(self) -> Any:
        if not self._left:
            # Its newer versions make the iterator as late as here, which draws a random number.
            getattr(self._iterator, "_ensure_iterator", lambda: None)()
            self._go_on()
        self._left -= 1
        return next(self._iterator)
