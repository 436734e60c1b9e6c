# SPDX-License-Identifier: Apache-2.0
"""Limits on what a published model may use for one image: pixels, windows, memory, time.

Parameters are limited by the weights that come with them (see
`zoo.engine.checkpoints.size_limit`), and the list limits each number of a record. This module
limits what they use together, by image. A model opened from its config has no budget: it is the
user's own.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Never

from zoo.errors import CheckpointError

__all__ = ["MOST_WINDOWS", "Budget", "current_budget", "within_budget"]

MOST_WINDOWS = 4096
"""Windows of one image, of a scene or of a sliding network."""
# This many for a picture of any size, plus one for each 32 x 32 px of it.
_LEAST_WINDOWS, _WINDOW_PX = 64, 32**2
# Upstream's largest test pipeline resizes any image to 3504 x 2336 px.
_LEAST_PX, _TIMES_PX = 2**23, 16
_LEAST_WORK_PX, _TIMES_WORK = 2**28, 64  # over all windows
_LEAST_MEMORY_BYTES, _BYTES_A_PX = 4 * 2**30, 4096
_BYTES_A_VALUE = 4
_FORWARD_S = 600  # of one window
_STATM = Path("/proc/self/statm")
_HINT = "do not use an untrusted file; open your own run as CONFIG,CHECKPOINT."

_CURRENT: ContextVar[Budget | None] = ContextVar("budget", default=None)


class Budget:
    """The budget of one image, consumed by the pipeline and the model."""

    def __init__(self) -> None:
        self._image_px, self._scene_px, self._work_px = 0, 0, 0
        self._windows: int | None = 1  # None if the user chose them
        self._where = ""
        self._memory_bytes = 0
        self._memory_start, self._start_s = 0, 0.0
        self._thread = threading.get_ident()

    def see_image(self, width_px: int, height_px: int, where: str) -> None:
        """Set the limits of what follows by the size of an image, a scene or its window.

        Args:
            width_px: Width of the image.
            height_px: Height of the image.
            where: Its name, for messages.
        """
        self._image_px = width_px * height_px
        self._scene_px = max(self._scene_px, self._image_px)
        self._where = where

    def see_windows(self, count: int | None, window_px: int, hint: str) -> None:
        """Check the number of windows of a scene; None if the user chose them, without a limit.

        Args:
            count: Number of windows of the scene, or None.
            window_px: Side of a window, in px.
            hint: What a user can do about too many.

        Raises:
            CheckpointError: They are more than may run for one image.
        """
        self._windows = count
        if count is not None:
            self._check_windows(count, window_px, self._scene_px, hint)

    def _check_windows(self, count: int, window_px: int, px: int, hint: str | None = None) -> None:
        most = min(MOST_WINDOWS, _LEAST_WINDOWS + px // _WINDOW_PX)
        if count > most:
            found = f"cuts it into {count:,} windows of {window_px} px, at most {most:,} are run"
            self._refuse(found, hint)

    def check_step(self, step: Any, image: Any) -> None:
        """Raise CheckpointError before a step creates a picture far larger than the image.

        Args:
            step: A transform, before it runs.
            image: ``(H, W)`` or ``(H, W, C)``, as the step gets it.
        """
        height_px, width_px = image.shape[:2]
        for name in ("scale", "size"):
            self._check_px(_product(getattr(step, name, None)), type(step).__name__)
        if getattr(step, "pad_to_square", False):
            self._check_px(max(width_px, height_px) ** 2, type(step).__name__)
        factor = getattr(step, "scale_factor", None)
        if isinstance(factor, (int, float, tuple, list)):
            pair = factor if isinstance(factor, Sequence) else (factor, factor)
            self._check_px(math.prod(pair) * width_px * height_px, type(step).__name__)

    def check_picture(self, image: Any, step: Any) -> None:
        """Raise CheckpointError if a step created a picture far larger than the image.

        Args:
            image: ``(H, W)`` or ``(H, W, C)``, as the step left it.
            step: The transform that made it.
        """
        self._check_px(math.prod(image.shape[:2]), type(step).__name__)

    @contextmanager
    def forward(self, batch: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[None]:
        """Monitor one forward pass, whose input counts as work.

        Args:
            batch: The model's input; ``inputs`` contains ``(C, H, W)`` tensors.
            config: The model's config.

        Raises:
            CheckpointError: Its windows, memory, time or the work so far exceed the budget.
        """
        height_px, width_px = batch["inputs"][0].shape[-2:]
        passes_px = self._passes_px(config.get("test_cfg") or {}, width_px, height_px)
        self._check_px(width_px * height_px, "its pipeline")
        self._check_work(passes_px)
        input_px = max(width_px * height_px, self._image_px)
        self._memory_bytes = _LEAST_MEMORY_BYTES + _BYTES_A_PX * input_px
        self._memory_start, self._start_s = _used_bytes(), time.monotonic()
        with _hooked(self._check_now), _watched(self._check_time, self._check_values):
            yield

    def _passes_px(self, test_cfg: Mapping[str, Any], width_px: int, height_px: int) -> int:
        """Return the pixels of all passes: a sliding network processes each several times."""
        if test_cfg.get("mode") not in ("slide", "slide_flip"):
            return width_px * height_px
        crop = _pair(test_cfg.get("crop_size"))
        stride = _pair(test_cfg.get("stride"))
        sides = zip((height_px, width_px), crop, stride, strict=True)
        count = math.prod(max(1, 1 + -(-max(0, side - c) // max(1, s))) for side, c, s in sides)
        self._check_windows(count, crop[0], width_px * height_px)
        return count * max(1, crop[0]) * max(1, crop[1])

    def _check_work(self, passes_px: int) -> None:
        """Add a pass; all windows count as large as the first."""
        if self._windows is None:
            return
        self._work_px += passes_px
        work_px = max(self._work_px, self._windows * passes_px)
        most_px = max(_LEAST_WORK_PX, _TIMES_WORK * self._scene_px)
        if work_px > most_px:
            found = f"puts {work_px:,} px through the network, at most {most_px:,} are run"
            self._refuse(found)

    def _check_px(self, px: float, what: str) -> None:
        most_px = max(_LEAST_PX, _TIMES_PX * self._image_px)
        if px > most_px:
            found = f"makes {px:,.0f} px of its {self._image_px:,} ({what}), at most {most_px:,}"
            self._refuse(f"{found} are run")

    def _check_values(self, count: float) -> None:
        if 2 * _BYTES_A_VALUE * count > self._memory_bytes:  # it, and what it is made of
            self._refuse(f"makes {count:,.0f} values at once, more than its memory budget")

    def _check_now(self) -> None:
        if threading.get_ident() != self._thread:
            return
        used_bytes = _used_bytes() - self._memory_start
        if used_bytes > self._memory_bytes:
            self._refuse(f"takes {used_bytes / 2**30:.1f} GB of memory, more than allowed")
        self._check_time()

    def _check_time(self) -> None:
        if time.monotonic() - self._start_s > _FORWARD_S:
            self._refuse(f"takes longer than {_FORWARD_S} s")

    def _refuse(self, found: str, hint: str | None = None) -> Never:
        msg = f"cannot predict on {Path(self._where).name!r}: the model's record {found} of a "
        msg += "published file."
        raise CheckpointError(msg, path=self._where, hint=hint or _HINT)


def current_budget() -> Budget | None:
    """Return the budget of the current image; None for a model of the user's own."""
    return _CURRENT.get()


