# SPDX-License-Identifier: Apache-2.0
"""The plugins of this checkout hold every static rule, and none of them is imported for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.catalog import forget_catalog
from zoo.checking.lookup import subject_of_folder
from zoo.checking.rules import all_rules
from zoo.checking.running import check_plugin

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))


@pytest.fixture
def whole_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the plugins of the checkout, whose configs name each other's types."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{ROOT / 'plugins'}:{ROOT / 'configs'}")
    forget_catalog()


@pytest.mark.parametrize("folder", [*PLUGINS, ROOT / "configs"], ids=lambda path: path.name)
@pytest.mark.usefixtures("whole_catalog")
def test_shipped_plugin_holds_every_static_rule(folder: Path) -> None:
    """No error, and the rules had something to look at."""
    report = check_plugin(subject_of_folder(folder), all_rules(), stages=["static"])

    assert report.errors == ()
    assert report.cases > 20


_AUDIT = """
import sys
own = sys.argv.pop(1)
opened = []
def note(event, args):
    if event == "import" and args[0].partition(".")[0] in (own, "torch", "mmengine", "mmseg"):
        opened.append(args[0])
    if event == "exec" and own in str(getattr(args[0], "co_filename", "")):
        opened.append(args[0].co_filename)
sys.addaudithook(note)
from zoo.cli import main
try:
    main()
except SystemExit as end:
    print(end.code, opened, file=sys.stderr)
"""


@pytest.mark.parametrize("folder", PLUGINS[:1] + PLUGINS[-1:], ids=lambda path: path.name)
def test_static_check_imports_nothing_of_a_plugin_and_runs_no_config(folder: Path) -> None:
    """An audit hook sees each import and each run of a file's code: there is none."""
    words = ["plugin", "check", str(folder), "--static", "--json"]
    package = f"zoo_{folder.name}"

    run = subprocess.run(
        [sys.executable, "-c", _AUDIT, package, *words], capture_output=True, text=True, check=False
    )

    assert run.stderr.splitlines()[-1] == "0 []", run.stderr
    assert json.loads(run.stdout)["plugin"] == folder.name
