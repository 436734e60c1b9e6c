# SPDX-License-Identifier: Apache-2.0
"""A command whose plugin is left out or not installed says so, and leads out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import click
import pytest

from zoo.cli import main

ROOT = Path(__file__).resolve().parents[3]
CODE = "import click\n\n\n@click.command()\ndef command():\n    click.echo('hello')\n"
ROW = '[[command]]\nname = "{name}"\ntarget = "zoo_{plugin}.code:command"\n'
OTHERS = ["plugin", "data"]


@pytest.fixture
def zoo(tmp_path: Path, write_plugin: Callable[..., Path]) -> Callable[..., tuple[int, str]]:
    """Write plugins with a command for ``zoo`` and for each group; return what runs ``zoo``."""
    for plugin, group in (("ponds", None), *((f"ponds_{each}", each) for each in OTHERS)):
        row = ROW.format(name="greet", plugin=plugin) + (f'group = "{group}"\n' if group else "")
        write_plugin(plugin, row, code=CODE)

    def run(*words: str, **variables: str) -> tuple[int, str]:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ZOO_PLUGIN_PATH": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *words],
            capture_output=True,
            text=True,
            env=env | variables,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("group", [None, *OTHERS])
def test_a_command_left_out_names_its_plugin_and_what_leaves_it_out(
    zoo: Callable[..., tuple[int, str]], group: str | None
) -> None:
    """And what it says to do runs the command, by either name."""
    plugin = f"ponds_{group}" if group else "ponds"
    words = [group] if group else []
    for name in ("greet", f"{plugin}.greet"):
        code, text = zoo("--no-plugins", *words, name)
        assert code == 2
        assert f"no such command '{name}'. The plugin {plugin} has it" in text
        assert "is left out by --no-plugins: run it without that option." in text
        code, text = zoo(*words, name, ZOO_PLUGINS="other")
        assert code == 2
        found = re.search(r"is left out by ZOO_PLUGINS: set ZOO_PLUGINS=(\S+)", text)
        assert found is not None
        assert found[1] == f"other,{plugin}"
        assert zoo(*words, name, ZOO_PLUGINS=found[1])[1].startswith("hello\n")


def test_a_command_that_no_plugin_has_says_that_plugins_are_left_out(
    zoo: Callable[..., tuple[int, str]],
) -> None:
    """Where it is not one of zoo's own, mistyped."""
    assert "--no-plugins leaves out the commands of plugins" in zoo("--no-plugins", "swim")[1]
    assert "Did you mean list?" in zoo("--no-plugins", "lisst")[1]
    assert "plugins" not in zoo("swim")[1].partition("no such command")[2]


@pytest.mark.parametrize(
    ("words", "distribution"),
    [(["plot"], "mmzoo-run-plots"), (["plugin", "new"], "mmzoo-plugin-templates")],
)
def test_a_command_of_a_plugin_published_with_zoo_names_its_distribution(
    tmp_path: Path, words: list[str], distribution: str
) -> None:
    """In an environment that has zoo alone, which is neither a checkout nor has its plugins."""
    shutil.copytree(ROOT / "zoo", tmp_path / "zoo", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("click", "packaging", "platformdirs"):
        packages = Path(str(metadata.distribution(name).locate_file("")))
        (tmp_path / name).symlink_to(packages / name)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    for more in ([], ["--no-plugins"]):
        line = [sys.executable, "-S", "-m", "zoo", *more, *words]
        done = subprocess.run(
            line, capture_output=True, text=True, env=env, cwd=tmp_path, check=False
        )
        assert done.returncode == 2, done.stderr
        assert f"A plugin has it now: pip install {distribution}" in done.stderr
        assert ("run it without --no-plugins" in done.stderr) == bool(more)


def test_the_list_of_shipped_commands_is_what_the_tool_writes_today() -> None:
    tool = ROOT / "tools" / "shipped_commands.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("before", [None, "", "dice_loss"])
@pytest.mark.parametrize(
    "words", [["--help"], ["list", "--help"], ["swim"], ["--swim"], ["--version"]]
)
def test_no_plugins_leaves_the_environment_of_a_caller_as_it_was(
    words: list[str], before: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the command line in this process."""
    monkeypatch.delenv("ZOO_PLUGINS", raising=False)
    if before is not None:
        monkeypatch.setenv("ZOO_PLUGINS", before)

    with pytest.raises((SystemExit, click.exceptions.ClickException)):
        main(["--no-plugins", *words])

    assert os.environ.get("ZOO_PLUGINS") == before
