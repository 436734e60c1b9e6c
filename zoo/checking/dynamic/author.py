# SPDX-License-Identifier: Apache-2.0
"""The checks of a plugin's rows, with the settings that its author states in a test."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from typing import Any

from zoo.checking.kinds.kit import Kit
from zoo.checking.source.places import text_of
from zoo.checking.subject import Subject

__all__ = ["find_author_tests", "kit_of", "load_kits", "plain_kit"]

_MARK = "zoo.testing"


def plain_kit(subject: Subject) -> Kit:
    """Return the checks of a plugin without anything that its author states.

    Args:
        subject: The plugin.
    """
    path = property(lambda self: subject.manifest_path)
    kit: Kit = type("PlainKit", (Kit,), {"plugin": subject.name, "manifest_path": path})()
    return kit


def kit_of(subject: Subject) -> Kit:
    """Return the checks of a plugin: its author's class if a test has one that can be imported.

    Args:
        subject: The plugin.
    """
    for path in find_author_tests(subject):
        try:
            found = load_kits(path, subject.name)
        except Exception:  # noqa: BLE001, S112 - a rule of its own tells it
            continue
        if found:
            return found[0]
    return plain_kit(subject)


def find_author_tests(subject: Subject) -> list[Path]:
    """Return the files of a project's tests that use the conformance kit.

    Args:
        subject: The plugin.
    """
    if subject.project is None:
        return []
    files = sorted((subject.project / "tests").rglob("test_*.py"))
    return [path for path in files if _MARK in text_of(path)]


@cache
def load_kits(path: Path, plugin: str) -> tuple[Kit, ...]:
    """Import an author's test, and return the checks in it that are of one plugin.

    Args:
        path: The test.
        plugin: Name of the plugin.

    Raises:
        Exception: Whatever the test raises.
    """
    name = f"zoo_author_of_{plugin}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return ()
    module: Any = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # as pytest does, for modules beside the test
    try:
        spec.loader.exec_module(module)
    except SystemExit as stop:
        message = f"it ends the program with {stop.code}"
        raise ImportError(message) from stop
    classes = [value for value in vars(module).values() if isinstance(value, type)]
    found = [each for each in classes if issubclass(each, Kit) and _of(each) == plugin]
    return tuple(each() for each in found)


def _of(kit: type[Kit]) -> str:
    return str(getattr(kit, "plugin", ""))
