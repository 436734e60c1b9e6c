# SPDX-License-Identifier: Apache-2.0
"""Commands of third-party plugins, started from outside: found, listed, completed, and ended."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from zoo.cli import main
from zoo.cli.plugged.core_commands import CORE_COMMANDS
from zoo.errors import ManifestError
from zoo.manifest.kinds import COMMAND_GROUPS
from zoo.manifest.reading import read_manifest

ZOO = Path(sys.executable).with_name("zoo")
ROW = """
[[command]]
name = "{name}"
target = "zoo_{plugin}.command:{target}"
summary = "{summary}"
"""
CODE = """
import sys
import time

import click

from zoo.errors import DataError


@click.command()
@click.argument("how", default="well")
@click.option("--count", default=1, help="How often.")
def command(how, count):
    '''Greet the ponds.'''
    if how == "zoo":
        raise DataError("cannot greet: the pond is dry.", hint="wait for rain.")
    if how == "disk":
        open("/nowhere/pond.txt")
    if how == "bug":
        raise ValueError("a bug of the author")
    if how == "exit":
        sys.exit(3)
    if how == "text":
        sys.exit("the pond is closed")
    if how == "usage":
        raise click.UsageError("a pond has no north")
    if how == "wait":
        print("waiting", flush=True)
        time.sleep(60)
    for number in range(count):
        (print if how == "print" else click.echo)(f"hello {number}")


@click.group()
def group():
    '''Ponds, and what is done with them.'''


@group.command("fill")
@click.option("--with", "filling", default="water")
def fill(filling):
    '''Fill a pond.'''
    if filling == "sand":
        raise DataError("cannot fill the pond: found sand, expected water.", hint="use water.")
    click.echo(f"filled with {filling}")


not_a_command = 7
"""


def row(
    plugin: str,
    name: str,
    target: str = "command",
    summary: str = "Greet the ponds.",
    group: str | None = None,
) -> str:
    written = ROW.format(plugin=plugin, name=name, target=target, summary=summary)
    return written if group is None else f'{written}group = "{group}"\n'


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return the variables of a user whose plugins lie in ``tmp_path``."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    names = "ponds,other,greedy,torn,needy"
    return kept | {"HOME": str(tmp_path), "ZOO_PLUGIN_PATH": str(tmp_path), "ZOO_PLUGINS": names}


@pytest.fixture
def zoo(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs ``zoo`` with words, and more variables."""

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [ZOO, *words], capture_output=True, text=True, env=environment | more, timeout=60
        )
        told = [line for line in done.stderr.splitlines() if "ZOO_PLUGINS names" not in line]
        return subprocess.CompletedProcess(words, done.returncode, done.stdout, "\n".join(told))

    return run


@pytest.fixture
def ponds(write_plugin: Callable[..., Path]) -> Path:
    """Write a plugin with a command, a group, and a target that is neither."""
    rows = row("ponds", "greet-ponds") + row("ponds", "pond", "group", "Work on ponds.")
    rows += row("ponds", "odd", "not_a_command")
    return write_plugin("ponds", rows, command=CODE)


