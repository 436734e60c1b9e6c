# SPDX-License-Identifier: Apache-2.0
"""The command line: help of every command, usage errors, and how commands end."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import zoo
from zoo.cli import main
from zoo.cli.output.errors import ZooCommand
from zoo.cli.output.groups import LazyGroup
from zoo.errors import DataError

CONTRACT = {
    *("lock", "sync", "search", "source add", "source list", "source update", "source remove"),
    "source key new",
    "list", "info", "train", "test", "predict", "config list", "config show",
    "data list", "data sample", "data prepare", "data check", "data show", "plugin list", "doctor",
    "plugin build", "plugin check", "plugin info", "plugin search",
    "download", "verify", "cache ls", "cache rm", "cache prune", "rescue", "publish",
}  # fmt: skip


def walk(group: LazyGroup, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, LazyGroup):
            yield from walk(command, (*prefix, name))
        else:
            yield (*prefix, name)


def test_commands_when_walked_are_those_of_the_contract() -> None:
    """Names are a contract."""
    assert {" ".join(words) for words in walk(main)} == CONTRACT  # type: ignore[arg-type]


@pytest.mark.parametrize("words", sorted(CONTRACT))
def test_help_when_asked_ends_with_0_and_shows_usage(words: str) -> None:
    """Each command is imported and explains itself."""
    result = CliRunner().invoke(main, [*words.split(), "--help"])

    assert result.exit_code == 0, result.output
    assert result.output.startswith("Usage: ")
    assert "--debug" in result.output


def test_help_when_asked_of_the_whole_imports_no_command() -> None:
    """`zoo --help` stays light: the one-line helps stand in the table."""
    code = (
        "import sys; from zoo.cli import main; main(['--help'], standalone_mode=False);"
        "print([m for m in sys.modules if m.startswith('zoo.cli.') and m.count('.') == 2])"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "['zoo.cli.plugged', 'zoo.cli.output']"


@pytest.mark.parametrize("words", [("lst",), ("data", "prepar")])
def test_command_when_unknown_ends_with_2_and_offers_near_names(words: tuple[str, ...]) -> None:
    """Wrong usage is 2."""
    result = CliRunner().invoke(main, words)

    assert result.exit_code == 2
    assert f"no such command {words[-1]!r}. Did you mean " in result.output


def test_option_when_missing_ends_with_2() -> None:
    """A required option that is not given is wrong usage."""
    result = CliRunner().invoke(main, ["data", "sample", "x"])

    assert result.exit_code == 2
    assert "Missing option '--out'" in result.output


def test_version_when_asked_is_that_of_the_package() -> None:
    """The version has one home."""
    result = CliRunner().invoke(main, ["--version"])

    assert (result.exit_code, result.output) == (0, f"zoo {zoo.__version__}\n")


@click.command(cls=ZooCommand)
@click.argument("how")
def ending(how: str) -> None:
    """Ends in the way that is asked."""
    if how == "refused":
        message = "cannot read 'x.png': 0 bytes, expected an image."
        raise DataError(message, path="in/x.png", hint="copy it again.")
    if how == "denied":
        Path(__file__, "not", "a", "folder").read_bytes()
    if how.startswith("errno "):
        number = int(how.split()[1])
        raise OSError(number, os.strerror(number), "out/x.png")
    if how == "interrupted":
        raise KeyboardInterrupt
    if how.startswith("without "):
        message = f"No module named {how.split()[1]!r}"
        raise ModuleNotFoundError(message, name=how.split()[1])
    if how == "bug":
        message = "a bug"
        raise RuntimeError(message)


def test_zoo_error_when_raised_is_one_message_and_1() -> None:
    """What, where, what to do; no traceback."""
    result = CliRunner().invoke(ending, ["refused"])

    assert result.exit_code == 1
    assert result.stderr == (
        "error: cannot read 'x.png': 0 bytes, expected an image.\n"
        "where: in/x.png\n"
        "HINT: copy it again.\n"
    )


def test_zoo_error_when_debugging_keeps_its_traceback() -> None:
    """`--debug` shows where an error came from."""
    result = CliRunner().invoke(ending, ["refused", "--debug"])

    assert isinstance(result.exception, DataError)


def test_os_error_when_raised_names_the_file_and_ends_with_1() -> None:
    """A file that cannot be opened is no bug."""
    result = CliRunner().invoke(ending, ["denied"])

    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert "Not a directory" in result.stderr
    assert "test_commands.py" in result.stderr


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EACCES, "check the permissions of that file."),
        (
            errno.ENOSPC,
            "free some space on that disk and try again; a training run continues with --resume.",
        ),
        (errno.EIO, "run it again with --debug to see where it happened."),
    ],
)
def test_os_error_when_raised_says_what_to_do(number: int, hint: str) -> None:
    """Like every other message."""
    result = CliRunner().invoke(ending, [f"errno {number}"])

    assert result.stderr == (
        f"error: cannot continue: {os.strerror(number)}.\nwhere: out/x.png\nHINT: {hint}\n"
    )


def test_sample_when_its_layout_has_a_folder_of_that_name_is_written(
    tmp_path: Path, write_plugin: Callable[..., Path]
) -> None:
    """A raw layout is free to call its folders as it likes."""
    rows = '[[dataset]]\nname = "CellDataset"\ntask = "semantic"\nclasses = ["a"]\n'
    rows += 'licence = "MIT"\ntarget = "zoo_cells.raw:x"\nsample = "zoo_cells.raw:write"\n'
    code = "from zoo.data import write_file\n"
    code += "def write(out, **_): write_file(out / 'sample' / 'x.txt', b'1')\n"
    write_plugin("cells", rows, raw=code)

    result = CliRunner().invoke(main, ["data", "sample", "cells", "--out", str(tmp_path / "raw")])

    assert result.exit_code == 0, result.output
    found = sorted(path.name for path in (tmp_path / "raw").rglob("*"))
    assert found == [".zoo_sample.json", "sample", "x.txt"]  # the first is the mark of a sample


def test_prepare_when_repeated_says_once_that_nothing_changed(
    tmp_path: Path, write_plugin: Callable[..., Path]
) -> None:
    """The summary says it, and the last line names the folder."""
    rows = '[[dataset]]\nname = "CellDataset"\ntask = "semantic"\nclasses = ["a"]\n'
    rows += 'licence = "MIT"\ntarget = "zoo_cells.raw:x"\nprepare = "zoo_cells.raw:prepare"\n'
    code = "from zoo.data import Report\n"
    code += "def prepare(source, out, **_): return Report({'images': 2}, unchanged=True)\n"
    write_plugin("cells", rows, raw=code)
    words = ["data", "prepare", "cells", "--source", str(tmp_path), "--out", "out"]

    result = CliRunner().invoke(main, words)

    assert result.exit_code == 0, result.output
    assert result.stdout == (
        "2 images\nunchanged: the folder was already prepared, nothing was written\nprepared: out\n"
    )


def test_package_when_not_installed_is_one_message_and_1() -> None:
    """mmzoo without its extra [mm] says so."""
    result = CliRunner().invoke(ending, ["without mmengine.config"])

    assert result.exit_code == 1
    assert result.stderr == (
        "error: cannot continue: 'mmengine' is not installed.\n"
        "HINT: `zoo doctor` says what is missing, and the command that installs it.\n"
    )


def test_package_when_it_is_nobodys_keeps_its_traceback() -> None:
    """A module that zoo forgot is a bug."""
    result = CliRunner().invoke(ending, ["without surely_not_there"])

    assert isinstance(result.exception, ModuleNotFoundError)


def test_interrupt_when_it_comes_ends_with_130() -> None:
    """Ctrl-C is told from failure."""
    result = CliRunner().invoke(ending, ["interrupted"])

    assert result.exit_code == 130


def test_bug_when_it_happens_is_not_hidden() -> None:
    """Anything unexpected keeps its traceback."""
    result = CliRunner().invoke(ending, ["bug"])

    assert isinstance(result.exception, RuntimeError)
