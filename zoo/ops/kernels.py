# SPDX-License-Identifier: Apache-2.0
"""The table of stand-ins: what ``mmcv._ext`` offers where no compiled mmcv is installed.

An op that is not in the table is there all the same, because mmcv asks for every op while it is
imported; calling it raises :class:`zoo.errors.UnsupportedOpError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from zoo.ops.nms import nms
from zoo.ops.roi_align import roi_align_backward, roi_align_forward
from zoo.ops.unsupported import UnsupportedOp

__all__ = [
    "KERNELS",
    "find_kernel",
    "get_compiler_version",
    "get_compiling_cuda_version",
]


def get_compiler_version() -> str:
    """Return what mmengine's environment report shows as mmcv's compiler."""
    return "none (zoo.ops)"


def get_compiling_cuda_version() -> str:
    """Return what mmengine's environment report shows as mmcv's CUDA."""
    return "none (zoo.ops)"


KERNELS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
        "nms": nms,
        "roi_align_backward": roi_align_backward,
        "roi_align_forward": roi_align_forward,
        "get_compiler_version": get_compiler_version,
        "get_compiling_cuda_version": get_compiling_cuda_version,
    }
)
"""mmcv's name of a kernel -> its stand-in."""


def find_kernel(name: str) -> Callable[..., Any]:
    """Return the stand-in named ``name``, or one that raises when called.

    Args:
        name: mmcv's name of a kernel.

    Raises:
        AttributeError: ``name`` starts with an underscore: Python's own look-up, not a kernel.
    """
    if name.startswith("_"):
        message = f"module 'mmcv._ext' has no attribute {name!r}"
        raise AttributeError(message)
    return KERNELS.get(name) or UnsupportedOp(name)
