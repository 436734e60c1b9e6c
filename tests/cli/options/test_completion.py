# SPDX-License-Identifier: Apache-2.0
"""What a shell offers when Tab is pressed, asked for as bash, zsh and fish do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from weights_rows import weights_row

from zoo.cli import main
from zoo.cli.output.groups import LazyGroup

ZOO = Path(sys.executable).with_name("zoo")
HEAVY = {"torch", "numpy", "cv2", "mmengine", "mmcv", "mmseg", "mmdet", "requests", "yaml"}
# Modules that Python, click and zoo need to answer; torch alone brings a thousand.
MODULES = 350
ROWS = """
[[dataset]]
name = "TileDataset"
task = "semantic"
target = "zoo_tiles.d:D"
prepare = "zoo_tiles.d:prepare"
classes = ["ground", "tile"]
licence = "MIT"
summary = "roofs, from above"

[[dataset.option]]
name = "roof-kind"
type = "choice"
choices = ["flat", "steep"]
default = "flat"
help = "which roofs"

[[loss]]
name = "EdgeLoss"
target = "zoo_tiles.edge:EdgeLoss"

[[config]]
name = "unet_tiles"
file = "unet_tiles.py"
summary = "U-Net: of tiles, small"
"""


@pytest.fixture
def environment(tmp_path: Path, write_plugin: Callable[..., Path]) -> dict[str, str]:
    """Return the variables of a user who has one plugin, a broken one, and weights in the cache."""
    rows = f"{ROWS}{weights_row('tiles_v1', config='unet_tiles')}"
    package = write_plugin("tiles", rows, __init__="raise RuntimeError('completion imported this')")
    (package / "unet_tiles.py").write_text("")
    torn = tmp_path / "torn" / "zoo_torn"
    torn.mkdir(parents=True)
    (torn / "zoo_plugin.toml").write_text("[plugin")
    for digest, name in (("0123456789abcdef" * 4, "tiles_v1.safetensors"), ("e" * 64, "odd.pth")):
        cached = tmp_path / "cache" / "weights" / digest / name
        cached.parent.mkdir(parents=True)
        cached.write_bytes(b"abc")
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "HOME": str(tmp_path),
        "ZOO_CACHE": str(tmp_path / "cache"),
        # The last folder is not there, which other commands warn of.
        "ZOO_PLUGIN_PATH": f"{tmp_path}:{tmp_path / 'gone'}",
        "ZOO_PLUGINS": "tiles,torn",
    }


@pytest.fixture
def complete(environment: dict[str, str], tmp_path: Path) -> Callable[..., list[str]]:
    """Return a function that asks for the last word of a line, as the script for bash does."""

    def run(line: str) -> list[str]:
        words = line.split(" ")
        asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
        asked |= {"_ZOO_COMPLETE": "bash_complete"}
        done = subprocess.run(
            [ZOO], capture_output=True, text=True, env=environment | asked, cwd=tmp_path, check=True
        )
        assert done.stderr == ""
        return done.stdout.split()

    return run


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("zoo pl", ["plain,plugin"]),
        ("zoo cache ", ["plain,ls", "plain,rm", "plain,prune"]),
        ("zoo download ", ["plain,tiles_v1"]),
        ("zoo download --offline t", ["plain,tiles_v1"]),
        ("zoo download tiles_v1 t", ["plain,tiles_v1"]),
        ("zoo download x", []),
        ("zoo verify ti", ["plain,tiles_v1"]),
        ("zoo cache rm ", ["plain,odd.pth", "plain,tiles_v1"]),
        ("zoo train u", ["plain,unet_tiles"]),
        ("zoo train ./u", ["file,./u"]),
        ("zoo train unet_tiles --data d", ["file,d"]),
        ("zoo train unet_tiles --launcher s", ["plain,slurm"]),
        ("zoo test t", ["plain,tiles_v1"]),
        ("zoo test unet_tiles work", ["file,work"]),
        ("zoo predict ", ["plain,tiles_v1", "plain,unet_tiles"]),
        ("zoo predict tiles_v1 im", ["file,im"]),
        ("zoo predict tiles_v1 a.png --out o", ["dir,o"]),
        ("zoo config show u", ["plain,unet_tiles"]),
        ("zoo publish run --config un", ["plain,unet_tiles"]),
        ("zoo data prepare ", ["plain,TileDataset", "plain,tiles"]),
        ("zoo data sample Ti", ["plain,TileDataset"]),
        ("zoo data prepare tiles --ro", ["plain,--roof-kind"]),
        ("zoo data prepare tiles --roof-kind s", ["plain,steep"]),
        ("zoo data check data --config u", ["plain,unet_tiles"]),
        ("zoo list --plugin ti", ["plain,tiles"]),
        ("zoo list --task sem", ["plain,semantic"]),
        ("zoo list --wi", ["plain,--wide"]),
        ("zoo info E", ["plain,EdgeLoss"]),
        ("zoo info ti", ["plain,tiles", "plain,tiles_v1"]),
        ("zoo info loss/", ["plain,loss/EdgeLoss"]),
        ("zoo info plugin/t", ["plain,plugin/tiles", "plain,plugin/torn"]),
        ("zoo info nothing/", ["file,nothing/"]),
        ("zoo nothing x", []),
    ],
)
def test_word_is_completed_by_what_its_place_takes(
    complete: Callable[..., list[str]], line: str, expected: list[str]
) -> None:
    """Names of the place's own kind, files where a path will do, and never a word on stderr."""
    assert complete(line) == expected


