"""Packages that are imported without their ``__init__`` for a while."""

import gc
import sys
from itertools import count
from types import ModuleType

from zoo.engine.imports.lazy_packages import LazyFinder


def test_finder_closes_while_another_import_adds_modules() -> None:
    """A finalizer, or another thread, may import a module at any moment of ``close``."""
    before = set(sys.modules)
    # more modules than Python keeps spare pairs for, so that listing them collects garbage
    sys.modules.update({f"one_of_many_{n}": ModuleType("one") for n in range(4000)})
    numbers = count()

    def add_module(phase: str, info: dict[str, int]) -> None:
        name = f"added_by_a_finalizer_{next(numbers)}"
        sys.modules[name] = ModuleType(name)

    finder = LazyFinder((), after_import=lambda module: None, give_up=lambda: None)
    finder.open()
    threshold = gc.get_threshold()
    gc.callbacks.append(add_module)
    gc.set_threshold(1)
    try:
        finder.close()
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(add_module)
        for name in set(sys.modules) - before:
            del sys.modules[name]
    assert next(numbers) > 0
    assert finder not in sys.meta_path
