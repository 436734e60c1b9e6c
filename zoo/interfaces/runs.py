# SPDX-License-Identifier: Apache-2.0
"""What a run consists of besides its network: hooks, loops, samplers, optimizers, schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Hook", "Loop", "OptimWrapperConstructor", "Optimizer", "ParamScheduler", "Sampler"]


class Hook(Protocol):
    """Code that a run calls at fixed points; a subclass of mmengine's ``Hook``, built once per run.

    Order of calls in a training run: ``before_run``, (``after_load_checkpoint``,)
    ``before_train``, then per epoch ``before_train_epoch``, per step ``before_train_iter`` and
    ``after_train_iter``, ``after_train_epoch``; validation runs between epochs, or between steps of
    an iteration-based loop, as ``before_val``, ``before_val_epoch``, ``before_val_iter``,
    ``after_val_iter``, ``after_val_epoch``, ``after_val``; finally ``after_train`` and
    ``after_run``. A test run has the same points with ``test``. An iteration-based loop calls
    ``before_train_epoch`` and ``after_train_epoch`` once. At each point, hooks run in the order of
    their ``priority``. An exception in a hook ends the run; existing checkpoints are kept.
    """

    priority: str | int

    def before_run(self, runner: Any) -> None:
        """Run before anything else; model and loaders may not be built yet.

        Args:
            runner: The run.
        """

    def before_train(self, runner: Any) -> None:
        """Run once before training; model, optimizer and loader are built.

        Args:
            runner: The run.
        """

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Mapping[str, Any] | None = None
    ) -> None:
        """Run before a step.

        Args:
            runner: The run.
            batch_idx: Index of the step in its epoch, from 0.
            data_batch: Collated ``inputs`` and ``data_samples``.
        """

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Run after the optimizer update of a step.

        Reading a tensor value here waits for the device, so do it only at the necessary intervals.

        Args:
            runner: The run.
            batch_idx: Index of the step in its epoch, from 0.
            data_batch: Collated ``inputs`` and ``data_samples``.
            outputs: Scalar ``loss`` and each of its parts.
        """

    def after_val_epoch(self, runner: Any, metrics: Mapping[str, float] | None = None) -> None:
        """Run after each validation, with the metrics.

        Args:
            runner: The run.
            metrics: Name -> value.
        """

    def before_save_checkpoint(self, runner: Any, checkpoint: dict[str, Any]) -> None:
        """Run before a checkpoint is written; add only tensors and plain values.

        Args:
            runner: The run.
            checkpoint: Content of the checkpoint; changed in place.
        """

    def after_run(self, runner: Any) -> None:
        """Run at the end of a successful run.

        Args:
            runner: The run.
        """


class Sampler(Protocol):
    """The order of indices of a data set; built with ``dataset`` and, by mmengine, ``seed``."""

    def __iter__(self) -> Iterator[int]:
        """Yield indices; with several processes, only those of this process."""

    def __len__(self) -> int:
        """Return the number of indices; an endless sampler returns the length of the data set."""

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, so that shuffling differs between epochs but is reproducible.

        Args:
            epoch: Number of the epoch, from 0.
        """


class Loop(Protocol):
    """A training, validation or test loop, built with ``runner`` and ``dataloader``."""

    def run(self) -> Any:
        """Run the whole loop and call the runner's hooks."""


class Optimizer(Protocol):
    """A torch optimizer, built with ``params``."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters from their gradients.

        Args:
            closure: Recomputes the loss; most optimizers need none.
        """

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients.

        Args:
            set_to_none: Whether to set gradients to None rather than 0.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return the state, only tensors and plain values, so that it loads without pickle."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state.

        Args:
            state_dict: A state from ``state_dict``.
        """


class OptimWrapperConstructor(Protocol):
    """Creates an optimizer wrapper; built with ``optim_wrapper_cfg`` and ``paramwise_cfg``."""

    def __call__(self, model: Any) -> Any:
        """Return the wrapper of an optimizer for the model's parameters."""


class ParamScheduler(Protocol):
    """A schedule of one parameter of an optimizer, such as mmengine's ``_ParamScheduler``."""

    def step(self) -> None:
        """Advance by one epoch or one step, depending on ``by_epoch``."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state, only tensors and plain values."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the state.

        Args:
            state_dict: A state from ``state_dict``.
        """
