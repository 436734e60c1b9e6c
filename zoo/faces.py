# SPDX-License-Identifier: Apache-2.0
"""Package attributes that are imported on first use.

This replaces ``lazy_loader``, which imports ``ast`` and ``inspect`` or needs a stub file for each
package; ``import zoo`` must stay cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package that imports its names on first use.

    Type checkers read the imports under ``if TYPE_CHECKING``; a test checks that both agree.

    Args:
        package: ``__name__`` of the package.
        homes: Module -> the names that it defines.

    Source:
        PEP 562.
    """
    places = {name: module for module, names in homes.items() for name in names}

    def find(name: str) -> object:
        if name not in places:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        return getattr(import_module(places[name]), name)

    def names() -> list[str]:
        from sys import modules

        return sorted({*vars(modules[package]).get("__all__", ()), *places})

    return find, names
