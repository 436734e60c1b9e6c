# SPDX-License-Identifier: Apache-2.0
"""Checks of a plugin as a whole: its manifest, what it imports, what its rows name."""

from __future__ import annotations

import re
import subprocess
import sys

from zoo.catalog import read_catalog
from zoo.checking.expecting import Broken, NotMeant, expect, needs
from zoo.checking.kinds.base import KindChecks
from zoo.checking.kinds.targets import Target, check_pyproject, check_target, check_weights_row
from zoo.checking.process_groups import run_group
from zoo.loading import load_target
from zoo.manifest.kinds import KINDS
from zoo.manifest.reading import read_manifest
from zoo.manifest.rows import Contribution, WeightsRow

__all__ = ["PackageChecks"]

IMPORT_S = 60.0
"""A Python that imports a package and does nothing else has ended by then."""

_TOLD = re.compile("(True|False) (True|False)$", re.MULTILINE)


class PackageChecks(KindChecks):
    """Checks of manifest, package, targets and weights."""

    def test_manifest_holds(self) -> None:
        """The manifest breaks no rule and names this plugin."""
        found = read_manifest(self.manifest_path).plugin

        expect(found == self.plugin, f"the manifest names {found!r}, expected {self.plugin!r}")

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
        """Importing the package imports zoo, whose finder workers need, and nothing heavy."""
        manifest = self.record().checked()
        package = manifest.package
        if not manifest.contributions:
            message = f"nothing is imported from {package}"
            raise NotMeant(message)
        code = (
            f"import sys; sys.path.append({str(self.manifest_path.parent.parent)!r}); "
            f"import {package}; print('zoo' in sys.modules, 'torch' in sys.modules, flush=True)"
        )

        run = _run_python(code, f"import {package}")

        reason = (run.stderr.strip().splitlines() or ["no message"])[-1]
        expect(run.returncode == 0, f"import {package} fails: {reason}")
        told = _TOLD.findall(run.stdout)  # the package may print too
        expect(told, f"import {package} ends Python, or closes its output")
        has_zoo, has_torch = told[-1]
        expect(has_zoo == "True", f"import {package} does not import zoo: spawned workers need it")
        expect(has_torch == "False", f"import {package} imports torch: import it in the modules")

    def test_types_resolve_in_mmengine(self, each_contribution: Contribution) -> None:
        """``zoo.<plugin>.<Name>`` resolves to the target in mmengine's root registry."""
        root = needs("mmengine.registry")
        attribute = KINDS[each_contribution.kind].registry
        if not attribute:
            message = f"zoo itself looks up the kind {each_contribution.kind}"
            raise NotMeant(message)
        registry = getattr(root, attribute)

        found = registry.get(self.type_of(each_contribution))

        wanted = load_target(self.record(), each_contribution.target)
        told = f"{self.type_of(each_contribution)} is {found!r} in mmengine, expected {wanted!r}"
        expect(found is wanted, told)


def _run_python(code: str, what: str) -> subprocess.CompletedProcess[str]:
    """Run code that a plugin may keep from ending, in a Python of its own."""
    command = [sys.executable, "-c", code]
    try:
        return run_group(command, timeout_s=IMPORT_S)
    except subprocess.TimeoutExpired as error:
        message = f"{what} does not end within {IMPORT_S:.0f} s: it waits, or what it began does"
        raise Broken(message) from error