@pytest.mark.usefixtures("ponds")
@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        ("greet-ponds", 0, "hello 0\n", ""),
        ("ponds.greet-ponds --count 2", 0, "hello 0\nhello 1\n", ""),
        ("greet-ponds zoo", 1, "", "error: cannot greet: the pond is dry.\nHINT: wait for rain."),
        ("greet-ponds disk", 1, "", "error: cannot continue: No such file or directory.\nwhere: "),
        ("greet-ponds exit", 3, "", ""),
        ("greet-ponds text", 1, "", "the pond is closed"),
        ("greet-ponds usage", 2, "", "Usage: zoo greet-ponds"),
        ("greet-ponds --north", 2, "", "Usage: zoo greet-ponds"),
        ("greet-ponds --count x", 2, "", "Usage: zoo greet-ponds"),
        ("pond fill", 0, "filled with water\n", ""),
        ("pond fill --with sand", 1, "", "error: cannot fill the pond: found sand, expected wat"),
        ("pond drain", 2, "", "Usage: zoo pond"),
        ("odd", 1, "", "error: cannot load command 'odd': it is int, expected a click command.\n"),
        ("greet-pond", 2, "", "Usage: zoo"),
        ("ponds.greet", 2, "", "Usage: zoo"),
    ],
)
def test_command_of_a_plugin_ends_as_zoos_own_do(
    zoo: Callable[..., subprocess.CompletedProcess[str]],
    words: str,
    code: int,
    out: str,
    err: str,
) -> None:
    """0 done, 1 one message without a traceback, 2 wrong usage; its own exit code is kept."""
    done = zoo(*words.split())

    assert (done.returncode, done.stdout) == (code, out), done.stderr
    assert done.stderr.startswith(err), done.stderr
    assert bool(err) is bool(done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("ponds")
@pytest.mark.parametrize(
    ("words", "raised"),
    [
        ("greet-ponds zoo --debug", "zoo.errors.DataError: cannot greet"),
        ("greet-ponds bug --debug", "ValueError: a bug of the author"),
        ("pond fill --with sand --debug", "zoo.errors.DataError: cannot fill"),
        ("pond --debug fill --with sand", "zoo.errors.DataError: cannot fill"),
        ("odd --debug", "zoo.errors.LoadError: cannot load command"),
    ],
)
def test_traceback_is_shown_on_debug(
    zoo: Callable[..., subprocess.CompletedProcess[str]], words: str, raised: str
) -> None:
    """Whether --debug is given to a command, to its group, or to one that cannot be loaded."""
    done = zoo(*words.split())

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert raised in done.stderr


def test_own_debug_flag_of_a_command_is_kept(
    write_plugin: Callable[..., Path], zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The author's option gets its value, and there is no second one."""
    code = "import click\n@click.command()\n@click.option('--debug', is_flag=True)\n"
    write_plugin("ponds", row("ponds", "own"), command=f"{code}def command(debug): print(debug)\n")

    assert zoo("own", "--debug").stdout == "True\n"
    assert zoo("own").stdout == "False\n"
    assert zoo("own", "--help").stdout.count("--debug") == 1


@pytest.mark.usefixtures("ponds")
def test_ctrl_c_ends_a_command_of_a_plugin(environment: dict[str, str]) -> None:
    """Exit code 130 and one word, as in zoo's own commands; 143 for kill."""
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        with subprocess.Popen(
            [ZOO, "greet-ponds", "wait"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment | {"ZOO_PLUGINS": "ponds"},
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            process.send_signal(number)
            _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (code, "interrupted\n")


@pytest.mark.usefixtures("ponds")
@pytest.mark.parametrize(
    ("how", "count", "sink", "err"),
    [
        ("echo", 1, "> /dev/full", "error: cannot write the output: No space left"),
        ("print", 1, "> /dev/full", "error: cannot write the output: No space left"),
        ("print", 30000, "> /dev/full", "error: cannot continue: No space left on device.\nHINT: "),
        ("echo", 30000, "| head -n 1 > first", ""),
        ("print", 30000, "| head -n 1 > first", ""),
    ],
)
def test_lost_output_of_a_command_of_a_plugin_is_told_once(
    environment: dict[str, str], tmp_path: Path, how: str, count: int, sink: str, err: str
) -> None:
    """Of click.echo and print alike: a closed pipe ends it silently, a full disk with a line."""
    line = f"set -o pipefail; '{ZOO}' greet-ponds {how} --count {count} {sink}"
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        text=True,
        env=environment | {"ZOO_PLUGINS": "ponds"},
        cwd=tmp_path,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(err)
    assert done.stderr.count("error: ") == bool(err)
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("ponds")
def test_help_lists_commands_of_plugins_and_imports_none(
    zoo: Callable[..., subprocess.CompletedProcess[str]], ponds: Path
) -> None:
    """Below zoo's own, in order; a module that breaks on import harms only its own call."""
    (ponds / "command.py").write_text("raise RuntimeError('it was imported')\n")

    shown = zoo("--help")
    called = zoo("pond")

    assert shown.returncode == 0
    own, _, plugged = shown.stdout.partition("Commands of plugins:\n")
    assert "  list " in own
    assert "greet" not in own
    assert [line.split()[0] for line in plugged.splitlines()] == ["greet-ponds", "odd", "pond"]
    assert "Greet the ponds." in plugged
    assert shown.stderr == ""
    assert called.returncode == 1
    assert "error: cannot load command 'pond': RuntimeError: it was imported." in called.stderr


@pytest.mark.usefixtures("ponds")
def test_help_of_a_command_shows_its_options_and_debug(
    zoo: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = zoo("greet-ponds", "-h")

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: zoo greet-ponds [OPTIONS] [HOW]\n")
    assert "How often." in done.stdout
    assert "--debug" in done.stdout
    assert "fill  Fill a pond." in zoo("pond", "--help").stdout


@pytest.mark.usefixtures("ponds")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("zoo gre", ["plain,greet-ponds"]),
        ("zoo p", ["plain,publish", "plain,predict", "plain,plugin", "plain,pond"]),
        ("zoo pond f", ["plain,fill"]),
        ("zoo greet-ponds --c", ["plain,--count"]),
        ("zoo pond fill --w", ["plain,--with"]),
        ("zoo odd x", []),
        ("zoo nothing x", []),
    ],
)
def test_commands_of_plugins_are_completed(
    environment: dict[str, str], line: str, expected: list[str]
) -> None:
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = subprocess.run(
        [ZOO],
        capture_output=True,
        text=True,
        env=environment | asked | {"_ZOO_COMPLETE": "bash_complete", "ZOO_PLUGINS": "ponds"},
    )

    assert (done.stdout.split(), done.stderr) == (expected, "")


def test_conflict_between_plugins_is_marked_and_both_run_by_their_full_names(
    write_plugin: Callable[..., Path], zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """The short name is an error with a way out; nothing else of the two plugins is harmed."""
    for name in ("ponds", "other"):
        code = f"import click\n@click.command()\ndef command(): click.echo('of {name}')\n"
        write_plugin(name, row(name, "greet"), command=code)

    clash = zoo("greet")

    assert (clash.returncode, clash.stdout) == (1, "")
    assert "error: cannot choose the command 'greet': plugin other and plugin ponds" in clash.stderr
    assert "HINT: write zoo other.greet or zoo ponds.greet." in clash.stderr
    for name in ("ponds", "other"):
        assert zoo(f"{name}.greet").stdout == f"of {name}\n"
    listed = {each["name"]: each for each in json.loads(zoo("plugin", "list", "--json").stdout)}
    assert {each["state"] for each in listed.values()} == {"conflict"}
    assert "plugin other has it too" in listed["ponds"]["error"]
    shown = zoo("--help").stdout.partition("Commands of plugins:\n")[2]
    assert [line.split()[0] for line in shown.splitlines()] == ["other.greet", "ponds.greet"]


def test_command_of_zoo_is_never_replaced(
    write_plugin: Callable[..., Path], zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """zoo's own runs; the plugin's is marked, told by the doctor, and runs by its full name."""
    write_plugin("greedy", row("greedy", "list"), command=CODE)

    own, full = zoo("list"), zoo("greedy.list")
    listed = json.loads(zoo("plugin", "list", "--json").stdout)
    found = json.loads(zoo("doctor", "--json").stdout)

    assert own.returncode == 0
    assert "hello" not in own.stdout
    assert full.stdout == "hello 0\n"
    assert [each["state"] for each in listed] == ["conflict"]
    assert "zoo itself has it too" in listed[0]["error"]
    (warning,) = [each for each in found if "by that name" in each["found"]]
    assert (warning["name"], warning["state"]) == ("plugin greedy", "warning")
    assert warning["fix"] == "write zoo greedy.list"


def test_command_of_a_broken_plugin_tells_why(
    write_plugin: Callable[..., Path],
    tmp_path: Path,
    zoo: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """A missing package is that plugin's error; a plugin that cannot be read is at least named."""
    needs = '[requires]\ndistributions = ["no-such-distribution-of-ponds"]\n'
    write_plugin("needy", f"{needs}{row('needy', 'need')}", command=CODE)
    torn = tmp_path / "torn" / "zoo_torn"
    torn.mkdir(parents=True)
    (torn / "zoo_plugin.toml").write_text("[plugin")

    needy, unknown = zoo("need"), zoo("xyzzy")

    assert needy.returncode == 1
    assert "no-such-distribution-of-ponds" in needy.stderr
    assert "HINT: pip install" in needy.stderr
    assert unknown.returncode == 2
    assert (
        "no such command 'xyzzy'. The plugin torn may have it, but cannot be read" in unknown.stderr
    )
    assert zoo("--help").returncode == 0


def test_command_of_plugins_found_twice_is_listed_as_unusable(
    write_plugin: Callable[..., Path], zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Both plugins are broken, so the command gives their error and the help says so."""
    write_plugin("ponds", row("ponds", "greet"), command=CODE)
    write_plugin("ponds", row("ponds", "greet", summary="x"), folder="again", command=CODE)

    done = zoo("greet")

    assert done.returncode == 1
    assert "cannot use plugin 'ponds': found twice" in done.stderr
    assert "Cannot be used: plugin ponds is broken" in " ".join(zoo("--help").stdout.split())


@pytest.mark.parametrize(
    "name", ["Greet", "greet_ponds", "-greet", "greet-", "greet--ponds", "2", "a b", "a.b", "é", ""]
)
def test_name_of_a_command_is_words_with_dashes(
    write_plugin: Callable[..., Path], name: str
) -> None:
    """What cannot be typed, or could be taken for an option or a dotted name, is refused."""
    package = write_plugin("ponds", row("ponds", name), command=CODE)

    with pytest.raises(ManifestError, match=r"\[\[command\]\].*name is .*, expected lower case"):
        read_manifest(package / "zoo_plugin.toml")


def test_core_commands_never_read_the_manifests(
    write_plugin: Callable[..., Path], environment: dict[str, str]
) -> None:
    """Neither does ``--version``: a core command pays nothing for the plugins' commands.

    That holds in groups that plugins may join; only the help of such a group lists their commands.
    """
    write_plugin("ponds", row("ponds", "greet-ponds"), command=CODE)
    code = (
        "import sys\nfrom zoo.cli import main\n"
        "try:\n    main(sys.argv[1:], prog_name='zoo')\nexcept SystemExit as stop:\n"
        "    assert not stop.code\n"
        "print('zoo.catalog' in sys.modules, 'zoo.cli.plugged.offered' in sys.modules)"
    )
    for words in (["cache", "ls", "--help"], ["--version"], ["train", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment
        )
        assert done.stdout.splitlines()[-1] == "False False", (words, done.stderr)


def test_help_with_many_plugins_takes_time_in_proportion(
    write_plugin: Callable[..., Path], environment: dict[str, str]
) -> None:
    """Four times the commands take less than eight times the processor."""
    environment = {key: value for key, value in environment.items() if key != "ZOO_PLUGINS"}
    taken = []
    for first, last in ((0, 100), (100, 400)):
        for number in range(first, last):
            name = f"many{number}"
            write_plugin(name, row(name, f"greet-{number}"), command=CODE)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        done = subprocess.run([ZOO, "--help"], capture_output=True, text=True, env=environment)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime - before.ru_utime)
        assert done.stdout.count("greet-") == last
        assert time.perf_counter() - started < 30
    assert taken[1] < 8 * max(taken[0], 0.05)


def groups_of_zoo() -> list[str]:
    """Return the groups of zoo's own command line, as its help shows them."""
    assert isinstance(main, click.Group)
    context = click.Context(main)
    found = [(name, main.get_command(context, name)) for name in CORE_COMMANDS]
    return sorted(name for name, command in found if isinstance(command, click.Group))


def test_every_group_of_zoo_may_be_joined() -> None:
    """The manifest accepts the groups that the command line has, and no others."""
    assert list(COMMAND_GROUPS) == groups_of_zoo()


@pytest.mark.parametrize("group", groups_of_zoo())
def test_command_joins_a_group_of_zoo(
    write_plugin: Callable[..., Path],
    zoo: Callable[..., subprocess.CompletedProcess[str]],
    group: str,
) -> None:
    """It is run, shown, completed and spelled in its group, and is no command of ``zoo`` itself."""
    rows = row("ponds", "greet-ponds", group=group) + row("ponds", "pond", "group", group=group)
    package = write_plugin("ponds", rows, command=CODE)
    line = f"zoo {group} gre"
    asked = {"COMP_WORDS": line, "COMP_CWORD": "2", "_ZOO_COMPLETE": "bash_complete"}

    assert zoo(group, "greet-ponds", "--count", "2").stdout == "hello 0\nhello 1\n"
    assert zoo(group, "ponds.greet-ponds").stdout == "hello 0\n"
    assert zoo(group, "pond", "fill").stdout == "filled with water\n"
    assert zoo(group, "greet-ponds", "-h").stdout.startswith(f"Usage: zoo {group} greet-ponds ")
    assert "Did you mean greet-ponds?" in zoo(group, "greet-pond").stderr
    for words in (["greet-ponds"], ["ponds.greet-ponds"]):
        assert zoo(*words).returncode == 2
    (package / "command.py").write_text("raise RuntimeError('it was imported')\n")
    shown = zoo(group, "--help")
    own, _, plugged = shown.stdout.partition("Commands of plugins:\n")
    assert [each.split()[0] for each in plugged.splitlines()] == ["greet-ponds", "pond"]
    assert "greet" not in own
    assert "greet" not in zoo("--help").stdout
    assert zoo(**asked).stdout == "plain,greet-ponds\n"


def test_names_are_taken_within_a_group_only(
    write_plugin: Callable[..., Path], zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Of zoo itself and of other plugins alike; the full name always runs the command."""
    for name, rows in {
        # `list` is zoo's own in `plugin`; `train` is only zoo's own outside of groups.
        "ponds": row("ponds", "list", group="plugin") + row("ponds", "train", group="plugin"),
        "greedy": row("greedy", "grow", group="plugin"),
        "other": row("other", "grow", group="plugin"),
        "needy": row("needy", "grow", group="data") + row("needy", "rm"),
    }.items():
        write_plugin(name, rows, command=CODE)

    listed = {each["name"]: each for each in json.loads(zoo("plugin", "list", "--json").stdout)}
    clash = zoo("plugin", "grow")
    shown = zoo("plugin", "--help").stdout.partition("Commands of plugins:\n")[2]

    states = {name: each["state"] for name, each in listed.items()}
    assert states == {"ponds": "conflict", "greedy": "conflict", "other": "conflict", "needy": "ok"}
    assert "HINT: write zoo plugin ponds.list" in listed["ponds"]["error"]
    assert clash.returncode == 1
    assert "HINT: write zoo plugin greedy.grow or zoo plugin other.grow." in clash.stderr
    called = [line.split()[0] for line in shown.splitlines() if line.startswith("  ")]
    assert {"greedy.grow", "other.grow", "ponds.list", "train"} <= {*called}
    for words in (
        *(["plugin", "ponds.list"], ["plugin", "train"], ["plugin", "greedy.grow"]),
        *(["data", "grow"], ["rm"]),
    ):
        assert zoo(*words).stdout == "hello 0\n", words


@pytest.mark.parametrize(
    ("group", "says"),
    [
        ("plugins", "HINT: did you mean plugin?"),
        ("train", "expected one of cache, config, data, plugin, source."),
        ("source key", "expected one of cache, config, data, plugin, source."),
        ("", "expected one of cache, config, data, plugin, source."),
    ],
)
def test_group_that_zoo_lacks_is_refused(
    write_plugin: Callable[..., Path], group: str, says: str
) -> None:
    """A command is no group, and neither is a word that nobody has."""
    package = write_plugin("ponds", row("ponds", "greet", group=group), command=CODE)

    with pytest.raises(ManifestError) as caught:
        read_manifest(package / "zoo_plugin.toml")

    assert "[[command]] 'greet' group is" in str(caught.value)
    assert says in str(caught.value)
