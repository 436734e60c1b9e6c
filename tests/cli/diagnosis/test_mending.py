# SPDX-License-Identifier: Apache-2.0
"""``zoo doctor --fix`` in a virtual environment of its own, with wheels in a folder for pip."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from broken_environments import (
    ROOT,
    STACK,
    remove_dist_info,
    version_of,
    write_dist_info,
    write_site,
    write_stub,
    write_wheel,
)
from terminal import Terminal
from weights_rows import weights_row

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="the environment is made of links"),
]
WEIGHTS = b"weights, as far as a digest can tell"


class Environment(NamedTuple):
    """A virtual environment of stubs and pip.

    Attributes:
        python: Its Python.
        site: Its packages.
        wheels: The only folder in which its pip looks for packages.
    """

    python: Path
    site: Path
    wheels: Path

    def variables(self) -> dict[str, str]:
        home = str(self.wheels.parent)
        env = {"PATH": f"{self.python.parent}:/usr/bin:/bin", "HOME": home}
        env |= {"ZOO_CACHE": f"{home}/cache", "PIP_NO_INDEX": "1", "TERM": "dumb"}
        env |= {"PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return env | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_CACHE_DIR": "1"}

    def doctor(self, *options: str) -> subprocess.CompletedProcess[str]:
        words = [str(self.python), "-m", "zoo", "doctor", *options]
        return subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=self.variables(),
            cwd=self.wheels.parent,
            check=False,
        )

    def versions(self) -> dict[str, str]:
        """Return what is installed, as its files say."""
        names = [path.name.removesuffix(".dist-info") for path in self.site.glob("*.dist-info")]
        return {name: number for name, _, number in (each.rpartition("-") for each in names)}


def _environment(folder: Path) -> Environment:
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder / "my env")], check=True
    )
    (site,) = (folder / "my env" / "lib").glob("python3*/site-packages")
    shutil.copytree(
        ROOT / "zoo", folder / "zoo", ignore=shutil.ignore_patterns("__pycache__"), symlinks=True
    )
    write_site(site, folder / "zoo")
    pip = distribution("pip")
    (site / "pip").symlink_to(Path(str(pip.locate_file("pip"))))
    (folder / "wheels").mkdir()
    return Environment(folder / "my env" / "bin" / "python", site, folder / "wheels")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Return a sound environment in a folder whose name needs quotes."""
    return _environment(tmp_path)


def break_all(env: Environment) -> None:
    """Break what `--fix` may mend, and put what mends it into the folder of wheels."""
    # setuptools that dropped pkg_resources
    remove_dist_info(env.site, "setuptools")
    write_dist_info(env.site, "setuptools", "82.0.1")
    shutil.rmtree(env.site / "pkg_resources")
    write_wheel(env.wheels, "setuptools", "81.0.0", {"pkg_resources/__init__.py": b""})
    # two OpenCVs
    write_dist_info(env.site, "opencv-python-headless", "4.9.0.80", files="cv2/__init__.py")
    write_wheel(env.wheels, "opencv-python", version_of("opencv-python"), {"cv2/__init__.py": b""})
    # a compiled mmcv of another torch, over mmcv-lite
    (env.site / "mmcv" / "_ext.py").write_text("raise OSError('undefined symbol: _ZN2')")
    files = "mmcv/__init__.py mmcv/_ext.py"
    write_dist_info(env.site, "mmcv", "2.0.1", files=files)
    lite = {"mmcv/__init__.py": b"import cv2\n", "mmcv/_ext.py": b""}
    write_wheel(env.wheels, "mmcv-lite", "2.1.0", lite)
    # an import that crashes, and one that was built for NumPy 1
    write_stub(env.site, "simplejpeg", "import os\nos.abort()\n")
    write_wheel(
        env.wheels, "simplejpeg", version_of("simplejpeg"), {"simplejpeg/__init__.py": b"ok = 1\n"}
    )
    write_stub(env.site, "pycocotools", "raise ValueError('numpy.dtype size changed')")
    write_wheel(env.wheels, "pycocotools", "99.0", {"pycocotools/__init__.py": b""})
    # torchvision of another torch
    write_dist_info(env.site, "torchvision", "0.20.1", "Requires-Dist: torch (==2.5.1)")
    minor = int(version_of("torch").split(".")[1])
    needs = f"Requires-Dist: torch (=={version_of('torch')})"
    write_wheel(env.wheels, "torchvision", f"0.{minor + 15}.0", {"torchvision.py": b""}, needs)
    # a plugin that lacks its weights, and the package that it requires
    write_wheel(env.wheels, "needed-thing", "2.1", {"needed_thing.py": b""})
    path = write_wheel(env.wheels, "mmzoo-shipping", "0.1.0", plugin_files())
    words = [str(env.python), "-m", "pip", "install", "--quiet", str(path)]
    subprocess.run(words, env=env.variables(), check=True)
    (env.site / "zoo_shipping" / "w.safetensors").unlink()


