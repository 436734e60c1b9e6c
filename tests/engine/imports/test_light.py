# SPDX-License-Identifier: Apache-2.0
"""Light imports: the same classes, fewer modules, and nothing different afterwards."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

FORK = "onedl-mmengine"
pytestmark = [
    pytest.mark.mm,
    pytest.mark.slow,
    # Their sources are others, so that everything is imported.
    pytest.mark.skipif(
        any(distributions(name=FORK)), reason=f"the map is of OpenMMLab's own packages, not {FORK}"
    ),
]

HARNESS = Path(__file__).with_name("light_harness.py")
TOOL = Path(__file__).resolve().parents[3] / "tools" / "type_modules.py"


def run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(HARNESS), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return report


@functools.cache
def upstream() -> dict[str, Any]:
    return run("registries")


def test_map_of_types_is_what_upstream_registers() -> None:
    """The file in the repository is the one that the tool writes of the pinned versions."""
    done = subprocess.run(
        [sys.executable, str(TOOL), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr


def test_every_type_that_is_imported_lightly_is_upstreams_class() -> None:
    """In any order, and for other threads; nothing is registered twice."""
    report = run("types", "1")

    assert report["count"] > 500
    assert report["wrong"] == []
    assert report["was_light"]


@pytest.mark.parametrize(
    ("types", "light"),
    [
        (["mmseg.EncoderDecoder", "mmseg.UNet", "mmseg.FCNHead"], []),
        pytest.param(
            ["mmdet.MaskRCNN", "mmseg.Mask2FormerHead", "mmengine.BN"],
            ["mmdet", "matplotlib"],
            marks=pytest.mark.release,
        ),
    ],
    ids=["semantic", "instance first"],
)
def test_registries_after_light_imports_are_complete(types: list[str], light: list[str]) -> None:
    """Whoever imports OpenMMLab afterwards has all that a process without light imports has."""
    report = run("registries", *types)

    assert set(report["light"]) <= set(light)
    assert report["registries"] == upstream()["registries"]
    assert report["packages"] == upstream()["packages"]
    assert report["lazy"] == []


def test_a_clone_with_modules_of_its_own_has_no_map(tmp_path: Path) -> None:
    """One file more, or one of another size: its types are not the map's, so all is imported."""
    package = tmp_path / "mmseg"
    package.mkdir()
    package.joinpath("__init__.py").write_text('"""Mine."""\n')
    code = (
        "import sys; from zoo.engine.imports.type_modules import find_type_modules as find\n"
        "there = find() is not None; find.cache_clear(); sys.path.insert(0, sys.argv[1])\n"
        "print(there, find() is None)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "True"]