@contextmanager
def within_budget() -> Iterator[None]:
    """Use a new budget for what is read and predicted inside the block."""
    token = _CURRENT.set(Budget())
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def _hooked(check: Callable[[], None]) -> Iterator[None]:
    """Call ``check`` after every module."""
    from torch.nn.modules.module import register_module_forward_hook

    handle = register_module_forward_hook(lambda *_: check())
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def _watched(check_time: Callable[[], None], check: Callable[[float], None]) -> Iterator[None]:
    """Call ``check_time`` before every torch function: suppression of boxes is in no module.

    Before a tensor is expanded, ``check`` is called with the resulting number of values.
    """
    from torch.nn.functional import interpolate
    from torch.overrides import TorchFunctionMode

    class Watched(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            check_time()
            if func is interpolate:
                check(_stretched_values(*args, **(kwargs or {})))
            return func(*args, **(kwargs or {}))

    with Watched():
        yield


def _stretched_values(
    image: Any, size: Any = None, scale_factor: Any = None, *_: Any, **__: Any
) -> float:
    sides = image.shape[2:]
    if size is not None:
        sides = size if isinstance(size, Sequence) else [size] * len(sides)
    elif scale_factor is not None:
        is_one = not isinstance(scale_factor, Sequence)
        factors = [scale_factor] * len(sides) if is_one else scale_factor
        sides = [side * factor for side, factor in zip(sides, factors, strict=False)]
    return math.prod((*image.shape[:2], *(float(side) for side in sides)))


def _product(value: Any) -> float:
    is_pair = isinstance(value, (tuple, list)) and len(value) == 2
    return math.prod(value) if is_pair and all(isinstance(one, int) for one in value) else 0


def _pair(value: Any) -> tuple[int, int]:
    pair = value if isinstance(value, (tuple, list)) else (value, value)
    return (int(pair[0] or 1), int(pair[-1] or 1)) if pair else (1, 1)


def _used_bytes() -> int:
    """Return the memory in use by the process and on GPUs, in bytes; 0 if unknown."""
    import torch

    is_started = torch.cuda.is_initialized()
    on_gpu = torch.cuda.memory_allocated() if is_started else 0
    try:
        pages = int(_STATM.read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return int(on_gpu)
    return pages * 4096 + int(on_gpu)
