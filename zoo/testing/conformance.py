# SPDX-License-Identifier: Apache-2.0
"""The class that a plugin's conformance test inherits from."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import PluginRecord, forget_catalog, read_catalog
from zoo.errors import ManifestError
from zoo.loading import load_target
from zoo.manifest.kinds import KINDS
from zoo.manifest.reading import MANIFEST_NAME, read_manifest
from zoo.manifest.rows import Contribution, WeightsRow
from zoo.testing.checks import Target, check_pyproject, check_target, check_weights_row
from zoo.testing.datasets import DatasetChecks
from zoo.testing.hooks import HookChecks
from zoo.testing.losses import LossChecks
from zoo.testing.metrics import MetricChecks
from zoo.testing.rows import rows_of_rule
from zoo.testing.transforms import TransformChecks

__all__ = ["PluginConformance"]


class PluginConformance(DatasetChecks, HookChecks, LossChecks, MetricChecks, TransformChecks):
    """Checks that every plugin must pass; inherit, set ``plugin``, and pytest runs them.

    Each rule is one test for each row that it is about, named by the row; rules without a row are
    not collected. What cannot be guessed is given by the attributes below, and by overriding
    ``make_fake_data``, ``make_results`` and ``make_predictions``.

    Attributes:
        plugin: The plugin's name. Its package lies beside the folder of the test, or is
            installed.
        settings: Arguments to build contributions with, by name, each a list of variants; where a
            name is missing it is built without any.
        mask_settings: The same for losses that are meant for mmdet's mask heads.
        sample_count: How many images the fake data has.
        shares: How the fake data is split.
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
            if _is_of_the_kit(rule) and any(
                not rows for rows in rows_of_rule(subject, rule).values()
            ):
                # Not collected: a test of no row would pass, and show nothing.
                setattr(cls, name, None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Make each rule of the kit a test for each of its rows, named by the row.

        Args:
            metafunc: Of a test, a rule or one that the author added.
        """
        if not _is_of_the_kit(metafunc.function):
            return
        for argument, rows in rows_of_rule(self, metafunc.function).items():
            params = [pytest.param(value, id=name) for name, value in rows]
            metafunc.parametrize(argument, params)

    @pytest.fixture(autouse=True)
    def _in_the_catalog(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Let the catalog find the plugin, also where it is neither installed nor dropped in."""
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

    def record(self) -> PluginRecord:
        """Return the plugin under test, found by this test rather than by the catalog."""
        manifest = read_manifest(self.manifest_path)
        return PluginRecord(self.plugin, manifest, self.manifest_path, "ZOO_PLUGIN_PATH")

    def rows_of(self, kind: str) -> list[Contribution]:
        """Return the manifest's rows of one kind.

        Args:
            kind: As ``loss`` or ``dataset``; see `zoo.manifest.kinds.KINDS`.
        """
        return [row for row in self.record().checked().contributions if row.kind == kind]

    def type_of(self, row: Contribution) -> str:
        """Return the full name that configs write.

        Args:
            row: Of the plugin's manifest.
        """
        return f"zoo.{self.plugin}.{row.name}"

    def variants_of(self, row: Contribution) -> list[dict[str, Any]]:
        """Return configs that build a contribution, one for each of its settings.

        Args:
            row: Of the plugin's manifest.
        """
        variants = self.settings.get(row.name) or [{}]
        return [{"type": self.type_of(row), **settings} for settings in variants]

    def test_manifest_holds(self) -> None:
        """The manifest breaks no rule and names this plugin."""
        manifest = read_manifest(self.manifest_path)

        assert manifest.plugin == self.plugin

    def test_manifest_agrees_with_pyproject(self) -> None:
        """Version and entry point are the same in both files."""
        check_pyproject(read_manifest(self.manifest_path))

    def test_weights_rows_agree_with_their_files(self, each_weights: WeightsRow) -> None:
        """A file that a row names inside the package is there, and says what the row says."""
        check_weights_row(self.record(), each_weights)

    def test_requirements_are_met(self) -> None:
        """The catalog finds the plugin, and nothing that it requires is missing."""
        from zoo.manifest.requirements import check_requirements

        manifest = read_catalog().plugin(self.plugin).checked()

        check_requirements(manifest.requires, plugin=self.plugin, manifest=manifest.path)

    def test_targets_fit_their_protocols(self, each_target: Target) -> None:
        """Every target can be imported, and has what ``zoo.interfaces`` demands."""
        check_target(self.record(), each_target)

    def test_package_when_imported_brings_zoo_and_nothing_heavy(self) -> None:
        """Spawned workers import the package first: it installs zoo's finder, cheaply."""
        package = self.record().checked().package
        code = (
            f"import sys; sys.path.append({str(self.manifest_path.parent.parent)!r}); "
            f"import {package}; print('zoo' in sys.modules, 'torch' in sys.modules)"
        )

        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # noqa: S603

        assert run.stdout.split() == ["True", "False"], run.stderr

    def test_types_resolve_in_mmengine(self, each_contribution: Contribution) -> None:
        """``zoo.<plugin>.<Name>`` gives the target itself, from mmengine's root registry."""
        root = pytest.importorskip("mmengine.registry")
        registry = getattr(root, KINDS[each_contribution.kind].registry)

        found = registry.get(self.type_of(each_contribution))

        assert found is load_target(self.record(), each_contribution.target)


def _is_of_the_kit(rule: object) -> bool:
    is_test = getattr(rule, "__name__", "").startswith("test_")
    return is_test and getattr(rule, "__module__", "").startswith("zoo.testing.")


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
