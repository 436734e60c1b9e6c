# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor`` in environments that are broken on purpose: each break has its finding and mend.

Breaks that do not meet are made in one environment, because each run is a process.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from broken_environments import (
    FEATURES,
    ROOT,
    remove_dist_info,
    version_of,
    write_dist_info,
    write_site,
    write_stub,
)
from weights_rows import weights_row

from zoo.cli.diagnosis.mend import line_of
from zoo.cli.diagnosis.plugin_faults import mend_of_hint

LITE = "mmcv-lite>=2.1,<2.2"
PIP = [sys.executable, "-m", "pip"]


class Break(NamedTuple):
    """One break, and what the doctor says of it.

    Attributes:
        apply: Breaks a folder of packages.
        name: Row of the finding.
        state: Its state.
        found: What its reason contains.
        mend: What the line to type contains; None if there is none.
        calls: Arguments of pip that ``--fix`` runs; None if it runs nothing.
    """

    apply: Callable[[Path], object]
    name: str
    state: str
    found: str
    mend: str | None
    calls: list[list[str]] | None = None


def code(module: str, text: str) -> Callable[[Path], object]:
    return lambda site: write_stub(site, module, text)


def release(name: str, number: str, *lines: str) -> Callable[[Path], object]:
    def apply(site: Path) -> None:
        remove_dist_info(site, name)
        write_dist_info(site, name, number, *lines)

    return apply


