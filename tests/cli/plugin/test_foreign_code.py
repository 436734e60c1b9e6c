# SPDX-License-Identifier: Apache-2.0
"""What runs the code of a plugin that is not installed, where foreign code is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from plugin_project import write_project

from zoo.catalog import forget_catalog
from zoo.checking.lookup import check_may_run, found_subject
from zoo.errors import PluginError

pytestmark = pytest.mark.mm


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project whose package and whose build each leave a file behind."""
    folder = tmp_path / "ponds"
    write_project(folder)
    for path in ("setup.py", "zoo_ponds/__init__.py", "zoo_ponds/loss.py"):
        file = folder / path
        file.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\n{file.read_text()}")
    return folder


@pytest.mark.parametrize("words", [["check", "--deep"], ["build", "--no-isolation"]])
def test_code_of_a_plugin_elsewhere_is_refused(
    project: Path, env_of_zoo: dict[str, str], words: list[str]
) -> None:
    """To check a plugin is to run it, and so is to build it; what the hint says leads out."""

    def zoo(*words: str) -> subprocess.CompletedProcess[str]:
        environment = env_of_zoo | {"ZOO_NO_FOREIGN_CODE": "1", "ZOO_PLUGINS": ""}
        command = [sys.executable, "-m", "zoo", "plugin", *words]
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, check=False
        )

    refused, read = zoo(words[0], ".", *words[1:]), zoo("check", ".", "--static")

    assert refused.returncode == 1
    assert "cannot run the code of the plugin 'ponds': it is not installed, and" in refused.stderr
    assert "--static" in refused.stderr.partition("HINT: ")[2]
    assert "cannot run" not in read.stderr
    assert "ponds: " in read.stdout
    assert not (project.parent / "ran").exists()


def test_code_of_a_plugin_that_zoo_finds_is_not_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has it on ZOO_PLUGIN_PATH has chosen to run it."""
    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "1")
    monkeypatch.setenv("ZOO_PLUGIN_PATH", "")
    with found_subject(str(project)) as subject:
        with pytest.raises(PluginError, match="ZOO_NO_FOREIGN_CODE refuses"):
            check_may_run(subject, "read it")

        monkeypatch.setenv("ZOO_PLUGIN_PATH", str(project))
        monkeypatch.setenv("ZOO_PLUGINS", "ponds")
        forget_catalog()
        check_may_run(subject, "read it")
