# SPDX-License-Identifier: Apache-2.0
"""``make test-pythons`` starts: its tests are collected where only its packages are installed."""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = {
    "torch": "torch",
    "mmengine": "mmengine",
    "mmcv": "mmcv-lite",
    "mmseg": "mmsegmentation",
    "mmdet": "mmdet",
}
ENVIRON = {
    name: value
    for name, value in os.environ.items()
    if not name.startswith(("PYTEST_", "PYTHON", "MAKE"))
}


def _words_of(variable: str) -> list[str]:
    """Return what a variable of the Makefile holds."""
    show = f"show: ; @echo '$({variable})'"
    done = subprocess.run(
        ["make", "--silent", f"--eval={show}", "show"],
        cwd=ROOT,
        env=ENVIRON,
        capture_output=True,
        text=True,
        check=True,
    )
    return shlex.split(done.stdout)


def _with_requirements(names: list[str]) -> set[str]:
    """Return the distributions that pip installs for some, without any extra."""
    found: set[str] = set()
    left = [Requirement(name) for name in names]
    while left:
        wanted = left.pop()
        name = canonicalize_name(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found.add(name)
        left += map(Requirement, distribution(name).requires or ())
    return found


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make an environment of this one's packages, of those only that ``make test-pythons`` has."""
    folder = tmp_path_factory.mktemp("without_torch")
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    for name in _with_requirements(["mmzoo", "setuptools", *_words_of("BESIDE_ZOO")]):
        here = distribution(name)
        tops = {file.parts[0] for file in here.files or ()} - {"..", "__pycache__"}
        for top in tops:
            if not (site / top).exists():
                (site / top).symlink_to(str(here.locate_file(top)))
    return folder / "bin" / "python"


def test_environment_has_zoo_and_lacks_torch_and_openmmlab(python: Path) -> None:
    """Neither their modules are found, nor what pip leaves beside these."""
    code = f"""import zoo
from importlib.metadata import distributions
from importlib.util import find_spec
hidden = {HIDDEN}
assert [module for module in hidden if find_spec(module)] == []
names = {{each.name for each in distributions()}}
assert names.isdisjoint(hidden.values()), names
assert "mmzoo" in names
"""
    done = subprocess.run([python, "-c", code], env=ENVIRON, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr


def test_tests_without_torch_are_collected_without_torch(python: Path) -> None:
    """No module imports, or asks the version of, what those environments lack."""
    paths = _words_of("WITHOUT_TORCH")
    command = [python, "-m", "pytest", "--collect-only", "-qq", "-p", "no:cacheprovider"]

    done = subprocess.run(
        [*command, "-m", "not slow and not mm", *paths],
        cwd=ROOT,
        env=ENVIRON,
        capture_output=True,
        text=True,
    )

    assert len(paths) > 10
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
