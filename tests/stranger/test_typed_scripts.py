# SPDX-License-Identifier: Apache-2.0
"""A user's script under ``mypy --strict``, beside an editable install of zoo and of a plugin."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
# What an editable install is made of; a copy, so that nothing is written into the checkout.
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "zoo", "configs")
PLUGIN = "lung_xray"

NAMES = """
import zoo
from zoo import InstanceResult, Predictor, SemanticResult

def lung_px(predict: Predictor[SemanticResult], path: str) -> int:
    return predict(path).areas_px["lung"]

def describe(predict: Predictor, path: str) -> str:
    result = predict(path)
    if result.task == "semantic":
        return f"{result.labels.shape} {result.areas_px['lung']} {result.areas_mm2}"
    return f"{len(result)} {result.boxes.shape} {result.counts['tank']} {result.mask(0).sum()}"

def kind(result: SemanticResult | InstanceResult) -> str:
    return "labels" if isinstance(result, SemanticResult) else f"{result.scores.max():.2f}"

tanks: Predictor[InstanceResult] = zoo.load("work_dirs/tanks", task="instance", score_thr=0.3)
either: Predictor = tanks
counts: dict[str, int] = tanks("scene.tif").counts
overlay = either("scene.tif").overlay()
height_px: int = overlay.shape[0]
names: list[str] = [row.name for row in zoo.list_weights(task="semantic") if row.licence]
size_bytes: int = zoo.download(names[0]).stat().st_size
digest: str = (zoo.list_weights()[0].sha256 or "unknown")[:8]
tensors: list[str] = list(zoo.load_checkpoint("w.pth").state_dict)
plugins: list[str] = [record.name for record in zoo.read_catalog().plugins]
try:
    zoo.load("no_such")
except zoo.ZooError as error:
    hint: str | None = error.hint
"""
# Line -> what mypy must say of it.
MISTAKES = {
    'zoo.lod("unet")': 'Module has no attribute "lod"',
    'zoo.load("unet", task="panoptic")': 'No overload variant of "load" matches',
    'zoo.load("unet", devise="cpu")': 'No overload variant of "load" matches',
    'zoo.load("unet", task="semantic")("x.png").boxes': (
        '"SemanticResult" has no attribute "boxes"'
    ),
    'zoo.load("tanks", task="instance")("x.png").labels': (
        '"InstanceResult" has no attribute "labels"'
    ),
    'zoo.load("unet")("x.png").labels': (
        'Item "InstanceResult" of "SemanticResult | InstanceResult" has no attribute "labels"'
    ),
    'zoo.load("unet", task="semantic")(3)': 'Argument 1 to "__call__" of "Predictor"',
    "size: int = zoo.download(3)": 'Argument 1 to "download" has incompatible type "int"',
    "name: int = zoo.list_weights()[0].name": 'expression has type "str", variable has type "int"',
    'zoo.list_weights(tasks="semantic")': 'Unexpected keyword argument "tasks"',
}


def _readme() -> str:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def _guide() -> str:
    text = (ROOT / "docs" / "guide" / "weights.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def _install(folder: Path) -> Path:
    """Return the Python of a new environment with editable installs of zoo and a plugin."""
    core, plugin = folder / "core", folder / PLUGIN
    skip = shutil.ignore_patterns("__pycache__", "build", "*.egg-info", "weights")
    core.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, core / name)
        else:  # zoo.weights is code, a plugin's weights are not
            shutil.copytree(ROOT / name, core / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "plugins" / PLUGIN, plugin, ignore=skip)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    place = next((folder / "venv").glob("lib/python3*/site-packages"))
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(("zoo", "mmzoo", "__editable__", "distutils-precedence")):
            (place / entry.name).symlink_to(entry)
    python = folder / "venv" / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet"]
    command += ["--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*command, "-e", core, "-e", plugin], check=True, cwd=folder)
    return python


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _install(tmp_path_factory.mktemp("editable"))


@pytest.fixture(scope="module")
def said(python: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What mypy says of all scripts, checked at once: it reads torch's sources only once."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "readme.py").write_text(_readme())
    (folder / "guide.py").write_text(_guide())
    (folder / "names.py").write_text(NAMES)
    (folder / "plugin.py").write_text("import zoo_lung_xray.masks as m\nx: int = m.binarize_mask\n")
    (folder / "mistakes.py").write_text("\n".join(["import zoo", *MISTAKES]) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python)]
    command += ["--cache-dir", str(folder / "cache"), "--no-error-summary", "--hide-error-context"]
    scripts = sorted(path.name for path in folder.glob("*.py"))
    done = subprocess.run(
        [*command, *scripts], cwd=folder, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.stderr == ""
    return [line for line in done.stdout.splitlines() if ": note:" not in line]


@pytest.mark.parametrize("script", ["readme", "guide", "names"])
def test_script_of_a_user_under_mypy_strict_passes(script: str, said: list[str]) -> None:
    """The README's and the guide's own Python, and every type that a user would name."""
    text = {"readme": _readme(), "guide": _guide(), "names": NAMES}[script]

    assert text.count("zoo.load(") >= 1
    assert [line for line in said if line.startswith(f"{script}.py:")] == []


@pytest.mark.parametrize("line", MISTAKES)
def test_mistake_of_a_user_under_mypy_strict_is_told(line: str, said: list[str]) -> None:
    number = 2 + list(MISTAKES).index(line)

    told = [text for text in said if text.startswith(f"mistakes.py:{number}:")]

    assert any(MISTAKES[line] in text for text in told), told


def test_plugin_in_an_editable_install_has_types(said: list[str]) -> None:
    told = [line for line in said if line.startswith("plugin.py:")]

    assert len(told) == 1
    assert "Incompatible types in assignment" in told[0]


def test_editable_install_lists_the_configs_of_its_checkout_without_trouble(python: Path) -> None:
    """The configs are not installed; those of the checkout are found, and no row is broken."""
    code = "import sys; from zoo.cli import main; sys.argv = ['zoo', 'plugin', 'list']; main()"
    (python.parents[2] / "core" / "plugins").mkdir(exist_ok=True)

    done = subprocess.run(
        [python, "-c", code], cwd=python.parent, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert sum(row.startswith(("configs ", f"{PLUGIN} ")) for row in rows) == 2, rows
    assert "cannot" not in done.stdout + done.stderr
