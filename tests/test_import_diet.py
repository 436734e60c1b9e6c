# SPDX-License-Identifier: Apache-2.0
"""What a listing imports, seen from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    *("torch", "mmengine", "mmcv", "mmseg", "mmdet", "numpy", "cv2", "pydantic", "yaml", "rich"),
    *("requests", "platformdirs", "filelock", "packaging", "multiprocessing", "email", "asyncio"),
}
ROOT = Path(__file__).resolve().parent.parent


def imported_by(code: str) -> set[str]:
    """Run code in a new interpreter and return the top-level modules that it left imported."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    run = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    return set(run.stderr.splitlines()[-1].split())


def run_cli(*arguments: str) -> str:
    return (
        f"import sys; sys.argv = ['zoo', *{arguments!r}]\n"
        "from zoo.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code, stop.code"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("list",),
        ("list", "--legacy"),
        ("plugin", "list"),
        ("config", "list"),
        ("data", "list"),
        ("--help",),
    ],
    ids=" ".join,
)
def test_listing_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert imported_by(run_cli(*arguments)) & HEAVY == set()


def test_import_of_zoo_brings_the_standard_library_alone() -> None:
    before = imported_by("pass")
    found = imported_by("import zoo") - before - {"zoo"}

    assert {name for name in found if name not in sys.stdlib_module_names} == set()


def test_import_of_the_catalog_brings_no_network_and_no_metadata() -> None:
    """importlib.metadata takes 30 ms to import, a fifth of what ``zoo list`` may take."""
    code = "from zoo.catalog import read_catalog; read_catalog(); import sys\n"
    code += "assert 'importlib.metadata' not in sys.modules"

    assert imported_by(code) & {"socket", "http", "ssl"} == set()


def test_names_that_zoo_exports_are_imported_when_used() -> None:
    assert "tomllib" not in imported_by("import zoo")
    assert "tomllib" in imported_by("import zoo; zoo.read_catalog()")
