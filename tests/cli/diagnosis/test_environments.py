# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor`` in environments of its own: what is wrong is found, and a line that fixes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from broken_environments import FEATURES
from weights_rows import weights_row

ROOT = Path(__file__).resolve().parents[3]
# What zoo imports when torch and OpenMMLab are not there: module -> distribution.
BARE = {
    name.replace("-", "_"): name
    for name in (
        *("click", "cryptography", "packaging", "filelock", "platformdirs"),
        *("requests", "urllib3", "idna", "certifi", "charset-normalizer"),
    )
}
WEIGHTS = b"weights, as far as a digest can tell"


class Doctor(NamedTuple):
    """What ``zoo doctor --json`` said."""

    exit_code: int
    rows: list[dict[str, Any]]

    def faults(self) -> dict[str, tuple[str, str, str]]:
        """Return name -> state, reason and fix of all that is not ok, torch and the like apart."""
        return {
            row["name"]: (row["state"], row["found"], plain(row["fix"]))
            for row in self.rows
            if row["state"] != "ok" and row["found"] != "not installed"
        }


def plain(line: str | None) -> str | None:
    """Return a line without the Python whose pip it calls, which is the one that runs the tests."""
    return line and line.replace(f"{sys.executable} -m pip ", "pip ")


def write_dist_info(site: Path, name: str, version: str, *lines: str) -> Path:
    """Write what pip leaves of a distribution beside its package."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (folder / "METADATA").write_text("\n".join([*head, *lines, ""]))
    return folder


@pytest.fixture(scope="session")
def zoo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package, as installing does: beside a checkout it would find its plugins."""
    folder = tmp_path_factory.mktemp("zoo") / "zoo"
    shutil.copytree(ROOT / "zoo", folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def site(tmp_path: Path, zoo_folder: Path) -> Path:
    """Return a folder of packages with zoo, and without torch and all that comes with it."""
    folder = tmp_path / "site"
    folder.mkdir()
    for module, name in BARE.items():
        packages = Path(str(distribution(name).locate_file("")))
        version = distribution(name).version
        (folder / module).symlink_to(packages / module)
        write_dist_info(folder, name, version)
    (folder / "zoo").symlink_to(zoo_folder)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [f"Requires-Dist: {text}" for text in project["dependencies"]]
    for extra, texts in project["optional-dependencies"].items():
        lines.append(f"Provides-Extra: {extra}")
        lines += [f"Requires-Dist: {text}; extra == '{extra}'" for text in texts]
    write_dist_info(folder, "mmzoo", project["version"], *lines)
    return folder


@pytest.fixture
def doctor(tmp_path: Path) -> Callable[..., Doctor]:
    """Return a function that runs ``zoo doctor --json`` in a process with these packages alone."""

    def run(site: Path, *, options: Sequence[str] = ("-S",), **variables: str) -> Doctor:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(site)}
        env |= {"ZOO_CACHE": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
        words = [sys.executable, *options, "-m", "zoo", "doctor", "--json"]
        done = subprocess.run(
            words, capture_output=True, text=True, env=env | variables, cwd=tmp_path, check=False
        )
        assert done.returncode in (0, 1), done.stderr
        assert "Traceback" not in done.stderr
        return Doctor(done.returncode, json.loads(done.stdout))

    return run


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Return the package of a sound plugin with shipped weights, in a folder to be searched."""
    package = tmp_path / "plugins" / "shipping" / "zoo_shipping"
    package.mkdir(parents=True)
    row = weights_row("w", WEIGHTS, urls=["package:w.safetensors"])
    head = '[plugin]\nname = "shipping"\nversion = "0.1.0"\napi = 1\nsummary = "s"\n'
    loss = '[[loss]]\nname = "L"\ntarget = "zoo_shipping.parts:L"\n'
    (package / "zoo_plugin.toml").write_text(f'{head}license = "MIT"\n{loss}{row}')
    (package / "__init__.py").write_text("import zoo\n")
    (package / "parts.py").write_text("class L: pass\n")
    (package / "w.safetensors").write_bytes(WEIGHTS)
    return package


def test_doctor_without_torch_names_all_that_is_missing_and_exits_with_1(
    site: Path, doctor: Callable[..., Doctor]
) -> None:
    """Nothing can be trained then; one line installs the lot."""
    found = doctor(site)

    missing = {row["name"]: plain(row["fix"]) for row in found.rows if row["state"] == "missing"}
    assert found.exit_code == 1
    assert {"torch", "numpy", "cv2", "mmengine", "mmcv", "mmseg", "mmdet"} <= set(missing)
    assert missing["torch"] == missing["mmdet"] == 'pip install "mmzoo[mm]"'
    assert set(found.faults()) == FEATURES


def test_doctor_with_a_compiled_mmcv_does_not_offer_the_one_that_would_overwrite_it(
    site: Path, doctor: Callable[..., Doctor]
) -> None:
    """``[mm]`` brings mmcv-lite, in the same folder."""
    write_dist_info(site, "mmcv", "2.1.0")

    fixes = {row["name"]: plain(row["fix"]) for row in doctor(site).rows}

    assert fixes["torch"] == 'pip install "mmzoo[mm-core]"'


@pytest.mark.parametrize(
    ("name", "version", "row"),
    [
        ("numpy", "1.26.4", "numpy"),
        ("numpy", "2.4.0", "numpy"),
        ("numpy", "not-a-version", "numpy"),
        ("torch", "2.1.0", "torch"),
        ("setuptools", "82.0.1", "pkg_resources"),
        ("mmcv-lite", "2.2.0", "mmcv"),
        ("opencv-python", "5.0.0", "cv2"),
        ("rasterio", "1.3.0", "rasterio"),
        ("simplejpeg", "2.0.0", "simplejpeg"),
        ("click", "7.1.2", "click"),
    ],
)
def test_doctor_when_a_version_contradicts_zoo_says_which_would_do(
    site: Path, doctor: Callable[..., Doctor], name: str, version: str, row: str
) -> None:
    """Whatever package of whatever extra it is: the line holds the versions that zoo takes."""
    from packaging.requirements import Requirement

    for old in site.glob(f"{name}-*.dist-info"):
        shutil.rmtree(old)
    write_dist_info(site, name, version)

    state, reason, line = doctor(site).faults()[row]

    assert state == "broken"
    assert f"{name} {version}" in reason
    pip, install, quoted = line.split(" ", 2)
    assert (pip, install) == ("pip", "install")
    wanted = Requirement(quoted.strip('"'))
    assert wanted.name == name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    stated = [each for each in map(Requirement, texts) if each.name == name]
    assert wanted.specifier in [each.specifier for each in stated]


def test_doctor_when_a_version_contradicts_a_plugin_names_the_plugin(
    site: Path, doctor: Callable[..., Doctor], plugin: Path
) -> None:
    """Of its manifest, where the plugin is only a folder."""
    manifest = plugin / "zoo_plugin.toml"
    manifest.write_text(f'{manifest.read_text()}\n[requires]\ndistributions = ["idna<1", "zzz"]\n')

    found = doctor(site, ZOO_PLUGIN_PATH=str(plugin.parent)).faults()["plugin shipping"]

    assert found[0] == "broken"
    assert "idna<1 (idna " in found[1]
    assert found[2] == 'pip install "idna<1" zzz'


def test_doctor_when_an_installed_plugin_requires_other_versions_reads_its_metadata(
    site: Path, doctor: Callable[..., Doctor], plugin: Path
) -> None:
    """What pip knows of the plugin counts, its extras too: one that lacks a package is no fault."""
    (site / "zoo_shipping").symlink_to(plugin)
    lines = ["Requires-Dist: click<2", "Provides-Extra: slides"]
    lines += ["Requires-Dist: surely-not-installed>=3; extra == 'slides'"]
    folder = write_dist_info(site, "mmzoo-shipping", "0.1.0", *lines)
    (folder / "entry_points.txt").write_text("[zoo.plugins]\nshipping = zoo_shipping\n")

    found = doctor(site)

    faults = found.faults()
    assert faults["click"][0] == "broken"
    assert faults["click"][2] == 'pip install "click<2"'
    state, reason, fix = faults["mmzoo-shipping[slides]"]
    assert (state, reason) == ("missing", "not installed: surely-not-installed")
    assert fix == 'pip install "surely-not-installed>=3"'
    (row,) = [row for row in found.rows if row["name"] == "mmzoo-shipping[slides]"]
    assert row["needed"] is False


@pytest.mark.parametrize(
    ("second", "state"), [("4.12.0.88", "warning"), ("4.9.0.80", "broken")], ids=["equal", "other"]
)
def test_doctor_when_opencv_is_there_in_two_builds_says_how_to_keep_one(
    site: Path, doctor: Callable[..., Doctor], second: str, state: str
) -> None:
    """Both write to the folder cv2; of one version they do no harm until one is uninstalled."""
    write_dist_info(site, "opencv-python", "4.12.0.88")
    write_dist_info(site, "opencv-python-headless", second)

    found = doctor(site).faults()["opencv-python twice"]

    assert found[0] == state
    assert f"opencv-python 4.12.0.88 and opencv-python-headless {second}" in found[1]
    assert found[2] == (
        "pip uninstall -y opencv-python opencv-python-headless "
        '&& pip install "opencv-python==4.12.0.88"'
    )


_LIBRARIES = ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6")
_LIBRARY = next((path for path in _LIBRARIES if Path(path).exists()), None)


@pytest.mark.skipif(_LIBRARY is None, reason="needs a library of Linux to stand for libGL")
@pytest.mark.parametrize(
    ("has_libgl", "builds", "users", "kept", "why"),
    [
        (True, ["", "-headless"], [], "", "as nothing asks for another"),
        (True, ["", "-headless"], ["-headless"], "-headless", "which user-0 asks for"),
        (True, ["", "-headless"], ["", "-headless", ""], "", "which user-0 and user-2 ask for"),
        (False, ["", "-headless"], ["", ""], "-headless", "since libGL cannot be loaded here"),
    ],
)
def test_doctor_keeps_the_opencv_that_suits_and_says_why(
    site: Path,
    doctor: Callable[..., Doctor],
    has_libgl: bool,
    builds: list[str],
    users: list[str],
    kept: str,
    why: str,
) -> None:
    """One without windows where they cannot be opened; else the one that packages ask for."""
    libraries = site.parent / "libraries"
    libraries.mkdir()
    content = Path(str(_LIBRARY)).read_bytes() if has_libgl else b"no library"
    (libraries / "libGL.so.1").write_bytes(content)
    for build in builds:
        write_dist_info(site, f"opencv-python{build}", "4.12.0.88")
    for index, user in enumerate(users):
        write_dist_info(site, f"user-{index}", "1", f"Requires-Dist: opencv-python{user}>=3")

    found = doctor(site, LD_LIBRARY_PATH=str(libraries)).faults()["opencv-python twice"]

    assert found[1].endswith(f"; opencv-python{kept} is kept, {why}")
    assert found[2].endswith(f'&& pip install "opencv-python{kept}==4.12.0.88"')


def test_doctor_without_libgl_installs_a_headless_opencv_although_none_is_there(
    site: Path, doctor: Callable[..., Doctor]
) -> None:
    """The build with the contributed modules keeps them."""
    (site.parent / "libGL.so.1").write_bytes(b"no library")
    write_dist_info(site, "opencv-python", "4.12.0.88")
    write_dist_info(site, "opencv-contrib-python", "4.12.0.88")

    found = doctor(site, LD_LIBRARY_PATH=str(site.parent)).faults()["opencv-python twice"]

    assert found[2].endswith('&& pip install "opencv-contrib-python-headless==4.12.0.88"')


def test_doctor_when_mmcv_lies_over_mmcv_lite_says_how_to_keep_one(
    site: Path, doctor: Callable[..., Doctor]
) -> None:
    """The lite one is a wheel everywhere."""
    write_dist_info(site, "mmcv", "2.0.1")
    write_dist_info(site, "mmcv-lite", "2.1.0")

    found = doctor(site).faults()["mmcv twice"]

    assert found[0] == "broken"
    assert found[2] == 'pip uninstall -y mmcv mmcv-lite && pip install "mmcv-lite>=2.1,<2.2"'


def test_doctor_of_a_sound_plugin_finds_nothing(
    site: Path, doctor: Callable[..., Doctor], plugin: Path
) -> None:
    """The ground that the faults below stand out from."""
    found = doctor(site, ZOO_PLUGIN_PATH=str(plugin.parent))

    assert set(found.faults()) == FEATURES
    assert "plugin shipping" in [row["name"] for row in found.rows if row["state"] == "ok"]


def flip_byte(package: Path) -> None:
    data = bytearray(WEIGHTS)
    data[len(data) // 2] ^= 1
    (package / "w.safetensors").write_bytes(data)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a byte of the weights is flipped": (flip_byte, "sha256 is"),
    "the weights are cut off": (
        lambda package: (package / "w.safetensors").write_bytes(WEIGHTS[:-1]),
        f"it has {len(WEIGHTS) - 1} bytes, expected {len(WEIGHTS)}",
    ),
    "the weights are gone": (
        lambda package: (package / "w.safetensors").unlink(),
        "the file of the weights 'w' is missing",
    ),
    "the module is gone": (lambda package: (package / "parts.py").unlink(), "parts.py"),
    "the manifest is no TOML": (
        lambda package: (package / "zoo_plugin.toml").write_text("[plugin"),
        "zoo_plugin.toml",
    ),
    "the manifest is of other bytes": (
        lambda package: (package / "zoo_plugin.toml").write_bytes(b"\xff\xfe\x00"),
        "zoo_plugin.toml",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("is_installed", [False, True], ids=["folder", "installed"])
def test_doctor_when_a_shipped_file_is_not_as_shipped_names_it(
    site: Path, doctor: Callable[..., Doctor], plugin: Path, fault: str, is_installed: bool
) -> None:
    """An installed plugin is reinstalled; the files of a folder come from where the folder did."""
    if is_installed:
        (site / "zoo_shipping").symlink_to(plugin)
        folder = write_dist_info(site, "mmzoo-shipping", "0.1.0")
        (folder / "entry_points.txt").write_text("[zoo.plugins]\nshipping = zoo_shipping\n")
    break_it, reason = FAULTS[fault]
    break_it(plugin)
    where = "" if is_installed else str(plugin.parent)

    found = doctor(site, ZOO_PLUGIN_PATH=where)

    (name,) = set(found.faults()) - FEATURES
    state, told, fix = found.faults()[name]
    assert (name, state, found.exit_code) == ("plugin shipping", "broken", 1)
    assert reason in told
    if is_installed:
        assert fix == 'pip install --force-reinstall --no-deps "mmzoo-shipping==0.1.0"'
    else:
        assert fix


def test_doctor_when_code_of_an_installed_plugin_was_changed_names_the_file(
    site: Path, doctor: Callable[..., Doctor], plugin: Path
) -> None:
    """pip's record says what each file was; a hand's edit in site-packages is told as well."""
    import base64
    import hashlib

    (site / "zoo_shipping").symlink_to(plugin)
    folder = write_dist_info(site, "mmzoo-shipping", "0.1.0")
    (folder / "entry_points.txt").write_text("[zoo.plugins]\nshipping = zoo_shipping\n")
    digests = {
        path.name: base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest())
        for path in plugin.iterdir()
    }
    lines = [f"zoo_shipping/{n},sha256={d.decode().rstrip('=')},1" for n, d in digests.items()]
    (folder / "RECORD").write_text("\n".join([*lines, "mmzoo_shipping-0.1.0.dist-info/RECORD,,"]))
    assert set(doctor(site).faults()) == FEATURES
    (plugin / "parts.py").write_text("class L: pass  # mine\n")

    found = doctor(site).faults()["mmzoo-shipping"]

    assert found[0] == "broken"
    assert found[1] == "not as installed: zoo_shipping/parts.py"


@pytest.mark.parametrize("kind", ["a file", "in a file", "in /proc"])
def test_doctor_when_the_cache_cannot_be_written_says_so(
    site: Path, doctor: Callable[..., Doctor], tmp_path: Path, kind: str
) -> None:
    """And what it costs. Whoever runs it, root too; nothing is left of the trial."""
    (tmp_path / "file").touch()
    caches = {"a file": "file", "in a file": "file/below"}
    cache = "/proc/zoo" if kind == "in /proc" else str(tmp_path / caches[kind])

    faults = doctor(site, ZOO_CACHE=cache).faults()

    found = faults["cache"]
    assert found[0] == "broken"
    assert cache in found[1]
    assert found[1].endswith("; no weights can be fetched")
    assert found[2].startswith("export ZOO_CACHE=")
    state, reason, mend = faults["manifests"]
    assert state == "warning"
    assert reason.startswith(f"{Path(cache, 'manifests')} cannot be written: ")
    assert reason.endswith("; each listing reads all manifests anew")
    assert mend == found[2]


def test_doctor_leaves_nothing_behind(
    site: Path, doctor: Callable[..., Doctor], tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))

    doctor(site)

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.mm
@pytest.mark.slow
def test_doctor_with_all_installed_imports_what_the_plugins_name(
    doctor: Callable[..., Doctor], plugin: Path, tmp_path: Path
) -> None:
    """A sound environment exits with 0; then one module fails, and one package contradicts zoo."""
    search = {"ZOO_PLUGIN_PATH": str(plugin.parent), "ZOO_PLUGINS": "shipping"}
    fake = tmp_path / "fake"
    fake.mkdir()
    sound = doctor(fake, options=(), **search)
    (plugin / "parts.py").write_text("import surely_not_installed\nclass L: pass\n")
    write_dist_info(fake, "numpy", "1.26.4")

    faults = (found := doctor(fake, options=(), **search)).faults()

    assert (sound.exit_code, sound.faults()) == (0, {})
    assert found.exit_code == 1
    assert set(faults) == {"numpy", "plugin shipping"}
    assert "No module named 'surely_not_installed'" in faults["plugin shipping"][1]
    assert "'surely_not_installed'" in faults["plugin shipping"][2]
    assert faults["numpy"][1].startswith("numpy 1.26.4, and mmzoo[")
