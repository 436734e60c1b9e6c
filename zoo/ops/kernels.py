# SPDX-License-Identifier: Apache-2.0
"""The table of stand-ins: what ``mmcv._ext`` offers where no compiled mmcv is installed.

An op that is not in the table is there all the same, because mmcv asks for every op while it is
imported; calling it raises :class:`zoo.errors.UnsupportedOpError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NoReturn

from zoo.errors import UnsupportedOpError

__all__ = ["KERNELS", "UnsupportedOp", "find_kernel"]

_HINT = (
    "install a compiled mmcv in place of mmcv-lite: pip uninstall mmcv-lite, then "
    "pip install --no-build-isolation mmcv==2.1.0 (needs a C++ compiler and takes 20 minutes)"
)


class UnsupportedOp:
    """A kernel of compiled mmcv without a stand-in: can be imported, not called.

    Args:
        name: mmcv's name of the kernel, such as ``deform_conv_forward``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise UnsupportedOpError naming the kernel."""
        message = f"cannot run mmcv's op {self.name!r}: zoo has no stand-in for it."
        raise UnsupportedOpError(message, op=self.name, hint=_HINT)

    def __repr__(self) -> str:
        return f"UnsupportedOp({self.name!r})"


def get_compiler_version() -> str:
    """Return what mmengine's environment report shows as mmcv's compiler."""
    return "none (zoo.ops)"


def get_compiling_cuda_version() -> str:
    """Return what mmengine's environment report shows as mmcv's CUDA."""
    return "none (zoo.ops)"


KERNELS: Mapping[str, Callable[..., Any]] = MappingProxyType(
    {
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
