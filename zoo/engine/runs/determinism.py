# SPDX-License-Identifier: Apache-2.0
"""``--deterministic``: two runs of one command end in the same weights, byte for byte.

Seeds are fixed, cuDNN measures no algorithms, and torch takes the deterministic one of every
operation that has one. A few operations on GPUs have none, such as the backward pass of bilinear
upsampling: torch runs them nevertheless, and the run says which they were. The number of threads
and the device decide the order in which numbers are summed, so two runs are equal on one machine.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from zoo.engine.patching import exchanged

__all__ = ["be_deterministic", "deterministic_operations"]

_LACKING = re.compile(r"(?P<name>[\w:]+) does not have a deterministic implementation")


def be_deterministic(config: Any) -> None:
    """Set a config's seed, if it has none, and what makes its run deterministic.

    Args:
        config: The whole config, changed in place.
    """
    # Read when CUDA starts; without it, matrix products on a GPU raise an error.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    randomness = dict(config.get("randomness") or {})
    if randomness.get("seed") is None:
        randomness["seed"] = 0
    config.randomness = {**randomness, "deterministic": True}
    config.env_cfg = {**(config.get("env_cfg") or {}), "cudnn_benchmark": False}


@contextmanager
def deterministic_operations(note: Callable[[str], None]) -> Iterator[None]:
    """Use torch's deterministic operations, and report those that have no deterministic form.

    Args:
        note: Called at the end with a message, if there were any.
    """
    import torch

    before = torch.are_deterministic_algorithms_enabled()
    warns_before = torch.is_deterministic_algorithms_warn_only_enabled()
    names: list[str] = []
    show = warnings.showwarning

    def noting(message: Warning | str, *args: Any, **kwargs: Any) -> None:
        found = _LACKING.search(str(message))
        if found is None:
            show(message, *args, **kwargs)
        elif found["name"] not in names:
            names.append(found["name"])

    use = torch.use_deterministic_algorithms
    flags = (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark)
    use(True, warn_only=True)
    warnings.showwarning = noting
    try:
        # mmengine asks for errors instead of warnings, and stops at the first such operation.
        with exchanged(torch, use_deterministic_algorithms=partial(use, warn_only=True)):
            yield
    finally:
        warnings.showwarning = show
        use(before, warn_only=warns_before)
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = flags
        if names:
            note(f"not deterministic on this device: {', '.join(names)}; two runs may differ")