def all_of(*parts: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda site: [part(site) for part in parts]


def again(name: str) -> list[list[str]]:
    exact = f"{name}=={version_of(name)}"
    return [["install", "--force-reinstall", "--no-deps", exact]]


NEWER = ["install", "--upgrade", "--force-reinstall", "--no-deps"]
IMPORTS = {
    "an import raises": Break(
        code("matplotlib", "raise ImportError('cannot import name _path')"),
        *("matplotlib", "broken", "import fails: cannot import name _path", "--force-reinstall"),
        again("matplotlib"),
    ),
    "an import never ends": Break(
        code("tqdm", "import time\ntime.sleep(600)"),
        *("tqdm", "warning", "; not checked: it did not finish within 5 s: it waits", "--timeout"),
    ),
    "an import crashes": Break(
        code("simplejpeg", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"),
        *("simplejpeg", "broken", "it ended the process by SIGSEGV", "--force-reinstall"),
        again("simplejpeg"),
    ),
    "an import exits": Break(
        code("safetensors", "import sys\nsys.exit('no licence')"),
        *("safetensors", "broken", "import fails: no licence", "--force-reinstall"),
        again("safetensors"),
    ),
    "an import ends the process": Break(
        code("PIL", "import os\nos._exit(5)"),
        *("PIL", "broken", "it ended the process with code 5", "--force-reinstall"),
        again("pillow"),
    ),
    "an import writes into whatever is open, and interrupts": Break(
        code(
            "mmengine",
            "import os\nfor fd in range(1, 9):\n    try: os.write(fd, b'{]\\n[]\\n')\n"
            "    except OSError: pass\nraise KeyboardInterrupt",
        ),
        *("mmengine", "broken", "import fails: KeyboardInterrupt", "--force-reinstall"),
        again("mmengine"),
    ),
    "built for NumPy 1": Break(
        code("pycocotools", "raise ValueError('numpy.dtype size changed, may indicate binary')"),
        *("pycocotools", "broken", "built for another NumPy than numpy 2", "--upgrade"),
        [[*NEWER, "pycocotools"]],
    ),
    "no libGL": Break(
        code("cv2", "raise ImportError('libGL.so.1: cannot open shared object file')"),
        *("cv2", "broken", "libGL.so.1", "apt-get install libgl1 libglib2.0-0"),
    ),
    "a package fails because of another": Break(
        code("mmcv", "import cv2"),
        *("mmcv", "broken", "(in cv2)", "apt-get install libgl1"),
    ),
    "mmdet asserts an older mmcv": Break(
        code("mmdet", "assert False, 'MMCV==2.2.0 is used but incompatible.'"),
        *("mmdet", "broken", "MMCV==2.2.0 is used", LITE),
        [["uninstall", "-y", "mmcv-lite"], ["install", LITE]],
    ),
    "a package lacks what it imports": Break(
        code("mmseg", "import ftfy"),
        *("mmseg", "broken", "No module named 'ftfy'", "mmzoo[mm]"),
        [["install", "mmzoo[mm]"]],
    ),
    "setuptools without pkg_resources": Break(
        all_of(release("setuptools", "82.0.1"), lambda site: shutil.rmtree(site / "pkg_resources")),
        *("pkg_resources", "broken", "setuptools 82.0.1", "setuptools<82"),
        [["install", "setuptools<82"]],
    ),
    "no pip": Break(
        lambda site: None, "pip", "missing", "not installed", "-m ensurepip --upgrade", []
    ),
}
VERSIONS = {
    "NumPy 1": Break(
        release("numpy", "1.26.4"),
        *("numpy", "broken", "numpy 1.26.4, and mmzoo[mm-core] requires", "numpy<2.3,>=2"),
        [["install", "numpy<2.3,>=2"]],
    ),
    "three OpenCVs": Break(
        all_of(
            release("opencv-python-headless", "4.9.0.80"),
            release("opencv-contrib-python", "4.10.0.84"),
        ),
        *("opencv-python twice", "broken", "opencv-contrib-python 4.10.0.84", "uninstall -y"),
        [
            [
                *("uninstall", "-y", "opencv-python", "opencv-python-headless"),
                "opencv-contrib-python",
            ],
            ["install", f"opencv-python=={version_of('opencv-python')}"],
        ],
    ),
    "mmcv over mmcv-lite": Break(
        release("mmcv", "2.0.1"),
        *("mmcv twice", "broken", "mmcv 2.0.1 and mmcv-lite", LITE),
        [["uninstall", "-y", "mmcv", "mmcv-lite"], ["install", LITE]],
    ),
    "a compiled mmcv of another torch": Break(
        lambda site: (site / "mmcv/_ext.py").write_text("raise OSError('undefined symbol: _ZN2')"),
        *("mmcv ops", "broken", "import fails: undefined symbol: _ZN2", LITE),
        [["uninstall", "-y", "mmcv"], ["install", LITE]],
    ),
    "upstream and onedl": Break(
        release("onedl-mmengine", "0.10.9"),
        *("mmengine twice", "broken", "onedl-mmengine 0.10.9", "uninstall -y"),
        [
            ["uninstall", "-y", "mmengine", "onedl-mmengine"],
            ["install", f"mmengine=={version_of('mmengine')}"],
        ],
    ),
    "torchvision of another torch": Break(
        release("torchvision", "0.20.1", "Requires-Dist: torch (==2.5.1)"),
        *("torchvision", "broken", "was built for torch==2.5.1, and torch 2.", "torchvision==0."),
        [
            [
                "install",
                f"torchvision==0.{int(version_of('torch').split('.')[1]) + 15}.*",
                f"torch=={version_of('torch')}",
            ]
        ],
    ),
    "built for NumPy 1, says NumPy": Break(
        code("matplotlib", "raise AttributeError('_ARRAY_API not found')"),
        *("matplotlib", "broken", "built for another NumPy than numpy 1.26.4", "--upgrade"),
        [[*NEWER, "matplotlib>=3.8"]],
    ),
    "a requirement of zoo in an old version": Break(
        release("simplejpeg", "1.0"),
        *("simplejpeg", "broken", "simplejpeg 1.0, and mmzoo", "simplejpeg<2,>=1.8"),
        [["install", "simplejpeg<2,>=1.8"]],
    ),
}


def run_doctor(site: Path, *options: str, **variables: str) -> tuple[int, list[dict[str, Any]]]:
    """Run ``zoo doctor --json`` in a process with these packages alone."""
    folder = site.parent
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / "apt-get").write_text("#!/bin/sh\nexit 1\n")
    (tools / "apt-get").chmod(0o755)
    env = {"PATH": str(tools), "HOME": str(folder), "PYTHONPATH": str(site)}
    env |= {"ZOO_CACHE": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-S", "-m", "zoo", "doctor", "--json", "--timeout", "5", *options]
    done = subprocess.run(
        words, capture_output=True, text=True, env=env | variables, cwd=folder, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def check_row(rows: list[dict[str, Any]], name: str, state: str, found: str) -> dict[str, Any]:
    """Return the row of a finding."""
    said = [row for row in rows if row["name"] == name and row["state"] != "ok"]
    chosen = [row for row in said if found in row["found"]]
    assert chosen, said or [row["name"] for row in rows]
    assert chosen[0]["state"] == state
    return chosen[0]


def check_break(rows: list[dict[str, Any]], each: Break) -> None:
    """Check finding, line to type, and commands of a break; the two say the same."""
    row = check_row(rows, each.name, each.state, each.found)
    if each.mend is None:
        assert row["fix"] is None
    else:
        assert each.mend in row["fix"]
    if each.calls is None:
        assert row["commands"] == []
        return
    if each.calls:
        assert row["commands"] == [[*PIP, *call] for call in each.calls]
    assert [shlex.split(line) for line in row["fix"].split(" && ")] == row["commands"]


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the package, as installing does: beside a checkout it would find its plugins."""
    folder = tmp_path_factory.mktemp("zoo") / "zoo"
    shutil.copytree(ROOT / "zoo", folder)  # caches too: less to compile in each process
    return folder


Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def of_imports(tmp_path_factory: pytest.TempPathFactory, zoo: Path) -> Rows:
    site = write_site(tmp_path_factory.mktemp("imports") / "site", zoo)
    for each in IMPORTS.values():
        each.apply(site)
    exit_code, rows = run_doctor(site)
    assert exit_code == 1
    return rows


@pytest.fixture(scope="module")
def of_versions(tmp_path_factory: pytest.TempPathFactory, zoo: Path) -> Rows:
    site = write_site(tmp_path_factory.mktemp("versions") / "site", zoo)
    for each in VERSIONS.values():
        each.apply(site)
    exit_code, rows = run_doctor(site)
    assert exit_code == 1
    return rows


def test_doctor_of_stubs_that_fit_finds_nothing(tmp_path: Path, zoo: Path) -> None:
    """The ground that the breaks stand out from; pip is not there, and a feature is no fault."""
    exit_code, rows = run_doctor(write_site(tmp_path / "site", zoo))

    faults = {row["name"] for row in rows if row["state"] != "ok"}
    assert (exit_code, faults) == (0, {"pip", *FEATURES})


@pytest.mark.parametrize("kind", IMPORTS)
def test_doctor_says_why_an_import_fails_and_how_to_mend_it(of_imports: Rows, kind: str) -> None:
    """Whatever an import does, the others are looked at too."""
    check_break(of_imports, IMPORTS[kind])


@pytest.mark.parametrize("kind", VERSIONS)
def test_doctor_says_which_packages_do_not_fit_and_how_to_mend_it(
    of_versions: Rows, kind: str
) -> None:
    """Read from metadata, or from what an import says."""
    check_break(of_versions, VERSIONS[kind])


CHECK = '[[check]]\nname = "drivers"\ntarget = "zoo_{name}.parts:L"\nof = "doctor"\n'
PLUGINS: dict[str, tuple[str, str, str, str, str]] = {
    # plugin: rest of its manifest, its module, state, what is found, what mends it
    "torn": ("", "class L(:\n", "broken", "parts.py", "correct that line"),
    "renamed": ("", "class Ll: pass\n", "broken", "defines no L", "did you mean Ll"),
    "wrong": ("", "L = 3\n", "broken", "expected a class", "name a class"),
    "needy": (
        '[requires]\ndistributions = ["not-there>=3"]\n',
        *("class L: pass\n", "missing", "not-there>=3 (not installed)"),
        '-m pip install "not-there>=3"',
    ),
    "choosy": (
        '[requires]\ndistributions = ["idna<1"]\n',
        *("class L: pass\n", "broken", "idna<1 (idna ", '-m pip install "idna<1"'),
    ),
    "raising": ("", "raise RuntimeError('no GPU')\nclass L: pass\n", "broken", "no GPU", "author"),
    "exiting": (
        "",
        *("import sys\nsys.exit(4)\nclass L: pass\n", "broken", "SystemExit", "author"),
    ),
    "hanging": (
        "",
        *("import time\ntime.sleep(600)\nclass L: pass\n", "warning"),
        *("not checked: loss 'L': importing zoo_hanging.parts: it did not finish", "--timeout"),
    ),
    "crashing": (
        "",
        *("import ctypes\nctypes.string_at(0)\nclass L: pass\n", "broken", "SIGSEGV", "author"),
    ),
    "weightless": (
        weights_row("w", b"weights", urls=["package:w.safetensors"]),
        *("class L: pass\n", "broken", "the file of the weights 'w' is missing", "w.safetensors"),
    ),
}


def write_plugin(folder: Path, name: str, rest: str, text: str) -> None:
    package = folder / name / f"zoo_{name}"
    package.mkdir(parents=True)
    head = f'[plugin]\nname = "{name}"\nversion = "0.1.0"\napi = 1\nsummary = "s"\n'
    loss = f'[[loss]]\nname = "L"\ntarget = "zoo_{name}.parts:L"\n'
    (package / "zoo_plugin.toml").write_text(f'{head}license = "MIT"\n{loss}{rest}')
    (package / "__init__.py").write_text("import zoo\n")
    (package / "parts.py").write_text(text)


class Site(NamedTuple):
    """Folder of packages, and where plugins are searched for."""

    folder: Path
    plugins: str


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory, zoo: Path) -> Site:
    folder = tmp_path_factory.mktemp("plugins")
    places = folder / "plugins"
    for name, (rest, text, *_) in PLUGINS.items():
        write_plugin(places, name, rest, text)
    write_plugin(places, "sound", "", "class L: pass\n")
    aborts = "import os\nclass L:\n    def __init__(self): os.abort()\n"
    write_plugin(places, "looking", CHECK.format(name="looking"), aborts)
    says = "yield CheckResult('no driver', 'warning', mend='pip install \"a driver\"')"
    text = f"from zoo.interfaces import CheckResult\ndef look():\n    {says}\nclass L: pass\n"
    write_plugin(places, "telling", CHECK.format(name="telling").replace(":L", ":look"), text)
    return Site(
        write_site(folder / "site", zoo), os.pathsep.join(str(each) for each in places.iterdir())
    )


@pytest.fixture(scope="module")
def of_plugins(plugged: Site) -> Rows:
    return run_doctor(plugged.folder, ZOO_PLUGIN_PATH=plugged.plugins)[1]


@pytest.mark.parametrize("name", PLUGINS)
def test_doctor_says_what_is_wrong_with_a_plugin(of_plugins: Rows, name: str) -> None:
    """By its text, its metadata and its files, or by importing it elsewhere."""
    _, _, state, found, mend = PLUGINS[name]

    row = check_row(of_plugins, f"plugin {name}", state, found)

    assert mend in row["fix"]
    assert len([each for each in of_plugins if each["name"] == row["name"]]) == 1


@pytest.fixture(scope="module")
def of_list(plugged: Site) -> dict[str, dict[str, Any]]:
    """Return what `zoo plugin list` says, by plugin."""
    env = {"PATH": "", "HOME": str(plugged.folder.parent), "PYTHONPATH": str(plugged.folder)}
    env |= {"ZOO_PLUGIN_PATH": plugged.plugins, "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-S", "-m", "zoo", "plugin", "list", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=True)
    return {row["name"]: row for row in json.loads(done.stdout)}


@pytest.mark.parametrize("name", [*PLUGINS, "sound"])
def test_plugin_list_marks_what_can_be_seen_without_importing(
    of_list: dict[str, dict[str, Any]], name: str
) -> None:
    """As doctor does, with the same reason; what only an import shows is not marked."""
    seen = {"torn", "renamed", "wrong", "needy", "choosy", "weightless"}
    _, _, state, found, _ = PLUGINS.get(name, ("", "", "ok", "", ""))

    row = of_list[name]

    assert row["state"] == (state if name in seen else "ok")
    assert row["error"] is None if name not in seen else found in row["error"]


def test_doctor_runs_the_checks_of_plugins_apart(of_plugins: Rows) -> None:
    """One that crashes is a finding, and what the others tell is shown with its mend."""
    crashed = check_row(of_plugins, "check looking.drivers", "broken", "it did not run")
    told = check_row(of_plugins, "check telling.drivers", "warning", "no driver")

    assert "SIGABRT" in crashed["found"]
    assert told["fix"].endswith('-m pip install "a driver"')
    sound = ("plugin sound", "plugin looking", "plugin telling")
    states = {row["name"]: row["state"] for row in of_plugins if row["name"] in sound}
    assert states == dict.fromkeys(sound, "ok"), of_plugins


SETTINGS: dict[str, tuple[dict[str, str], str, str, str, str]] = {
    # variables, row, state, found, mend; {here} is a folder
    "zoo.lock is cut off": (
        {"ZOO_LOCK": "{here}/torn.lock"},
        *("zoo.lock", "broken", "torn.lock", "o"),
    ),
    "a mirror is not there": (
        {"ZOO_MIRRORS": "{here}/nowhere"},
        *("ZOO_MIRRORS", "broken", "nowhere", "unset ZOO_MIRRORS"),
    ),
    "the hub is no address": (
        {"HF_ENDPOINT": "ftp://hub"},
        *("HF_ENDPOINT", "broken", "ftp://hub", "unset HF_ENDPOINT"),
    ),
    "the token holds a line break": (
        {"HF_TOKEN": "a\nb"},
        *("HF_TOKEN", "broken", "token", ""),
    ),
    "no folder for temporary files": (
        {"TMPDIR": "{here}/nowhere"},
        *("temp folder", "warning", "nowhere", "export TMPDIR="),
    ),
    "more threads than CPUs": (
        {"OMP_NUM_THREADS": "999"},
        *("threads", "warning", "OMP_NUM_THREADS is 999", "export OMP_NUM_THREADS="),
    ),
    "threads that are no number": (
        {"MKL_NUM_THREADS": "all"},
        *("threads", "warning", "MKL_NUM_THREADS is 'all'", "export MKL_NUM_THREADS="),
    ),
    "threads that wait busily": (
        {"OMP_WAIT_POLICY": "ACTIVE"},
        *("threads", "warning", "OMP_WAIT_POLICY is ACTIVE", "unset OMP_WAIT_POLICY"),
    ),
    "a download was never finished": (
        {},
        *("downloads", "warning", "1 download of 0.0 MB stopped", "zoo cache prune"),
    ),
    "no place for the key of what was read": (
        {"XDG_STATE_HOME": "{here}/torn.lock"},
        *("manifests", "warning", "each listing reads all manifests anew"),
        "export XDG_STATE_HOME=",
    ),
    "a lock is a folder": ({}, "cache", "warning", "cannot be taken", "rm -r "),
}


@pytest.fixture(scope="module")
def of_settings(tmp_path_factory: pytest.TempPathFactory, zoo: Path) -> Rows:
    here = tmp_path_factory.mktemp("settings of mine")
    (here / "torn.lock").write_text('{"format": 2, "weights": [')
    cached = here / "cache" / "weights" / ("0" * 64)
    cached.mkdir(parents=True)
    (cached / "w.safetensors.part").write_bytes(b"half")
    two_days_ago_s = time.time() - 2 * 86_400
    os.utime(cached / "w.safetensors.part", (two_days_ago_s, two_days_ago_s))
    (cached / ".w.safetensors.lock").mkdir()
    variables = {
        name: value.format(here=here)
        for given, *_ in SETTINGS.values()
        for name, value in given.items()
    }
    return run_doctor(write_site(here / "site", zoo), **variables, ZOO_OFFLINE="1")[1]


@pytest.mark.parametrize("kind", SETTINGS)
def test_doctor_says_which_setting_or_file_stands_in_the_way(of_settings: Rows, kind: str) -> None:
    """Variables, the lock and the cache; nothing of it is done by --fix."""
    _, name, state, found, mend = SETTINGS[kind]

    row = check_row(of_settings, name, state, found)

    assert mend in (row["fix"] or "")
    assert row["commands"] == []


def test_doctor_says_that_the_network_is_off(of_settings: Rows) -> None:
    assert [row["state"] for row in of_settings if row["name"] == "network"] == ["ok"]


@pytest.mark.skipif(os.name == "nt", reason="cmd quotes in another way")
@pytest.mark.parametrize(
    "word",
    ["a b", "$HOME", 'say "x"', "it's", "`id`", "a\\b", "*", "a;b", "x>=1,<2", "", "é", "!x"],
)
def test_a_line_to_type_is_read_by_the_shell_as_it_was_meant(word: str) -> None:
    """Folders may have any name; the oracle is the shell itself."""
    line = line_of(["printf", "%s|", word, "end"])

    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)

    assert done.stdout == f"{word}|end|"


@pytest.mark.parametrize("option", ["--index-url=http://x", "-rlist.txt", " --pre"])
def test_a_hint_of_a_plugin_gives_pip_no_options(option: str) -> None:
    """What a plugin's check says to install may be run; what changes pip is only shown."""
    mend = mend_of_hint(f'pip install "good>=1" "{option}"')

    assert mend is not None
    assert mend.commands == ()


@pytest.mark.parametrize(
    "word",
    [
        "good @ https://elsewhere.invalid/good.whl",
        "good@file:///tmp/good",
        "git+https://elsewhere.invalid/good",
        "https://elsewhere.invalid/good.whl",
        "/tmp/good",
        "./good",
        "good\nother",
        "good\u200b",
        "two words",
    ],
)
@pytest.mark.parametrize("before", ["", '"good>=1" '])
def test_a_hint_of_a_plugin_installs_by_name_alone(word: str, before: str) -> None:
    """A manifest that nobody has run yet must not bring code from an address of its own."""
    mend = mend_of_hint(f'pip install {before}"{word}"')

    assert mend is not None
    assert mend.commands == ()
    assert word in mend.text


@pytest.mark.parametrize(
    "word", ["good", "good>=1,<2", "good[a,b]~=1.0", "good; python_version>'3'"]
)
def test_a_hint_that_names_a_distribution_can_be_run(word: str) -> None:
    """pip looks for it in the indexes that the user has set."""
    mend = mend_of_hint(f'pip install "{word}"')

    assert mend is not None
    ((*_, install, found),) = mend.commands
    assert (install, found) == ("install", word)
