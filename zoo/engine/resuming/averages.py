# SPDX-License-Identifier: Apache-2.0
"""Whether averaged weights are in the place of the trained ones, as during a validation.

A run that is stopped or fails then must save the trained ones. The state of the validation does not
tell: hooks that follow `EMAHook` run while it is not over, but the weights are exchanged back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mmengine.hooks import EMAHook

if TYPE_CHECKING:
    from mmengine.runner import Runner

__all__ = ["Averages"]


class Averages:
    """Follows what the `EMAHook`s of a run do to its weights.

    Args:
        runner: The run; its hooks are registered.
    """

    def __init__(self, runner: Runner) -> None:
        self._in_place: list[EMAHook] = []
        for hook in runner.hooks:
            if isinstance(hook, EMAHook):
                self._watch(hook, "before_val_epoch", self._in_place.append)
                self._watch(hook, "after_val_epoch", self._in_place.remove)

    def _watch(self, hook: EMAHook, name: str, note: Callable[[EMAHook], None]) -> None:
        method = getattr(hook, name)

        def watched(*args: Any, **kwargs: Any) -> None:
            method(*args, **kwargs)
            note(hook)

        setattr(hook, name, watched)

    def take_back(self, runner: Runner) -> None:
        """Put the trained weights back where averaged ones are in their place.

        Args:
            runner: The run.
        """
        for hook in list(self._in_place):
            hook.after_val_epoch(runner)