def plugin_files() -> dict[str, bytes]:
    head = '[plugin]\nname = "shipping"\nversion = "0.1.0"\napi = 1\nsummary = "s"\n'
    head += 'license = "MIT"\n[requires]\ndistributions = ["needed-thing>=2"]\n'
    row = weights_row("w", WEIGHTS, urls=["package:w.safetensors"])
    info = "mmzoo_shipping-0.1.0.dist-info/entry_points.txt"
    return {
        "zoo_shipping/__init__.py": b"import zoo\n",
        "zoo_shipping/zoo_plugin.toml": f"{head}{row}".encode(),
        "zoo_shipping/w.safetensors": WEIGHTS,
        info: b"[zoo.plugins]\nshipping = zoo_shipping\n",
    }


MENDED = (
    *("setuptools", "opencv-python twice", "mmcv twice", "mmcv ops", "simplejpeg", "pycocotools"),
    *("torchvision", "plugin shipping"),
)


@pytest.fixture(scope="module")
def mended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, Environment]:
    """Break an environment in all ways, and run ``--fix --yes``; return what it was and what is."""
    env = _environment(tmp_path_factory.mktemp("fix"))
    break_all(env)
    before = env.doctor("--json")
    done = env.doctor("--fix", "--yes", "--json")
    assert before.returncode == 1
    return json.loads(before.stdout), done, env


@pytest.mark.parametrize("name", ["pkg_resources", *MENDED[1:]])
def test_fix_with_yes_mends_what_is_broken(mended: tuple[Any, Any, Environment], name: str) -> None:
    """The checks that run again afterwards no longer find it."""
    before, done, _ = mended
    after = json.loads(done.stdout)

    assert [row for row in before if row["name"] == name and row["state"] != "ok"]
    assert [row for row in after if row["name"] == name and row["state"] != "ok"] == [], done.stderr


def test_fix_with_yes_ends_as_the_checks_afterwards_do(
    mended: tuple[Any, Any, Environment],
) -> None:
    """Each command was shown, and pip really changed the environment."""
    before, done, env = mended

    installed = env.versions()
    assert done.returncode == 0, done.stderr
    lines = [row["fix"] for row in before if row["state"] != "ok" and row["commands"]]
    assert [line for line in lines if line not in done.stderr] == []
    assert "opencv_python_headless" not in installed
    assert "mmcv" not in installed
    assert installed["pycocotools"] == "99.0"
    assert (env.site / "zoo_shipping" / "w.safetensors").read_bytes() == WEIGHTS


def test_fix_that_fails_uninstalls_nothing_and_says_so(environment: Environment) -> None:
    """Without a network pip finds no replacement: the second OpenCV stays, and it ends with 1."""
    write_dist_info(environment.site, "opencv-python-headless", version_of("opencv-python"))
    (environment.site / "matplotlib" / "__init__.py").write_text("raise ImportError('torn')")
    before = environment.versions()

    done = environment.doctor("--fix", "--yes")

    assert done.returncode == 1
    assert "failed: pip found no replacement, so nothing was uninstalled." in done.stderr
    assert "failed: it ended with code 1." in done.stderr
    assert environment.versions() == before
    assert "import fails: torn" in done.stdout