def test_every_argument_is_completed(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new argument is not forgotten: only free texts have nothing to offer."""
    from zoo.weights.sources.publishing import IndexChange, write_index
    from zoo.weights.sources.updating import add_source

    monkeypatch.setenv("ZOO_CACHE", environment["ZOO_CACHE"])
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_index(tmp_path / "site", IndexChange(name="acme"), None)
    add_source(str(tmp_path / "site"), tolerates=True)

    def walk(group: LazyGroup, path: str = "") -> list[str]:
        found = []
        for name in group.list_commands(click.Context(group)):
            command = group.get_command(click.Context(group), name)
            if isinstance(command, LazyGroup):
                found += walk(command, f"{path}{name} ")
            elif command is not None:
                arguments = [each for each in command.params if isinstance(each, click.Argument)]
                found += [
                    f"{path}{name}"
                    for each in arguments
                    if not each.shell_complete(click.Context(command), "")
                ]
        return found

    assert isinstance(main, LazyGroup)
    assert walk(main) == ["list", "search", "plugin search"]


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_script_for_bash_completes_in_bash(environment: dict[str, str]) -> None:
    """The line that the docs give, then what bash itself does when Tab is pressed."""
    script = """
eval "$(_ZOO_COMPLETE=bash_source zoo)" || exit 1
complete -p zoo
COMP_WORDS=(zoo predict ti); COMP_CWORD=2
_zoo_completion zoo
printf '%s\\n' "${COMPREPLY[@]}"
"""
    path = f"{ZOO.parent}:{environment['PATH']}"

    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        capture_output=True,
        text=True,
        env=environment | {"PATH": path},
        check=True,
    )

    assert done.stdout.splitlines() == ["complete -o nosort -F _zoo_completion zoo", "tiles_v1"]


@pytest.mark.parametrize(
    ("shell", "words", "at", "expected"),
    [
        ("zsh", "zoo train u", "2", ["plain", "unet_tiles", "U-Net: of tiles, small"]),
        ("zsh", "zoo verify t", "2", ["plain", "tiles_v1", "weights of tiles"]),
    ],
)
def test_zsh_shows_what_a_name_is(
    environment: dict[str, str], shell: str, words: str, at: str, expected: list[str]
) -> None:
    """The summary of the manifest stands beside it."""
    asked = {"COMP_WORDS": words, "COMP_CWORD": at, "_ZOO_COMPLETE": f"{shell}_complete"}

    done = subprocess.run(
        [ZOO], capture_output=True, text=True, env=environment | asked, check=True
    )

    assert done.stdout.splitlines() == expected


def test_fish_gets_the_name(environment: dict[str, str]) -> None:
    """It asks with the word itself in place of its number."""
    asked = {"COMP_WORDS": "zoo train u", "COMP_CWORD": "u", "_ZOO_COMPLETE": "fish_complete"}

    done = subprocess.run(
        [ZOO], capture_output=True, text=True, env=environment | asked, check=True
    )

    assert "unet_tiles" in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_script_of_each_shell_is_printed(environment: dict[str, str], shell: str) -> None:
    """The docs name the three lines, word by word."""
    docs = Path(__file__).resolve().parents[3] / "docs" / "commands.md"
    asked = {"_ZOO_COMPLETE": f"{shell}_source"}

    done = subprocess.run(
        [ZOO], capture_output=True, text=True, env=environment | asked, check=True
    )

    assert f"{shell}_complete" in done.stdout
    assert f"_ZOO_COMPLETE={shell}_source zoo" in docs.read_text("utf-8")


@pytest.mark.parametrize("line", ["zoo predict t", "zoo info t", "zoo data prepare tiles --r"])
def test_completion_imports_little_and_nothing_heavy(
    environment: dict[str, str], line: str
) -> None:
    """It answers at each press of a key: what it imports is what it costs, on any machine."""
    code = "import sys, atexit; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); "
    code += "sys.argv = ['zoo']; from zoo.cli import main; main()"
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    asked |= {"_ZOO_COMPLETE": "bash_complete"}

    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environment | asked,
        check=True,
    )

    assert done.stdout.startswith("plain,")
    assert {name.partition(".")[0] for name in done.stderr.split()} & HEAVY == set()
    assert len(done.stderr.split()) < MODULES
