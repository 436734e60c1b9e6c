# SPDX-License-Identifier: Apache-2.0
"""Write checkpoints that are complete or absent, whenever a run is stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import mmengine.hooks.checkpoint_hook as hook_module
import mmengine.runner
import mmengine.runner.checkpoint as checkpoint_module
import mmengine.runner.runner as runner_module
import torch
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner, ValLoop

from zoo.engine.config_files.written import writing_configs
from zoo.engine.patching import exchanged
from zoo.engine.random_state import kept_random_state, training_random_state
from zoo.engine.resuming.place import Place, find_hook
from zoo.engine.resuming.retention import keeping_last
from zoo.errors import ConfigError
from zoo.files import open_atomically
from zoo.names import hint_near, near_names

__all__ = ["safe_saving"]


@contextmanager
def safe_saving() -> Iterator[None]:
    """Run mmengine with checkpoints that are written atomically and hold the random state.

    Inside, ``epoch_N.pth``, ``best_*.pth``, ``last_checkpoint`` and the resolved config appear only
    when complete; an older checkpoint is removed after the newer one is on disk (mmengine removes
    it before); validation does not change the random numbers of training, so that a resumed run
    can repeat them; and ``save_best`` by a metric that is not measured raises a `ConfigError` that
    lists those that are.
    """
    save = _saver(checkpoint_module.save_checkpoint)
    with ExitStack() as stack:
        for module in (checkpoint_module, runner_module, mmengine.runner):
            stack.enter_context(exchanged(module, save_checkpoint=save))
        # CheckpointHook writes last_checkpoint through the built-in open.
        stack.enter_context(exchanged(hook_module, open=open_atomically))
        stack.enter_context(keeping_last())
        save_best = _naming_metrics(CheckpointHook._save_best_checkpoint)
        stack.enter_context(exchanged(CheckpointHook, _save_best_checkpoint=save_best))
        stack.enter_context(exchanged(ValLoop, run=_apart(ValLoop.run)))
        stack.enter_context(exchanged(Runner, save_checkpoint=_sharing(Runner.save_checkpoint)))
        stack.enter_context(writing_configs())
        yield


def _saver(original: Callable[..., None]) -> Callable[..., None]:
    def save_checkpoint(
        checkpoint: dict[str, Any],
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        if "://" in filename or file_client_args is not None or backend_args is not None:
            original(checkpoint, filename, file_client_args, backend_args)
            return
        if "message_hub" in checkpoint:
            checkpoint["random_state"] = training_random_state()
        with open_atomically(filename) as stream:
            _write(checkpoint, stream)

    return save_checkpoint


class _Noting:
    """A stream that keeps the reason of a failed write, which torch's C++ writer drops."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._stream.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._stream.flush()


def _write(checkpoint: dict[str, Any], stream: IO[bytes]) -> None:
    noting = _Noting(stream)
    try:
        torch.save(checkpoint, noting)  # type: ignore[arg-type]
    except RuntimeError as error:
        if noting.error is None:
            raise
        raise noting.error from error


def _naming_metrics(method: Callable[..., None]) -> Callable[..., None]:
    """Wrap the method that keeps the best checkpoint, which only knows that a key is missing."""

    def saving(self: CheckpointHook, runner: Any, metrics: dict[str, float]) -> None:
        for key in self.key_indicators if self.save_best else ():
            if key != "auto" and key not in metrics:
                names = ", ".join(metrics) or "nothing"
                msg = f"cannot select the best checkpoint by {key!r}: validation measured {names}."
                hint = hint_near(near_names(key, metrics), "use one of these, or 'auto'.")
                where = "default_hooks.checkpoint.save_best"
                raise ConfigError(msg, where=where, hint=hint)
        method(self, runner, metrics)

    return saving


def _sharing(save: Callable[..., None]) -> Callable[..., None]:
    """Wrap the method that saves in the first process, and that all processes call."""

    def saving(self: Runner, *args: Any, **kwargs: Any) -> None:
        find_hook(self, Place).leave_state(self)
        save(self, *args, **kwargs)

    return saving


def _apart(run: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def validating(self: ValLoop) -> Any:
        with kept_random_state():
            return run(self)

    return validating
