# SPDX-License-Identifier: Apache-2.0
"""The table of stand-ins: what ``mmcv._ext`` offers where no compiled mmcv is installed.

An op that is not in the table is there all the same, because mmcv asks for every op while it is
imported; calling it raises :class:`zoo.errors.UnsupportedOpError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from zoo.ops.deformable_attention import ms_deform_attn_backward, ms_deform_attn_forward
from zoo.ops.focal_loss import sigmoid_focal_loss_backward, sigmoid_focal_loss_forward
from zoo.ops.nms import nms
from zoo.ops.roi_align import roi_align_backward, roi_align_forward
from zoo.ops.soft_nms import nms_match, softnms
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
        kernel.__name__: kernel
        for kernel in (
            get_compiler_version,
            get_compiling_cuda_version,
            ms_deform_attn_backward,
            ms_deform_attn_forward,
            nms,
            nms_match,
            roi_align_backward,
            roi_align_forward,
            sigmoid_focal_loss_backward,
            sigmoid_focal_loss_forward,
            softnms,
        )
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
