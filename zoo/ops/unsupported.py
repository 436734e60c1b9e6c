# SPDX-License-Identifier: Apache-2.0
"""What stands for a kernel that has no stand-in: it can be imported, not called."""

from __future__ import annotations

from typing import Any, NoReturn

from zoo.errors import UnsupportedOpError

__all__ = ["COMPILED_HINT", "UnsupportedOp"]

COMPILED_HINT = (
    "use the maintained forks with mmcv compiled: pip install --no-build-isolation onedl-mmcv "
    "(needs torch, a C++ compiler and about 20 minutes); docs/upstream.md has the steps."
)


class UnsupportedOp:
    """A kernel of compiled mmcv without a stand-in.

    Args:
        name: mmcv's name of the kernel, such as ``deform_conv_forward``.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raise UnsupportedOpError naming the kernel."""
        message = f"cannot run mmcv's op {self.name!r}: zoo has no replacement for it."
        raise UnsupportedOpError(message, op=self.name, hint=COMPILED_HINT)

    def __repr__(self) -> str:
        return f"UnsupportedOp({self.name!r})"
