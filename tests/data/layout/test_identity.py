# SPDX-License-Identifier: Apache-2.0
"""The identity of a data set from the manifest of its plugin."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.data import DatasetIdentity
from zoo.errors import ManifestError, UnknownNameError, ZooError

HEADER = '[plugin]\nname = "ponds"\nversion = "2.3.4"\n'
ROW = '[[dataset]]\nname = "PondDataset"\n'


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an importable package zoo_ponds that fails if anyone imports it."""
    folder = tmp_path / "zoo_ponds"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise RuntimeError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def test_of_when_the_manifest_states_a_version_returns_it_and_imports_nothing(
    package: Path,
) -> None:
    """The package is found and not imported: its ``__init__`` raises."""
    (package / "zoo_plugin.toml").write_text(HEADER + ROW)

    found = DatasetIdentity.of("ponds", "PondDataset")

    assert found == DatasetIdentity("ponds", "PondDataset", "2.3.4")


@pytest.mark.parametrize(
    ("manifest", "kind", "part"),
    [
        (None, ManifestError, "its package has no zoo_plugin.toml"),
        ("", ManifestError, "no [plugin] version"),
        ("plugin = 1", ManifestError, "no [plugin] version"),
        ("[plugin]\nversion = 1.5\n", ManifestError, "version 1.5, expected a text"),
        ("[plugin", ManifestError, "its manifest is not valid TOML"),
        (HEADER, UnknownNameError, "no such dataset row"),
        ("dataset = 7\n" + HEADER, UnknownNameError, "no such dataset row"),
        (HEADER + "[[dataset]]\nname = 3\n", UnknownNameError, "no such dataset row"),
        (HEADER + ROW.replace("Pond", "Pnod"), UnknownNameError, "no such dataset row"),
    ],
)
def test_of_when_the_manifest_breaks_a_rule_says_which(
    package: Path, manifest: str | None, kind: type[ZooError], part: str
) -> None:
    if manifest is not None:
        (package / "zoo_plugin.toml").write_text(manifest)

    with pytest.raises(kind) as caught:
        DatasetIdentity.of("ponds", "PondDataset")

    assert part in caught.value.message
    assert caught.value.hint


def test_of_when_the_row_is_mistyped_names_the_near_one(package: Path) -> None:
    (package / "zoo_plugin.toml").write_text(HEADER + ROW)

    with pytest.raises(UnknownNameError) as caught:
        DatasetIdentity.of("ponds", "PondDatset")

    assert caught.value.near == ("PondDataset",)
    assert caught.value.hint == "did you mean PondDataset?"


@pytest.mark.parametrize("plugin", ["no_such_plugin", "a.b", "", "x y"])
def test_of_when_no_package_is_there_says_so(plugin: str) -> None:
    with pytest.raises(ManifestError, match="can be imported"):
        DatasetIdentity.of(plugin, "X")


def test_of_when_called_costs_no_catalog(package: Path) -> None:
    """Neither the catalog nor a third-party package is imported for one line of a file."""
    (package / "zoo_plugin.toml").write_text(HEADER + ROW)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from zoo.data import DatasetIdentity; "
        "DatasetIdentity.of('ponds', 'PondDataset'); import json; print(json.dumps(sorted("
        "{'zoo.catalog', 'zoo.manifest', 'numpy', 'cv2', 'packaging'} & set(sys.modules))))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, package.parent], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout) == []
