# SPDX-License-Identifier: Apache-2.0
"""Where manifests are looked for, with the real functions where the fences replace them."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest

from zoo.catalog import read_catalog
from zoo.manifest import discovery
from zoo.manifest.discovery import ENTRY_POINT_GROUP, find_candidates


@pytest.fixture
def real() -> Iterator[ModuleType]:
    """Return a copy of the module that no fence has touched."""
    spec = importlib.util.find_spec("zoo.manifest.discovery")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["unfenced_discovery"] = module
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    yield module
    del sys.modules["unfenced_discovery"]


def write_distribution(folder: Path, name: str, entry_points_text: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points_text)


def test_entry_points_are_those_of_importlib_metadata(
    real: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle: what is read by hand equals what the standard library finds."""
    text = "[console_scripts]\nb = zoo_no:main\n\n[zoo.plugins]\n# a comment\nb=zoo_b\nc = zoo_c\n"
    write_distribution(tmp_path, "b", text)
    write_distribution(tmp_path, "other", "[zoo.plugins.more]\nd = zoo_d\n")
    monkeypatch.syspath_prepend(tmp_path)

    found = real._entry_point_values()

    assert found == sorted({point.value for point in entry_points(group=ENTRY_POINT_GROUP)})
    assert {"zoo_b", "zoo_c"} <= set(found)
    assert not {"zoo_d", "zoo_no:main"} & set(found)


def test_entry_points_when_one_file_is_no_text_are_those_of_the_others(
    real: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution that zoo has nothing to do with does not stop a listing."""
    write_distribution(tmp_path, "cells", "[zoo.plugins]\ncells = zoo_cells\n")
    write_distribution(tmp_path, "torn", "")
    (tmp_path / "torn-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    found = real._entry_point_values()

    assert found == ["zoo_cells"]


def test_entry_points_in_the_current_directory_are_not_found(
    real: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_distribution(tmp_path, "b", "[zoo.plugins]\nb = zoo_here\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path / "missing"), *sys.path])

    assert "zoo_here" not in real._entry_point_values()


def test_find_candidates_when_a_package_is_installed_imports_nothing(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_plugin("cells", __init__="raise RuntimeError('imported')")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", "")
    monkeypatch.syspath_prepend(package.parent)
    monkeypatch.setattr("zoo.manifest.discovery._entry_point_values", lambda: ["zoo_cells"])

    (candidate,) = find_candidates()

    assert (candidate.package, candidate.source) == ("zoo_cells", "entry point")
    assert candidate.manifest == package / "zoo_plugin.toml"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("zoo_cells.sub", "expected a top-level package, such as 'zoo_my_thing'"),
        ("zoo_cells:main", "expected a top-level package, such as 'zoo_my_thing'"),
        ("zoo_gone", "expected an installed package of that name"),
        ("__main__", "expected an installed package of that name"),
        ("sys", "expected an installed package of that name"),
        ("zoo_bare", "expected one with a zoo_plugin.toml"),
    ],
)
def test_find_candidates_when_an_entry_point_leads_nowhere_says_what_it_names(
    value: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "zoo_bare").mkdir()
    (tmp_path / "zoo_bare" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr("zoo.manifest.discovery._entry_point_values", lambda: [value])

    (candidate,) = [found for found in find_candidates() if found.source == "entry point"]

    assert candidate.manifest is None
    assert str(candidate.error) == (
        f"cannot use plugin {value.removeprefix('zoo_')!r}: its entry point is {value!r}, "
        f"{expected}.\n"
        f"where: entry point group zoo.plugins, value {value}\n"
        "HINT: fix the plugin's pyproject.toml and reinstall it, or uninstall it."
    )


def test_find_candidates_on_the_path_takes_plugins_and_folders_of_plugins(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin("one", folder="many/one")
    write_plugin("two", folder="many/two")
    write_plugin("three", folder="alone")
    folders = [str(tmp_path / "many"), str(tmp_path / "alone")]
    monkeypatch.setenv("ZOO_PLUGIN_PATH", os.pathsep.join(folders))

    packages = [candidate.package for candidate in find_candidates()]

    assert packages == ["zoo_one", "zoo_two", "zoo_three"]


def test_find_candidates_when_the_path_names_the_package_itself_finds_it(
    write_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder that holds the manifest is a place to search, too."""
    package = write_plugin("one", folder="elsewhere/one")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(package))

    assert [each.manifest for each in find_candidates()] == [package / "zoo_plugin.toml"]