_SLOW_PIP = """
import sys, time
if sys.argv[1] == "install" and "--dry-run" not in sys.argv:
    print("pip is installing", file=sys.stderr, flush=True)
    time.sleep(0 if {fails} else 60)
    sys.exit(7)
for name in [name for name in sys.modules if name.partition(".")[0] == "pip"]:
    del sys.modules[name]
sys.path.insert(0, {real!r})
from pip._internal.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("ending", ["failure", "Ctrl-C", "SIGTERM"])
def test_fix_that_ends_between_uninstall_and_install_brings_the_package_back(
    environment: Environment, ending: str
) -> None:
    """It says what is gone, and the line that it prints, typed as it stands, mends it."""
    env, version = environment, version_of("opencv-python")
    write_dist_info(env.site, "opencv-python-headless", "4.9.0.80", files="cv2/__init__.py")
    for name in ("opencv-python", "opencv-python-headless"):
        write_wheel(env.wheels, name, version, {"cv2/__init__.py": b""})
        write_wheel(env.wheels, name, "4.9.0.80", {"cv2/__init__.py": b""})
    real = env.wheels.parent / "real"
    real.mkdir()
    (env.site / "pip").rename(real / "pip")
    pip = write_stub(env.site, "pip")
    (pip / "__main__.py").write_text(_SLOW_PIP.format(fails=ending == "failure", real=str(real)))
    words = [str(env.python), "-m", "zoo", "doctor", "--fix", "--yes"]

    terminal = Terminal(words, environment=env.variables(), folder=env.wheels.parent)
    assert terminal.wait_for("pip is installing"), terminal.text
    if ending == "Ctrl-C":
        terminal.press_ctrl_c()
    elif ending == "SIGTERM":
        os.kill(terminal.pid, signal.SIGTERM)
    exit_code = terminal.wait()

    assert exit_code == {"failure": 1, "Ctrl-C": 130, "SIGTERM": 143}[ending]
    assert "opencv-python, opencv-python-headless are no longer installed" in terminal.text
    told = terminal.text.partition("are no longer installed")[2].splitlines()[1].strip()
    assert "-m pip install" in told
    shutil.rmtree(pip)
    (real / "pip").rename(env.site / "pip")
    subprocess.run(["sh", "-c", told], env=env.variables(), check=True)
    assert {"opencv_python", "opencv_python_headless"} & set(env.versions())
    assert (env.site / "cv2" / "__init__.py").exists()


def test_fix_without_a_terminal_asks_for_yes(environment: Environment) -> None:
    """Nothing can be asked there, and nothing is run."""
    done = environment.doctor("--fix")

    assert done.returncode == 2
    assert "add --yes" in done.stderr


@pytest.mark.parametrize("answer", ["n", "y"])
def test_fix_on_a_terminal_asks_before_it_runs(environment: Environment, answer: str) -> None:
    """No is an answer, and the finding stays; after yes it is gone."""
    name, module = STACK["simplejpeg"][0], "simplejpeg"
    write_stub(environment.site, module, "raise ImportError('torn')")
    write_wheel(environment.wheels, name, version_of(name), {f"{module}/__init__.py": b"ok = 1\n"})
    words = [str(environment.python), "-m", "zoo", "doctor", "--fix"]

    terminal = Terminal(
        words, environment=environment.variables(), folder=environment.wheels.parent
    )
    assert terminal.wait_for("run it\\?"), terminal.text
    terminal.type(f"{answer}\n")
    exit_code = terminal.wait()

    assert exit_code == (0 if answer == "y" else 1)
    text = (environment.site / module / "__init__.py").read_text()
    assert text == ("ok = 1\n" if answer == "y" else "raise ImportError('torn')")
