# SPDX-License-Identifier: Apache-2.0
"""The base class of a plugin's conformance test."""

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
from zoo.testing.commands import CommandChecks
from zoo.testing.datasets import DatasetChecks
from zoo.testing.hooks import HookChecks
from zoo.testing.losses import LossChecks
from zoo.testing.metrics import MetricChecks
from zoo.testing.rows import rows_of_rule
from zoo.testing.transforms import TransformChecks

__all__ = ["PluginConformance"]


class PluginConformance(
    CommandChecks, DatasetChecks, HookChecks, LossChecks, MetricChecks, TransformChecks
):
    """Checks that every plugin must pass. Subclass it, set ``plugin``, and run pytest.

    Each rule is one test per row that it applies to, named after the row; rules without rows are
    not collected. Provide what cannot be guessed with the attributes below, and by overriding
    ``make_fake_data``, ``make_results`` and ``make_predictions``.

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
            if _is_of_the_kit(rule) and any(
                not rows for rows in rows_of_rule(subject, rule).values()
            ):
                # Not collected: a test without rows would pass and prove nothing.
                setattr(cls, name, None)

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Parametrize each rule of the kit with its rows.

        Args:
            metafunc: A rule of the kit, or a test that the author added.
        """
        if not _is_of_the_kit(metafunc.function):
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

    def record(self) -> PluginRecord:
        """Return the plugin under test, found by this test and not by the catalog."""
        manifest = read_manifest(self.manifest_path)
        return PluginRecord(self.plugin, manifest, self.manifest_path, "ZOO_PLUGIN_PATH")

    def rows_of(self, kind: str) -> list[Contribution]:
        """Return the manifest's rows of one kind.

        Args:
            kind: A key of `zoo.manifest.kinds.KINDS`, such as ``loss``.
        """
        return [row for row in self.record().checked().contributions if row.kind == kind]

    def type_of(self, row: Contribution) -> str:
        """Return the full name that configs write.

        Args:
            row: A row of the manifest.
        """
        return f"zoo.{self.plugin}.{row.name}"

    def variants_of(self, row: Contribution) -> list[dict[str, Any]]:
        """Return the configs that build a contribution, one per variant in ``settings``.

        Args:
            row: A row of the manifest.
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
        """A file in the package exists and agrees with its row."""
        check_weights_row(self.record(), each_weights)

    def test_requirements_are_met(self) -> None:
        """The catalog finds the plugin, and nothing that it requires is missing."""
        from zoo.manifest.requirements import check_requirements

        manifest = read_catalog().plugin(self.plugin).checked()

        check_requirements(manifest.requires, plugin=self.plugin, manifest=manifest.path)

    def test_targets_fit_their_protocols(self, each_target: Target) -> None:
        """Every target can be imported and implements its Protocol in ``zoo.interfaces``."""
        check_target(self.record(), each_target)

    def test_package_when_imported_brings_zoo_and_nothing_heavy(self) -> None:
        """Spawned workers import the package first, so it must install zoo's finder cheaply."""
        package = self.record().checked().package
        code = (
            f"import sys; sys.path.append({str(self.manifest_path.parent.parent)!r}); "
            f"import {package}; print('zoo' in sys.modules, 'torch' in sys.modules)"
        )

        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)  # noqa: S603

        assert run.stdout.split() == ["True", "False"], run.stderr

    def test_types_resolve_in_mmengine(self, each_contribution: Contribution) -> None:
        """``zoo.<plugin>.<Name>`` resolves to the target in mmengine's root registry."""
        root = pytest.importorskip("mmengine.registry")
        attribute = KINDS[each_contribution.kind].registry
        if not attribute:
            pytest.skip(f"zoo itself looks up the kind {each_contribution.kind}")
        registry = getattr(root, attribute)

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
