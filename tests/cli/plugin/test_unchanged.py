# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin list`` reads unchanged plugins once, and misses no change."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from zoo.catalog import forget_catalog
from zoo.cli import main
from zoo.cli.plugin.unchanged import _surroundings

MANIFEST = """
[plugin]
name = "roofs"
version = "0.1.0"
api = 1
summary = "Roofs"
license = "MIT"

[requires]
distributions = ["made-up-tiles>=1"]

[[loss]]
name = "EdgeLoss"
target = "zoo_roofs.edge:EdgeLoss"

[[config]]
name = "unet_roofs"
file = "configs/unet_roofs.py"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a plugin without a fault, and what it requires; listings find no other."""
    found = tmp_path / "plugins/roofs/zoo_roofs"
    (found / "configs").mkdir(parents=True)
    (found / "zoo_plugin.toml").write_text(MANIFEST)
    (found / "__init__.py").write_text("")
    (found / "edge.py").write_text("from zoo_roofs.inner import EdgeLoss\n")
    (found / "inner.py").write_text("class EdgeLoss: ...\n")
    (found / "configs/unet_roofs.py").write_text("model = dict()\n")
    required = tmp_path / "site/made_up_tiles-1.0.dist-info"
    required.mkdir(parents=True)
    (required / "METADATA").write_text("Metadata-Version: 2.1\nName: made-up-tiles\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(required.parent))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(found.parent))
    monkeypatch.setenv("ZOO_PLUGINS", "roofs")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return found


def listed() -> dict[str, str]:
    """Return the row of the plugin, as a process that has just started prints it."""
    forget_catalog()
    _surroundings.cache_clear()
    sys.modules["zoo.manifest.requirements"].find_installed.cache_clear()
    result = CliRunner().invoke(main, ["plugin", "list", "--json"])
    assert result.exit_code == 0, result.output
    (row,) = json.loads(result.stdout)
    return dict(row)


def rewrite_alike(path: Path) -> None:
    """Write other bytes of the same number, and put the time of the file back."""
    before = path.stat()
    path.write_text(path.read_text().replace("class EdgeLoss: ...", "class SideLoss: ..."))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (before.st_size, before.st_mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns)


CHANGES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no Python": (lambda p: (p / "edge.py").write_text("def ("), "broken", "not Python"),
    "a renamed class": (lambda p: rewrite_alike(p / "inner.py"), "broken", "no EdgeLoss"),
    "a lost module": (lambda p: (p / "edge.py").unlink(), "broken", "module of loss"),
    "a lost config": (lambda p: (p / "configs/unet_roofs.py").unlink(), "broken", "unet_roofs.py"),
    "another target": (
        lambda p: (p / "zoo_plugin.toml").write_text(MANIFEST.replace(":Edge", ":Ridge")),
        "broken",
        "no RidgeLoss",
    ),
    "an uninstalled package": (
        lambda p: shutil.rmtree(p.parents[2] / "site/made_up_tiles-1.0.dist-info"),
        "missing",
        "made-up-tiles>=1 (not installed)",
    ),
    "a downgraded package": (
        lambda p: (p.parents[2] / "site/made_up_tiles-1.0.dist-info/METADATA").write_text(
            "Metadata-Version: 2.1\nName: made-up-tiles\nVersion: 0.9\n"
        ),
        "broken",
        "made-up-tiles 0.9",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_listing_after_a_change_tells_its_fault_as_the_first_one_would(
    package: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found clean is read again once any file of it, or a requirement, has changed."""
    apply, state, reason = CHANGES[change]
    assert [listed()["state"], listed()["state"]] == ["ok", "ok"]

    apply(package)
    found = listed()

    assert (found["state"], reason in found["error"]) == (state, True), found
    assert listed() == found
    monkeypatch.setenv("XDG_STATE_HOME", str(package / "another"))
    assert listed() == found


@pytest.mark.parametrize(
    "text", ["", "{", "[1]", '{"a": 1}', '{"a": {"b": {"c": 1}}}', "\0", None], ids=repr
)
def test_listing_with_a_damaged_note_is_as_without_one(package: Path, text: str | None) -> None:
    """The note of clean plugins is a hint: damaged, or a folder, it is as if there were none."""
    note = Path(os.environ["XDG_STATE_HOME"]) / "zoo/plugins.json"
    note.parent.mkdir(parents=True)
    if text is None:
        note.mkdir()
    else:
        note.write_text(text)

    states = [listed()["state"], listed()["state"]]

    (package / "edge.py").write_text("def (")
    assert [*states, listed()["state"]] == ["ok", "ok", "broken"]


def test_second_listing_parses_no_code_of_plugins(package: Path) -> None:
    """Once found clean, a plugin costs a look at its files: neither rules nor ``ast`` come in."""
    code = (
        "import sys; from zoo.cli import main; main(['plugin', 'list'], standalone_mode=False);"
        "print(*[name for name in ('zoo.checking.subject', 'packaging') if name in sys.modules])"
    )

    environment = {**os.environ, "PYTHONPATH": str(package.parents[2] / "site")}
    command = [sys.executable, "-c", code]

    runs = [
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        for _ in range(2)
    ]

    assert runs[1].stdout.splitlines()[-1] == ""
    assert runs[0].stdout.splitlines()[:-1] == runs[1].stdout.splitlines()[:-1]
    assert package.name not in runs[1].stderr
