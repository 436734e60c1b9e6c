# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import IncompatibleError, ManifestError, PluginError
from zoo.manifest import requirements, row_reading
from zoo.manifest.reading import read_manifest
from zoo.manifest.requirements import check_api, check_requirements, find_installed
from zoo.manifest.table import Table

Install = Callable[..., None]
MANIFEST = Path("zoo_cells/zoo_plugin.toml")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Let only these distributions be installed."""

    def install(**versions: str) -> None:
        names = {name.replace("_", "-"): version for name, version in versions.items()}

        def version(name: str) -> str:
            if name not in names:
                raise PackageNotFoundError(name)
            return names[name]

        monkeypatch.setattr("importlib.metadata.version", version)
        find_installed.cache_clear()

    yield install
    find_installed.cache_clear()


def check(*requires: str) -> None:
    check_requirements(requires, plugin="cells", manifest=MANIFEST)


def test_check_requirements_when_all_fit_passes(installed: Install) -> None:
    installed(mmsegmentation="1.2.2", numpy="2.2.6", torch="2.13.0+cpu")

    check("mmsegmentation>=1.2,<2", "NumPy", "torch>=2.6,<3")


def test_check_requirements_when_some_do_not_gives_one_pip_line_for_all(
    installed: Install,
) -> None:
    installed(numpy="2.2.6")

    with pytest.raises(IncompatibleError) as caught:
        check("numpy>=3", "scipy", 'pydicom>=2.4; python_version >= "3.11"')

    assert str(caught.value) == (
        "cannot use plugin 'cells': it requires numpy>=3 (numpy 2.2.6), scipy (not installed), "
        "pydicom>=2.4 (not installed).\n"
        f"where: {MANIFEST}\n"
        'HINT: pip install "numpy>=3" "scipy" "pydicom>=2.4"'
    )
    assert (caught.value.requirement, caught.value.found) == ("numpy>=3", "numpy 2.2.6")


def test_check_requirements_when_a_marker_does_not_hold_skips_it(
    installed: Install,
) -> None:
    installed()

    check('pywin32; sys_platform == "no such system"')


def test_check_requirements_when_a_fork_is_installed_accepts_it(
    installed: Install,
) -> None:
    """The forks have the same import names, and go on with upstream's versions."""
    installed(onedl_mmsegmentation="1.3.0", mmcv_lite="2.1.0", opencv_python_headless="4.9")

    check("mmsegmentation>=1.2,<2", "mmcv>=2.0.0rc4,<2.2", "opencv-python>=4.9")


def test_check_requirements_when_a_fork_is_too_new_names_it(installed: Install) -> None:
    installed(onedl_mmsegmentation="2.0")

    with pytest.raises(IncompatibleError, match=r"\(onedl-mmsegmentation 2.0\)"):
        check("mmsegmentation>=1.2,<2")


def test_check_requirements_when_unreadable_names_the_text(installed: Install) -> None:
    with pytest.raises(ManifestError, match=r"distributions holds 'numpy=>2', expected a requir"):
        check("numpy=>2")


def test_check_api_when_the_plugin_is_older_hints_at_the_plugin() -> None:
    with pytest.raises(IncompatibleError) as caught:
        check_api(0, plugin="cells", manifest=MANIFEST)

    assert caught.value.hint == "upgrade the plugin cells."
    assert caught.value.message == "cannot use plugin 'cells': needs api 0, this zoo has 1."


_NEXT = """
[plugin]
name = "{0}"
version = "1.0"
api = {1}
summary = "a plugin"
license = "MIT"

[requires]
distributions = []

[[loss]]
name = "Edge{1}Loss"
{2} = "zoo_{0}.loss:EdgeLoss"
"""


@pytest.fixture
def api_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """A zoo whose contract 2 calls ``target`` ``entry``, and still reads contract 1."""

    def upgrade(values: dict[str, Any]) -> dict[str, Any]:
        for row in values["loss"]:
            if "target" in row:
                row["entry"] = row.pop("target")
        return values

    def take_entry(table: Table, key: str, *, required: bool) -> str:
        return table.text("entry")

    monkeypatch.setattr(requirements, "API", 2)
    monkeypatch.setattr(requirements, "UPGRADES", {1: upgrade})
    monkeypatch.setattr(row_reading, "_read_target", take_entry)


@pytest.mark.usefixtures("api_2")
@pytest.mark.parametrize(("api", "key"), [(1, "target"), (2, "entry")])
def test_a_plugin_of_the_old_contract_works_when_a_new_one_comes(
    tmp_path: Path, api: int, key: str
) -> None:
    """Both are read to the same rows, and the manifest keeps the number that it states."""
    path = tmp_path / "zoo_old" / "zoo_plugin.toml"
    path.parent.mkdir()
    path.write_text(_NEXT.format("old", api, key))

    manifest = read_manifest(path)

    assert manifest.api == api
    assert [(row.name, row.target) for row in manifest.contributions] == [
        (f"Edge{api}Loss", "zoo_old.loss:EdgeLoss")
    ]


@pytest.mark.usefixtures("api_2")
@pytest.mark.parametrize(
    ("api", "key", "fault"),
    [
        (2, "target", "lacks the key 'entry'"),
        (3, "entry", "needs api 3, this zoo has 1 to 2"),
        (0, "target", "needs api 0, this zoo has 1 to 2"),
    ],
)
def test_a_plugin_is_held_to_the_contract_that_it_states(
    tmp_path: Path, api: int, key: str, fault: str
) -> None:
    """A key of one contract is unknown in the other."""
    path = tmp_path / "zoo_old" / "zoo_plugin.toml"
    path.parent.mkdir()
    path.write_text(_NEXT.format("old", api, key))

    with pytest.raises(PluginError) as caught:
        read_manifest(path)

    assert fault in str(caught.value)


def test_every_contract_that_is_read_has_its_upgrade() -> None:
    """A number without one would be refused by an error of Python."""
    numbers = range(requirements.OLDEST_API, requirements.API)
    assert sorted(requirements.UPGRADES) == list(numbers)


def test_find_installed_when_nothing_fits_is_none(installed: Install) -> None:
    installed()

    assert find_installed("mmcv") is None
    assert requirements.API == 1


@pytest.mark.parametrize(
    "text",
    [
        "pytest; python_version ~= 'x'",
        "pytest; sys_platform ~= 'linux' and os_name == 'posix'",
        "pytest; " + "(" * 990 + "os_name == 'posix'" + ")" * 990,
        "pytest; os_name == " + "'" * 1_000,
    ],
    ids=["version", "platform", "brackets", "quotes"],
)
def test_check_requirements_when_a_marker_means_nothing_is_a_manifest_error(
    tmp_path: Path, text: str
) -> None:
    """`zoo doctor` looks at the requirements of every plugin."""
    with pytest.raises(ManifestError, match="expected a requirement in pip's syntax") as caught:
        check_requirements([text], plugin="cells", manifest=tmp_path)

    assert len(caught.value.message) < 600
