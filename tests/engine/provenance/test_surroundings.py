# SPDX-License-Identifier: Apache-2.0
"""What is installed, as ``importlib.metadata`` says it, and without a word of what is damaged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from zoo.engine.provenance import surroundings


def test_packages_are_those_of_importlib() -> None:
    """Each imported distribution with its version, by the standard library's own table."""
    owners = metadata.packages_distributions()
    loaded = {name.partition(".")[0] for name in sys.modules}
    expected = {name for module in loaded for name in owners.get(module, ())}

    found = surroundings.describe_packages(surroundings.find_owners())

    assert found.pop("python") == ".".join(map(str, sys.version_info[:3]))
    assert found == {name: metadata.version(name) for name in expected}


_DAMAGES: dict[str, Callable[[Path], object]] = {
    "no METADATA": lambda folder: (folder / "METADATA").unlink(),
    "empty METADATA": lambda folder: (folder / "METADATA").write_text(""),
    "METADATA without a version": lambda folder: (folder / "METADATA").write_text("Name: broken"),
    "METADATA that is no text": lambda folder: (folder / "METADATA").write_bytes(b"\xff\xfe\0"),
    "RECORD that is no text": lambda folder: (folder / "RECORD").write_bytes(b"\xff\xfe\0"),
    "RECORD of one empty name": lambda folder: (folder / "RECORD").write_text(",,\n/,,\n.py,,\n"),
    "top level that is no text": lambda folder: (folder / "top_level.txt").write_bytes(b"\xff"),
    "no file at all": lambda folder: [each.unlink() for each in folder.iterdir()],
}


@pytest.mark.parametrize("damage", _DAMAGES)
def test_damaged_distribution_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    """As an interrupted ``pip`` leaves it: first on the path, and all others are still told."""
    expected = surroundings.describe_packages(surroundings.find_owners())
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "RECORD").write_text("torch/broken.py,,\n")
    _DAMAGES[damage](folder)
    monkeypatch.syspath_prepend(str(tmp_path))

    found = surroundings.describe_packages(surroundings.find_owners())

    assert {name: found[name] for name in expected} == expected


def test_module_that_is_imported_later_is_told_from_the_same_table(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The table of what is installed is made once a run; what is loaded is asked again."""
    owners = {"made_up": {"made-up": "1.0"}}

    before = surroundings.describe_packages(owners)
    monkeypatch.setitem(sys.modules, "made_up.part", sys)

    assert list(before) == ["python"]
    assert surroundings.describe_packages(owners) == before | {"made-up": "1.0"}
