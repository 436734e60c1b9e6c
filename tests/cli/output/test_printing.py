# SPDX-License-Identifier: Apache-2.0
"""What commands print: nothing that a terminal acts upon, and a right end where it is lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import zoo.cli
from zoo.cli import main

RunZoo = Callable[..., subprocess.CompletedProcess[str]]

# Clears the screen, forges a line, turns letters round, sets a title, a C1 control, no character.
HOSTILE = "\x1b[2J|\nHINT: rm -rf ~|\r|\u202egnp|\x1b]0;x\x07|\x9b31m|\u2028|\ufeff|\u200b"
NAME = "zoo_hostile"
MANIFEST = """
[plugin]
name = "hostile"
version = "0.1.0"
api = 1
summary = {text}
license = {text}
homepage = {text}

[[dataset]]
name = "D"
task = "semantic"
target = "zoo_hostile.d:D"
prepare = "zoo_hostile.d:prepare"
classes = ["background", {text}]
licence = {text}
summary = {text}

[[dataset.option]]
name = "o"
type = "str"
help = {text}

[[loss]]
name = "L"
target = "zoo_hostile.d:L"
summary = {text}

[[config]]
name = "c"
file = "c.py"
summary = {text}

[[weights]]
name = "w"
task = "semantic"
config = {text}
urls = ["https://example.org/w.safetensors"]
sha256 = "{digest}"
size_bytes = 1
format = "safetensors"
licence = {text}
data_licence = {text}
parameters = 1
metrics = [{{ name = {text}, value = 1, dataset = {text}, split = {text}, labels = "true", \
protocol = {text} }}]

[[legacy_index]]
file = "old.json"
"""
COLUMNS = "name task tasks config architecture datasets metrics memory_gb url sha256_prefix note"
LISTINGS = [
    ("list",),
    ("list", "--legacy"),
    ("info", "D"),
    ("info", "L"),
    ("info", "c"),
    ("info", "w"),
    ("info", "old"),
    ("info", "hostile"),
    ("plugin", "list"),
    ("config", "list"),
    pytest.param(("config", "show", "c"), marks=[pytest.mark.mm, pytest.mark.slow]),
    ("data", "list"),
    ("data", "prepare", "D", "--help"),
    ("download", "w", "--dry-run"),
]


def _index(text: str) -> str:
    cells = ["old", "semantic", ["semantic"], None, [text], [text], [[text, 1, text]], 1]
    cells += ["https://example.org/old.pth", None, text]
    content = {"format": 1, "licence": text, "data_licence": text, "columns": COLUMNS.split()}
    return json.dumps({**content, "rows": [cells]})


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Write plugins whose every free text, and one whose folder's name, is hostile."""
    package = tmp_path / "hostile" / NAME
    package.mkdir(parents=True)
    text = json.dumps(HOSTILE)
    (package / "zoo_plugin.toml").write_text(MANIFEST.format(text=text, digest="ab" * 32))
    (package / "old.json").write_text(_index(HOSTILE))
    (package / "c.py").write_text(f"name = {HOSTILE!r}\n")
    broken = tmp_path / "broken" / HOSTILE.replace("/", "")
    broken.mkdir(parents=True)
    (broken / "zoo_plugin.toml").write_text(f"[plugin]\nname = {text}\nsummary = {text}\n")
    return tmp_path


def check_printable(text: str) -> None:
    """Nothing of the text is acted upon by a terminal, and no line was forged."""
    strange = {each for each in text if not each.isprintable() and each != "\n"}
    assert strange == set(), text
    assert not [line for line in text.split("\n") if line.startswith("HINT: rm")], text


@pytest.mark.parametrize("args", LISTINGS, ids=" ".join)
def test_listing_of_hostile_texts_is_printable(
    run_zoo: RunZoo, hostile: Path, args: tuple[str, ...]
) -> None:
    """Every listing, every free text of a manifest and of an index, as the real command prints."""
    done = run_zoo(*args, plugins=f"hostile,{HOSTILE}", folder=hostile)

    assert done.returncode == 0, done.stderr
    check_printable(done.stdout)
    check_printable(done.stderr)


JSON_LISTINGS = [
    ("list", "--legacy"),
    *(("info", name) for name in ("D", "L", "c", "w", "old", "hostile")),
    *(("plugin", "list"), ("config", "list"), ("data", "list")),
]


