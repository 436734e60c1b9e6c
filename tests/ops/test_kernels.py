# SPDX-License-Identifier: Apache-2.0
"""The table of stand-ins, and what is not in it."""

from __future__ import annotations

import pickle

import pytest

from zoo.errors import UnsupportedOpError
from zoo.ops import KERNELS, find_kernel

pytestmark = pytest.mark.mm


def test_find_kernel_when_there_is_none_raises_on_call_naming_the_op() -> None:
    """mmcv can import every op; the message says which one is missing and how to get it."""
    kernel = find_kernel("deform_conv_forward")

    with pytest.raises(UnsupportedOpError) as caught:
        kernel(1, stride=2)

    assert caught.value.op == "deform_conv_forward"
    assert str(caught.value) == (
        "cannot run mmcv's op 'deform_conv_forward': zoo has no replacement for it.\n"
        "HINT: use the maintained forks with mmcv compiled: pip install --no-build-isolation "
        "onedl-mmcv (needs torch, a C++ compiler and about 20 minutes); docs/upstream.md has "
        "the steps."
    )


def test_find_kernel_when_asked_for_a_dunder_raises_attribute_error() -> None:
    """Python's own look-ups on the module get the usual answer."""
    with pytest.raises(AttributeError, match=r"module 'mmcv\._ext' has no attribute '__path__'"):
        find_kernel("__path__")


def test_kernels_when_pickled_come_back() -> None:
    """Models that hold a kernel can be sent to another process."""
    assert pickle.loads(pickle.dumps(KERNELS["nms"])) is KERNELS["nms"]
    assert repr(pickle.loads(pickle.dumps(find_kernel("knn")))) == "UnsupportedOp('knn')"


def test_mmcv_when_it_calls_an_op_without_stand_in_raises_ours() -> None:
    """The error reaches the user through mmcv's own wrapper."""
    import torch
    from mmcv.ops import DeformConv2d

    layer = DeformConv2d(1, 1, 3)

    with pytest.raises(UnsupportedOpError, match="'deform_conv_forward'"):
        layer(torch.zeros(1, 1, 8, 8), torch.zeros(1, 18, 6, 6))
