# SPDX-License-Identifier: Apache-2.0
"""What hints name is there: commands, options, types, variables, files and packages.

That a hint leads out is tested where its error is, and in `tests/test_hints_lead_out.py`.
"""

from __future__ import annotations

import pkgutil
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import click
from hint_inventory import HOLE, ROOT, Hint, command_lines, read_hints

from zoo.cli import main

_OPTION = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)")
_COMMAND = re.compile(r"\bzoo ((?:data|cache|config|plugin|source) [a-z]+|[a-z]+)\b")
_TYPE = re.compile(r"\bzoo\.([a-z_]+)\.([A-Z]\w+)")
_VARIABLE = re.compile(r"\bZOO_[A-Z_]+")
_PACKAGE = re.compile(r"pip install (?:-U |--\S+ )*\"?'?([A-Za-z][\w-]*)")
_FILE = re.compile(r"\b[\w/-]+\.md\b")
_KEY = re.compile(r"(?<![\w.])((?:[a-z]\w*\.)+[a-z]\w*)=")
# Of pip, gdal_translate, gdcmconv and git, whose commands hints name too.
_OF_OTHERS = {"force-reinstall", "no-deps", "no-build-isolation", "raw"}
_TOP_KEYS = {
    *("model", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
    *("default_hooks", "optim_wrapper", "param_scheduler", "custom_hooks", "visualizer", "a"),
}
# Beside what pyproject.toml files name; each was looked up on its index.
_PACKAGES = {
    *("python-gdcm", "pillow", "opencv-python", "opencv-python-headless", "mmcv-lite", "triton"),
}


def test_inventory_finds_the_hints_of_the_code() -> None:
    """It would pass over them all in silence else."""
    assert len(read_hints()) > 400
    texts = {hint.text for hint in read_hints()}
    assert "give another --out." in texts
    assert f"--cfg-options {HOLE}={HOLE}; --data DIR sets it automatically." in texts


def _commands() -> dict[str, click.Command]:
    """Return every command by its words, without those of plugins."""
    found: dict[str, click.Command] = {}

    def walk(group: click.Group, words: str) -> None:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            assert command is not None
            found[f"{words}{name}"] = command
            if isinstance(command, click.Group):
                walk(command, f"{words}{name} ")

    assert isinstance(main, click.Group)
    walk(main, "")
    return found


def _plugin_documents() -> Iterator[dict[str, Any]]:
    for manifest in ROOT.glob("plugins/*/zoo_*/zoo_plugin.toml"):
        yield tomllib.loads(manifest.read_text("utf-8"))


def _plugin_commands() -> dict[str, click.Command]:
    rows = [row for document in _plugin_documents() for row in document.get("command", ())]
    return {
        " ".join(filter(None, (row.get("group"), row["name"]))): pkgutil.resolve_name(row["target"])
        for row in rows
    }


def _options() -> Iterator[str]:
    commands = [main, *_commands().values(), *_plugin_commands().values()]
    for parameter in (parameter for command in commands for parameter in command.params):
        yield from (name.removeprefix("--") for name in parameter.opts)
        yield from (name.removeprefix("--") for name in parameter.secondary_opts)
    for document in _plugin_documents():
        for row in document.get("dataset", ()):
            yield from (option["name"] for option in row.get("option", ()))


def _unknown(pattern: re.Pattern[str], known: set[str]) -> list[tuple[Hint, str]]:
    return [
        (hint, name)
        for hint in read_hints()
        for name in pattern.findall(hint.text)
        if name not in known
    ]


def test_options_that_hints_name_exist() -> None:
    """Of zoo, some command of it or of a plugin, or of a data set's prepare."""
    named = {name for hint in read_hints() for name in _OPTION.findall(hint.text)}
    assert len(named) > 25

    assert _unknown(_OPTION, {*_options(), *_OF_OTHERS}) == []


def test_commands_that_hints_name_exist() -> None:
    named = {name for hint in read_hints() for name in _COMMAND.findall(hint.text)}
    assert len(named) > 8
    known = {*_commands(), *_plugin_commands(), "and"}  # upgrade zoo and OpenMMLab

    assert _unknown(_COMMAND, known) == []


def test_command_lines_of_hints_take_what_they_show() -> None:
    """Every option belongs to the very command, and what a hint tells to type parses as a whole."""
    commands = _commands() | _plugin_commands()
    told, bad = 0, []
    for hint in read_hints():
        for line in command_lines(hint.text):
            fitting = [name for name in commands if f"{line} ".startswith(f"zoo {name} ")]
            name = max(fitting, key=len)
            words = line.removeprefix(f"zoo {name}").split()
            taken = {opt for each in commands[name].params for opt in each.opts}
            if not {word for word in words if word.startswith("--")} <= taken:
                bad.append((hint, line, "has no such option"))
            # What stands alone or behind a colon is for typing; the rest is mentioned.
            if re.search(rf"(^|: )`?{re.escape(line)}", hint.text):
                told += 1
                bad += [(hint, line, error) for error in _errors_of(commands[name], words)]

    assert told > 10
    assert [f"{hint.place}: {line}: {error}" for hint, line, error in bad] == []


def _errors_of(command: click.Command, words: list[str]) -> list[str]:
    try:
        with command.make_context("zoo", [word.replace(HOLE, "test") for word in words]):
            return []
    except click.UsageError as error:
        return [error.format_message()]


def test_types_that_hints_name_exist() -> None:
    """In the manifest of the plugin that they name."""
    known = set()
    for document in _plugin_documents():
        rows = [row for table in document.values() if isinstance(table, list) for row in table]
        known |= {(document["plugin"]["name"], row.get("name")) for row in rows}
    named = [(hint, name) for hint in read_hints() for name in _TYPE.findall(hint.text)]

    assert named
    assert [(hint, name) for hint, name in named if name not in known] == []


def test_variables_and_files_that_hints_name_exist() -> None:
    text = (ROOT / "docs" / "manifest.md").read_text("utf-8")

    assert [row for row in _unknown(_VARIABLE, set()) if f"`{row[1]}`" not in text] == []
    assert [row for row in _unknown(_FILE, set()) if not (ROOT / row[1]).is_file()] == []


def test_packages_that_hints_install_are_known() -> None:
    """To a ``pyproject.toml`` of this checkout, which pins or extras are made from."""
    text = "".join(path.read_text("utf-8") for path in ROOT.glob("**/pyproject.toml"))
    text += (ROOT / "constraints.txt").read_text("utf-8")
    named = re.findall(r"[\"'\n]([A-Za-z][\w-]*)(?:\[|[<>=~!]|[\"'])", text)
    known = {name.lower() for name in named} | _PACKAGES

    unknown = [row for row in _unknown(_PACKAGE, set()) if row[1].lower() not in known]

    assert unknown == []


def test_hints_that_say_where_to_look_say_what_to_do() -> None:
    """No hint asks politely, and none is left to be written."""
    bad = [
        hint for hint in read_hints() if re.search(r"\b(please|sorry|TODO|XXX)\b", hint.text, re.I)
    ]

    assert [f"{hint.place}: {line}: {error}" for hint, line, error in bad] == []


def test_keys_of_configs_that_hints_set_are_known_to_mmengine() -> None:
    unknown = [
        (hint, key)
        for hint, key in _unknown(_KEY, set())
        if key.partition(".")[0] not in _TOP_KEYS and HOLE not in key
    ]

    assert unknown == []
