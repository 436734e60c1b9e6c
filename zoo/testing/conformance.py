# SPDX-License-Identifier: Apache-2.0
"""The base class of a plugin's conformance test."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import pytest

from zoo.catalog import forget_catalog, read_catalog
from zoo.checking.kinds.kit import Kit, is_of_the_kit
from zoo.checking.kinds.rows import rows_of_rule
from zoo.errors import ManifestError
from zoo.manifest.reading import MANIFEST_NAME

__all__ = ["PluginConformance"]


class PluginConformance(Kit):
    """Checks that every plugin must pass. Subclass it, set ``plugin``, and run pytest.

    Each rule is one test per row that it applies to, named after the row; rules without rows are
    not collected. Provide what cannot be guessed with the attributes below, and by overriding
    ``make_fake_data``, ``make_inputs``, ``make_results`` and ``make_predictions``.

    Attributes:
        plugin: Name of the plugin. Its package is next to the folder of the test, or is
            installed.
        settings: Name of a contribution -> list of variants of its arguments; without an entry it
            is built without arguments.
        mask_settings: The same for losses of mmdet mask heads.
        sample_count: Number of images in the fake data.
        shares: Split of the fake data.
        prepare_options: Keywords for the prepare target, by name of the data set.

    Example:
        >>> class TestConformance(PluginConformance):  # doctest: +SKIP
        ...     plugin = "my_thing"
        ...     settings = {"TwoSidedLoss": [{}, {"margin": 0.5}]}
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "plugin" not in vars(cls):
            return
        subject = cls()
        for name in dir(cls):
            rule = getattr(cls, name)
            if is_of_the_kit(rule) and any(
                not rows for rows in rows_of_rule(subject, rule).values()
            ):
                # Not collected: a test without rows would pass and prove nothing.
                setattr(cls, name, None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each rule of the kit with its rows.

        Args:
            metafunc: A rule of the kit, or a test that the author added.
        """
        if not is_of_the_kit(metafunc.function):
            return
        for argument, rows in rows_of_rule(self, metafunc.function).items():
            params = [pytest.param(value, id=name) for name, value in rows]
            metafunc.parametrize(argument, params)

    @pytest.fixture(autouse=True)
    def _in_the_catalog(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Make the catalog find the plugin even if it is not installed."""
        if self.plugin not in [record.name for record in read_catalog().plugins]:
            folders = [str(self.manifest_path.parent.parent), os.environ.get("ZOO_PLUGIN_PATH")]
            monkeypatch.setenv("ZOO_PLUGIN_PATH", os.pathsep.join(filter(None, folders)))
            forget_catalog()
        yield
        forget_catalog()

    @property
    def manifest_path(self) -> Path:
        """Return the plugin's manifest."""
        return _find_manifest(type(self))

    def fail(self, message: str) -> NoReturn:
        """End a test that does not hold.

        Args:
            message: What was found, and what was expected.
        """
        pytest.fail(message)


def _find_manifest(cls: type[PluginConformance]) -> Path:
    package = f"zoo_{cls.plugin}"
    test_file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    folders = list(Path(test_file).resolve().parents[:3]) if test_file else []
    for folder in folders:
        for candidate in (folder / package, folder):
            if candidate.name in (package, cls.plugin) and (candidate / MANIFEST_NAME).is_file():
                return candidate / MANIFEST_NAME
    spec = find_spec(package)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        return Path(place) / MANIFEST_NAME
    message = f"cannot test plugin {cls.plugin!r}: no package {package} beside {test_file}."
    hint = f"put the test into the folder tests/ beside {package}/, or install the plugin."
    raise ManifestError(message, plugin=cls.plugin, where=test_file, hint=hint)
