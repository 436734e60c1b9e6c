# SPDX-License-Identifier: Apache-2.0
"""Names that a package gives and imports when they are first used.

Written here, not taken from ``lazy_loader``: ``import zoo`` costs the standard library alone, and
that one imports ``ast`` and ``inspect``, or wants a stub beside each package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

__all__ = ["lazy_names"]


def lazy_names(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` of a package whose names are imported when used.

    Type checkers read the imports under ``if TYPE_CHECKING``; a test holds the two to each other.

    Args:
        package: Its ``__name__``.
        homes: Module -> the names that it holds.

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