@pytest.mark.parametrize("args", JSON_LISTINGS, ids=" ".join)
def test_listing_as_json_is_printable_and_loses_nothing(
    hostile: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]
) -> None:
    """A terminal is as safe, and whoever parses it gets the very text."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(hostile))

    done = CliRunner().invoke(main, [*args, "--json"])

    assert done.exit_code == 0, done.output
    check_printable(done.stdout)
    assert HOSTILE in str(_texts(json.loads(done.stdout)))


def _texts(value: Any) -> list[str]:
    """Return every text of a document, joined nowhere, so that escapes are undone."""

    class All(list[str]):
        def __str__(self) -> str:
            return "\0".join(self)

    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return All(text for part in value for text in _texts(part))
    return All([value] if isinstance(value, str) else [])


@pytest.mark.parametrize(
    "args",
    [
        ("info", "broken"),
        ("data", "check", HOSTILE),
        ("download", HOSTILE),
        pytest.param(("plot", HOSTILE, "--out", "x.png"), marks=[pytest.mark.mm, pytest.mark.slow]),
        pytest.param(("train", HOSTILE), marks=[pytest.mark.mm, pytest.mark.slow]),
    ],
    ids=lambda args: args[0],
)
def test_error_about_hostile_texts_is_printable(
    run_zoo: RunZoo, hostile: Path, args: tuple[str, ...]
) -> None:
    """Messages, places and logs are made printable like listings."""
    plugins = "hostile,broken,run_plots"
    done = run_zoo(*args, plugins=plugins, folder=hostile)

    assert done.returncode in (1, 2), done.stdout
    assert "Traceback" not in done.stderr
    check_printable(done.stdout + done.stderr)


@pytest.mark.mm
def test_problems_of_hostile_file_names_are_printable(run_zoo: RunZoo, tmp_path: Path) -> None:
    """A file that was put into a prepared folder is named on one line."""
    pytest.importorskip("cv2")
    plugin = {"plugins": "lung_xray"}
    if run_zoo("data", "sample", "lung_xray", "--out", "raw", "--count", "12", **plugin).returncode:
        pytest.skip("the checkout has no such plugin")
    run_zoo("data", "prepare", "lung_xray", "--source", "raw", "--out", "out", **plugin)
    (tmp_path / "out" / "images" / HOSTILE.replace("/", "")).touch()

    done = run_zoo("data", "check", "out", **plugin)

    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    check_printable(done.stdout + done.stderr)


COMMANDS = [
    ("--help",),
    ("--version",),
    ("list", "--help"),
    ("list",),
    ("plugin", "list", "--json"),
    ("data", "--help"),
    ("info", "hostile"),
]
ZOO = Path(sys.executable).with_name("zoo")


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_command_whose_output_finds_no_space_says_so_and_exits_1(
    hostile: Path, args: tuple[str, ...]
) -> None:
    """``>/dev/full``: one line, and no second complaint when Python ends."""
    environment = {**os.environ, "ZOO_PLUGIN_PATH": str(hostile)}

    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [ZOO, *args], stdout=full, stderr=subprocess.PIPE, text=True, env=environment
        )

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1:] == [
        "error: cannot write the output: No space left on device."
    ]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_command_whose_reader_is_gone_is_silent(hostile: Path, args: tuple[str, ...]) -> None:
    """``| head`` may close the pipe before the command has written all."""
    environment = {**os.environ, "ZOO_PLUGIN_PATH": str(hostile), "ZOO_PLUGINS": "hostile"}
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [ZOO, *args], stdout=writer, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize(("args", "code"), [(("info", "nope"), 1), (("nope",), 2), (("list",), 0)])
def test_command_whose_messages_find_no_space_keeps_its_code(
    hostile: Path, args: tuple[str, ...], code: int
) -> None:
    """``2>/dev/full``: what cannot be said changes nothing."""
    environment = {**os.environ, "ZOO_PLUGIN_PATH": str(hostile)}

    with open("/dev/full", "w") as full:
        done = subprocess.run([ZOO, *args], stdout=subprocess.PIPE, stderr=full, env=environment)

    assert done.returncode == code


def test_listing_on_a_terminal_of_ascii_escapes_the_rest(tmp_path: Path) -> None:
    """A stdout that has no such letters is no reason for a traceback."""
    package = tmp_path / "plugins" / "p" / "zoo_p"
    package.mkdir(parents=True)
    header = '[plugin]\nname = "p"\nversion = "1"\napi = 1\nlicense = "MIT"\n'
    (package / "zoo_plugin.toml").write_text(f'{header}summary = "Gef\\u00e4\\u00df"\n')
    environment = {
        **os.environ,
        "ZOO_PLUGIN_PATH": str(tmp_path / "plugins"),
        "ZOO_PLUGINS": "p",
        "PYTHONIOENCODING": "ascii",
    }

    done = subprocess.run(
        [ZOO, "plugin", "list"], capture_output=True, text=True, env=environment, check=True
    )

    assert "Gef\\xe4\\xdf" in done.stdout


def test_commands_print_through_one_place_alone() -> None:
    """A ``click.echo`` elsewhere would print what others wrote as it is."""
    folder = Path(zoo.cli.__file__).parent
    found = [
        f"{path.name}:{number}"
        for path in sorted(folder.glob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if re.search(r"\b(click\.s?echo|print)\(", line) and path.name != "output.py"
    ]

    assert found == []
