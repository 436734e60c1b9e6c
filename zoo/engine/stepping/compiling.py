# SPDX-License-Identifier: Apache-2.0
"""``compile`` of a config: whether this machine can compile the training step, asked before it."""

from __future__ import annotations

import inspect
import os
import shutil
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["check_compilation"]


def check_compilation(config: Config) -> None:
    """Check that ``compile`` can be followed, which torch would only say in the first step.

    Args:
        config: Of a run; mmengine hands ``compile``, True or arguments, to ``torch.compile``.

    Raises:
        ConfigError: It is something else, or torch's default backend lacks what it compiles with.

    Source:
        ``Runner._maybe_compile`` of mmengine 0.10; ``torch._inductor.config.cpp.cxx`` of torch 2.
    """
    stated = config.get("compile")
    if stated is None or stated is False:
        return
    if stated is not True:
        _check_arguments(stated)
    if stated is True or stated.get("backend", "inductor") == "inductor":
        _check_compiler()


def _check_arguments(stated: Any) -> None:
    import torch

    known = set(inspect.signature(torch.compile).parameters) - {"model"}
    if not isinstance(stated, dict):
        found = f"it is {stated!r}, expected True, False or a dict of arguments."
    elif unknown := sorted(set(map(str, stated)) - known):
        found = f"torch.compile has no {unknown[0]!r}, expected {', '.join(sorted(known))}."
    else:
        return
    message = f"cannot compile the training step: {found}"
    raise ConfigError(message, where="compile", hint="set compile=True, or drop it.")


def _check_compiler() -> None:
    from mmengine.device import get_device

    if get_device() == "cuda":
        lacks = "" if find_spec("triton") else "found no package 'triton', which compiles for GPUs."
        hint = "pip install triton, or drop compile."
    else:
        name = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
        lacks = "" if shutil.which(name) else f"found no C++ compiler {name!r}, expected one."
        hint = "install g++, name another compiler in CXX, or drop compile."
    if lacks:
        message = f"cannot compile the training step: {lacks}"
        raise ConfigError(message, where="compile", hint=hint)