def test_find_candidates_when_the_path_names_a_manifest_warns(
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A file is no place to search."""
    manifest = write_plugin("one", folder="elsewhere/one") / "zoo_plugin.toml"
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(manifest))

    with caplog.at_level(logging.WARNING, logger="zoo"):
        assert find_candidates() == []

    assert caplog.messages == [f"ZOO_PLUGIN_PATH names {manifest}: it is a file"]


def test_catalog_when_a_name_of_zoo_plugins_is_unknown_says_so(
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A typo would otherwise hide the plugin without a word; the near name is offered."""
    write_plugin("dice_loss")
    write_plugin("road")
    monkeypatch.setenv("ZOO_PLUGINS", "dice_los,road,zzz")

    with caplog.at_level(logging.WARNING, logger="zoo"):
        found = [record.name for record in read_catalog().plugins]

    assert found == ["road"]
    assert caplog.messages == [
        "ZOO_PLUGINS names 'dice_los': no such plugin was found; did you mean dice_loss?",
        "ZOO_PLUGINS names 'zzz': no such plugin was found; there are dice_loss, road",
    ]


def test_find_candidates_when_a_folder_of_the_path_is_missing_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "gone"))

    with caplog.at_level(logging.WARNING, logger="zoo"):
        assert find_candidates() == []

    assert caplog.messages == [f"ZOO_PLUGIN_PATH names {tmp_path / 'gone'}: no such folder"]


def test_find_candidates_when_a_folder_cannot_be_read_finds_the_others_and_warns(
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As root every folder can be read, so the refusal is played."""
    locked, other = write_plugin("cells").parent, write_plugin("tissue")
    real_scandir = os.scandir

    def scandir(folder: str) -> object:
        if Path(folder) == locked:
            raise PermissionError(13, "Permission denied", str(folder))
        return real_scandir(folder)

    monkeypatch.setattr(os, "scandir", scandir)

    with caplog.at_level(logging.WARNING, logger="zoo"):
        manifests = [candidate.manifest for candidate in find_candidates()]

    assert manifests == [other / "zoo_plugin.toml"]
    assert caplog.messages == [f"plugins in {locked} cannot be found: Permission denied"]


def test_find_candidates_in_the_current_directory_finds_nothing(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin("cells")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ZOO_PLUGIN_PATH")

    assert find_candidates() == []


def test_find_checkouts_when_a_tool_runs_finds_its_checkout(
    real: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "setup.py").write_text("")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "tools" / "train.py")])

    assert tmp_path in real.find_checkouts()


def test_find_checkouts_when_another_script_runs_does_not(
    real: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "setup.py").write_text("")
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "scripts" / "train.py")])

    assert tmp_path not in real.find_checkouts()


def test_find_candidates_in_a_checkout_takes_plugins_and_configs(
    write_plugin: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = write_plugin("cells", folder="checkout/plugins/cells")
    checkout = tmp_path / "checkout"
    (checkout / "configs").mkdir()
    (checkout / "configs" / "zoo_plugin.toml").write_text("")
    monkeypatch.delenv("ZOO_PLUGIN_PATH")
    monkeypatch.setattr("zoo.manifest.discovery.find_checkouts", lambda: (checkout,))

    found = [(candidate.package, candidate.manifest) for candidate in find_candidates()]

    assert found == [
        ("zoo_cells", package / "zoo_plugin.toml"),
        ("zoo_configs", checkout / "configs" / "zoo_plugin.toml"),
    ]


@pytest.mark.parametrize("has_checkout", [True, False])
def test_entry_point_of_configs_when_only_a_checkout_has_them_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_checkout: bool
) -> None:
    """An editable install names the configs without installing them; a broken wheel is told."""
    if has_checkout:
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "zoo_plugin.toml").write_text("")
    monkeypatch.delenv("ZOO_PLUGIN_PATH")
    monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
    monkeypatch.setattr(discovery, "_entry_point_values", lambda: ["zoo_configs", "zoo_gone"])
    monkeypatch.setattr(discovery, "_OWN_CHECKOUT", tmp_path)

    found = {one.package: one.error is None for one in find_candidates()}

    assert found == {"zoo_configs": has_checkout, "zoo_gone": False}


def test_discovery_in_core_tests_is_fenced() -> None:
    """Without this fence the core's tests would pass or fail by what happens to be installed."""
    assert discovery.find_checkouts() == ()
    assert discovery._entry_point_values() == []
