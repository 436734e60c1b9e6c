# SPDX-License-Identifier: Apache-2.0
"""Take types from registries only, while a model from an outside record is built or run.

mmengine treats a name that no registry has as an import path (``get_object_from_string``), and it
imports ``<scope>.registry`` for whatever precedes a dot. So a string that reaches a registry is
code, wherever in upstream it comes from.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from zoo.engine.patching import exchanged, freeing_managers

__all__ = ["registries_alone"]

# The packages whose registries a record may name, and what they import to fill them.
_PACKAGES = frozenset({"mmengine", "mmcv", "mmseg", "mmdet", "zoo"})
_LOCK = threading.Lock()
_PATCHES = ExitStack()
_USERS = 0


@contextmanager
def registries_alone() -> Iterator[None]:
    """Accept only types that are entries of a registry of OpenMMLab's or a plugin's.

    The rule applies to the whole process until the last block ends: a model may start threads,
    and workers that are forked meanwhile inherit the rule. A dotted type of a config that another
    thread builds at the same time is refused too, as unknown.
    """
    global _USERS
    with _LOCK:
        if _USERS == 0:
            _close_imports(_PATCHES)
        _USERS += 1
    try:
        with freeing_managers():
            yield
    finally:
        with _LOCK:
            _USERS -= 1
            if _USERS == 0:
                _PATCHES.close()


def _close_imports(stack: ExitStack) -> None:
    from mmengine.registry import registry

    stack.enter_context(
        exchanged(
            registry,
            get_object_from_string=_find_nothing,
            import_module=_only_known(registry.import_module),
        )
    )


def _find_nothing(_: str) -> None:
    """Replace mmengine's import of a dotted name; None means "not in the registry"."""


def _only_known(import_module: Callable[..., ModuleType]) -> Callable[..., ModuleType]:
    def import_known(name: str, *rest: Any) -> ModuleType:
        if name.partition(".")[0] not in _PACKAGES:
            message = f"a record may not import {name!r}"
            raise ModuleNotFoundError(message, name=name)
        return import_module(name, *rest)

    return import_known
