# SPDX-License-Identifier: Apache-2.0
"""timm itself as the oracle: the files of its networks, without its data sets and torchvision."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SOURCES = Path(sys.prefix) / "oracles" / "timm"
MODULES = ("efficientnet", "resnet", "swin_transformer")
STUBS = ("torchvision", "torchvision.ops", "torchvision.ops.misc")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute alone: on a busy machine, threads wait for each other longer than they compute."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def timm() -> Iterator[Callable[..., Any]]:
    """Return a function that builds a network by its module and name, with random weights.

    The packages are entered without their ``__init__``, which imports hundreds of networks.
    """
    pytest.importorskip("torch")
    if not (SOURCES / "timm" / "__init__.py").is_file():
        pytest.skip("timm's sources are missing: python tools/oracles.py")
    for name in ("timm", "timm.models", "timm.data"):
        package = ModuleType(name)
        package.__path__ = [str(SOURCES / name.replace(".", "/"))]
        sys.modules[name] = package
    vars(sys.modules["timm"])["__version__"] = "unknown"
    constants = importlib.import_module("timm.data.constants")
    vars(sys.modules["timm.data"]).update(vars(constants))
    with without_torchvision():
        modules = {name: importlib.import_module(f"timm.models.{name}") for name in MODULES}

    yield lambda module, name, **changes: getattr(modules[module], name)(**changes)

    for name in [name for name in sys.modules if name.partition(".")[0] == "timm"]:
        del sys.modules[name]


@contextmanager
def without_torchvision() -> Iterator[None]:
    """Stand in for the one class of torchvision that timm's layers import, and do not use here."""
    before = {name: sys.modules.get(name) for name in STUBS}
    sys.modules.update({name: ModuleType(name) for name in STUBS})
    vars(sys.modules[STUBS[-1]])["FrozenBatchNorm2d"] = type("FrozenBatchNorm2d", (), {})
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
