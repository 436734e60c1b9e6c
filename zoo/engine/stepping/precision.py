# SPDX-License-Identifier: Apache-2.0
"""Mixed precision: float16 with scaled losses on a GPU, bfloat16 on a CPU that computes with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.engine.patching import exchanged
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["allowing_mixed_precision", "has_bfloat16", "turn_on_amp"]

# Flags of Linux: of Intel and AMD (dot products, tiles), and of ARM.
_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}


def has_bfloat16(cpu_info: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the CPU multiplies bfloat16; others emulate it, slower than float32.

    Args:
        cpu_info: What Linux says of its CPUs; False where there is none.
    """
    try:
        text = cpu_info.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    lines = re.findall(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return bool(lines) and all(_BFLOAT16 & set(line.split()) for line in lines)


def turn_on_amp(config: Config) -> None:
    """Let a config train in mixed precision, in place.

    Args:
        config: Of a run; ``optim_wrapper`` becomes mmengine's ``AmpOptimWrapper``.

    Raises:
        ConfigError: It has a wrapper of its own, or the device does not compute faster with it.
    """
    from mmengine.device import get_device

    kind = config.optim_wrapper.get("type", "OptimWrapper")
    if kind not in ("OptimWrapper", "AmpOptimWrapper"):
        message = f"cannot train with --amp: the optimizer wrapper is {kind!r}, "
        message += "expected 'OptimWrapper'."
        hint = "drop --amp, and set the precision in the config."
        raise ConfigError(message, where="optim_wrapper.type", hint=hint)
    device = get_device()
    if device == "mps" or (device == "cpu" and not has_bfloat16()):
        message = f"cannot train with --amp on the device {device!r}: it needs a GPU, or a CPU "
        message += "that computes with bfloat16 (avx512_bf16 or amx_bf16 in /proc/cpuinfo)."
        raise ConfigError(message, where="--amp", hint="drop --amp.")
    config.optim_wrapper.type = "AmpOptimWrapper"
    if device == "cpu":
        # bfloat16 has the range of float32, so that no gradient needs to be scaled.
        config.optim_wrapper.setdefault("dtype", "bfloat16")
        config.optim_wrapper.setdefault("loss_scale", {"enabled": False})
    else:
        config.optim_wrapper.setdefault("loss_scale", "dynamic")


@contextmanager
def allowing_mixed_precision() -> Iterator[None]:
    """Let mmengine build its ``AmpOptimWrapper`` on a CPU that computes with bfloat16.

    Its constructor asserts that there is a GPU; what it builds then, torch's autocast and a scaler
    that is turned off, works on CPUs.

    Source:
        ``AmpOptimWrapper.__init__`` of mmengine 0.10.
    """
    from mmengine.device import get_device
    from mmengine.optim.optimizer import amp_optimizer_wrapper

    if get_device() != "cpu" or not has_bfloat16():
        yield
        return
    with exchanged(amp_optimizer_wrapper, is_cuda_available=lambda: True):
        yield
