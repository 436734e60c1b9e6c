# SPDX-License-Identifier: Apache-2.0
"""Provides ``mmcv._ext`` from :mod:`zoo.ops` where no compiled mmcv is installed.

mmcv accesses all its kernels through that one module. This module imports only the standard
library, because ``import zoo`` runs it. torch is imported when mmcv imports ``mmcv._ext``.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # Only their shape is needed, and importlib.abc costs `zoo list` 10 ms.
    Loader = MetaPathFinder = object

__all__ = ["StandInFinder", "find_ops_source", "install"]

_NAME = "mmcv._ext"
_STAND_IN = "zoo.ops"


class StandInLoader(Loader):
    """Fills ``mmcv._ext`` with the functions of :mod:`zoo.ops`."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return None: Python's own module object will do.

        Args:
            spec: Ignored.
        """
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Import :mod:`zoo.ops` and forward every attribute of ``module`` to its kernels.

        Args:
            module: The empty ``mmcv._ext``.
        """
        kernels = importlib.import_module("zoo.ops.kernels")
        module.__doc__ = kernels.__doc__
        vars(module).update(kernels.KERNELS)
        vars(module)["__getattr__"] = kernels.find_kernel
        _follow_into_spawned_processes()


class StandInFinder(MetaPathFinder):
    """Knows one module, ``mmcv._ext``; comes last, so that a compiled one is found before it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return a spec for ``mmcv._ext`` and None for every other name.

        Args:
            fullname: Dotted name of the module to import.
            path: Ignored.
            target: Ignored.
        """
        if fullname != _NAME:
            return None
        return ModuleSpec(fullname, StandInLoader(), origin=_STAND_IN)


def install() -> None:
    """Append the finder to ``sys.meta_path``, once."""
    if not any(isinstance(finder, StandInFinder) for finder in sys.meta_path):
        sys.meta_path.append(StandInFinder())


def _follow_into_spawned_processes() -> None:
    """Make every process that is spawned from here import zoo before its arguments.

    A data set of mmdet cannot be unpickled before the finder is there, and a process spawned from
    ``python -c`` or a notebook runs no file that could import zoo. Python offers no hook for this;
    but a process's configuration is handed down, and is unpickled before its arguments, so a
    reference to a function of this module does it.
    """
    from multiprocessing import process  # 9 ms that `zoo list` shall not wait for

    configuration = vars(process.current_process()).get("_config")
    if isinstance(configuration, dict):
        configuration["zoo"] = install


def find_ops_source() -> str | None:
    """Return where mmcv's kernels come from, importing nothing.

    Returns:
        The path of the compiled extension, ``"zoo.ops"`` where mmcv has none, or None where no
        mmcv is installed.
    """
    mmcv = find_spec("mmcv")
    if mmcv is None:
        return None
    compiled = PathFinder.find_spec(_NAME, mmcv.submodule_search_locations)
    return _STAND_IN if compiled is None else compiled.origin
