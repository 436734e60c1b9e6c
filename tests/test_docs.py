# SPDX-License-Identifier: Apache-2.0
"""The docs name what there is, link to what exists, and show commands that parse."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from zoo import errors
from zoo.cli import main
from zoo.cli.output.groups import LazyGroup
from zoo.manifest.reading import read_manifest

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "docs" / "guide" / "write-a-plugin.md"
DOCS = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("plugins/*/README.md")]
)
SHELL = ("", "console", "bash", "sh")
# Options that every command has, and OpenMMLab's own, which is hidden.
EVERYWHERE = {"--help", "-h", "--local-rank", "--local_rank"}

pytestmark = pytest.mark.skipif(
    not any(ROOT.glob("plugins/*/pyproject.toml")),
    reason="the docs are those of the whole checkout, with its plugins",
)


class Block(NamedTuple):
    """A fenced block of a document."""

    path: Path
    line: int
    language: str
    text: str


def _blocks(path: Path) -> Iterator[Block]:
    language, start, kept = None, 0, []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        fence = re.match(r"\s*```(\w*)\s*$", line)
        if fence and language is None:
            language, start, kept = fence[1], number + 1, []
        elif fence and language is not None:
            yield Block(path, start, language, "\n".join(kept))
            language = None
        elif language is not None:
            kept.append(line)


def _prose(path: Path) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^\s*```.*?^\s*```", "", path.read_text("utf-8"), flags=re.M | re.S)


BLOCKS = [block for path in DOCS for block in _blocks(path)]


def _named(block: Block) -> str:
    return f"{block.path.relative_to(ROOT)}:{block.line}"


def _commands(group: LazyGroup, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, LazyGroup):
            yield from _commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(_commands(main))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_and_its_options_are_in_the_reference(name: str) -> None:
    """``docs/commands.md`` has a row for each command, and names each option."""
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    options = {
        option.opts[0] if option.opts[0] in text else [*option.opts, *option.secondary_opts][-1]
        for option in COMMANDS[name].params
        if isinstance(option, click.Option)
    }

    assert f"`zoo {name}" in text
    assert [option for option in options - EVERYWHERE if option not in text] == []


def test_command_in_readme_for_each_group() -> None:
    """The README's table leaves no command or group out."""
    text = (ROOT / "README.md").read_text("utf-8")

    assert [name for name in main.list_commands(None) if f"zoo {name}" not in text] == []  # type: ignore[arg-type, attr-defined]


@pytest.mark.parametrize("name", errors.__all__)
def test_error_class_is_in_the_docs(name: str) -> None:
    """``docs/errors.md`` names each, and shows a message of each but the base."""
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")

    assert f"`{name}`" in text or f"`zoo.errors.{name}`" in text
    if name != "ZooError":
        assert re.search(rf"^`{name}`[^\n]*(\n[^\n`]+)*\n\n```text\n", text, re.M), name


def test_variables_that_are_read_are_in_the_docs() -> None:
    """Every environment variable of zoo's own stands in the reference."""
    text = (ROOT / "docs" / "manifest.md").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "zoo").rglob("*.py"))
    read = set(re.findall(r"environ(?:\.get)?[\[(]\"(ZOO_[A-Z_]+)\"", code))

    assert read
    assert [name for name in sorted(read) if f"`{name}`" not in text] == []


def _slug(heading: str) -> str:
    """Return a heading's anchor as GitHub makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def _anchors(path: Path) -> set[str]:
    return {_slug(found) for found in re.findall(r"^#+ (.+)$", _prose(path), re.M)}


def test_map_of_the_docs_names_every_page() -> None:
    """``docs/README.md`` is the site's navigation; some folders have lists of their own."""
    listed = {
        (ROOT / "docs" / link).resolve()
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "README.md").read_text("utf-8"))
    }
    pages = {*(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("*/*.md"), *ROOT.glob("*.md")}
    own = {page for page in pages if (page.parent / "README.md") in listed and page.parent != ROOT}

    assert sorted(pages - listed - own - {ROOT / "docs" / "README.md"}) == []


@pytest.mark.parametrize("folder", ["adr", "rules"])
def test_list_of_a_folder_names_every_page_with_its_title(folder: str) -> None:
    """``README.md`` of the decisions and of the rules link each page once."""
    listed = (ROOT / "docs" / folder / "README.md").read_text("utf-8")
    pages = [path for path in (ROOT / "docs" / folder).glob("*.md") if path.name != "README.md"]

    assert [page.name for page in pages if listed.count(f"]({page.name})") != 1] == []
    if folder == "adr":
        titles = [page.read_text("utf-8").partition("\n")[0].partition(". ")[2] for page in pages]
        assert [title for title in titles if f"[{title}](" not in listed] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    """Files exist, and so do the headings that a link names."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(path)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []


def _shell_lines() -> Iterator[tuple[str, str]]:
    for block in BLOCKS:
        if block.language in SHELL:
            for offset, line in enumerate(block.text.splitlines()):
                line = line.removeprefix("$ ").strip()
                if line.startswith("zoo "):
                    yield f"{block.path.relative_to(ROOT)}:{block.line + offset}", line


def _commands_of_the_guide() -> set[str]:
    """Return the commands that the guide's own plugin adds to zoo; another test runs them."""
    manifests = [tomllib.loads(each.text) for each in _blocks(GUIDE) if each.language == "toml"]
    return {row["name"] for each in manifests for row in each.get("command", ())}


def _check_parses(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    if words[0] in _commands_of_the_guide():
        return
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, LazyGroup):
        found = command.get_command(context, words[0])
        assert found is not None, f"no command {words[0]!r}"
        command, words = found, words[1:]
    command.make_context(command.name or "", words)


@pytest.mark.parametrize(
    "line", [pytest.param(line, id=place) for place, line in dict(_shell_lines()).items()]
)
@pytest.mark.usefixtures("checkout_plugins")
def test_shown_command_parses(line: str) -> None:
    """The command exists and takes these options; nothing is run."""
    _check_parses(line)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "docs" / "from").glob("*.md")), ids=lambda path: path.stem
)
@pytest.mark.usefixtures("checkout_plugins")
def test_command_beside_that_of_another_tool_parses(path: Path) -> None:
    """Who comes from there types what stands in the right column."""
    spans = [
        span
        for line in path.read_text("utf-8").splitlines()
        if line.startswith("|")
        for span in re.findall(r"`(zoo [a-z][^`]*)`", line.rpartition(" | ")[2])
    ]

    assert spans
    for span in spans:
        if span.removeprefix("zoo ") not in COMMANDS:  # more than the name of a command
            _check_parses(span)


@pytest.mark.parametrize("path", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_the_text_exist(path: Path) -> None:
    """``zoo x y`` between backquotes begins with a command that there is."""
    spans = re.findall(r"`(zoo [a-z][^`]*)`", _prose(path).replace("\n", " "))
    known = {*COMMANDS, *(name.partition(" ")[0] for name in COMMANDS)}
    known |= _commands_of_the_guide() if path == GUIDE else set()
    unknown = [
        span
        for span in spans
        if not any(re.match(rf"zoo {re.escape(name)}(?![\w-])", span) for name in known)
        or (span.split()[1] not in known and " ".join(span.split()[1:3]) not in known)
    ]

    assert unknown == []


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "toml"], ids=_named
)
def test_toml_is_read_and_a_whole_manifest_holds(block: Block, tmp_path: Path) -> None:
    """A block with a ``[plugin]`` table is a manifest that zoo takes."""
    values = tomllib.loads(block.text)
    if "plugin" not in values:
        return
    path = tmp_path / f"zoo_{values['plugin']['name']}" / "zoo_plugin.toml"
    path.parent.mkdir()
    path.write_text(block.text, "utf-8")
    for row in values.get("config", ()):  # which the page shows further down
        (path.parent / row["file"]).parent.mkdir(exist_ok=True)
        (path.parent / row["file"]).touch()

    assert read_manifest(path).plugin == values["plugin"]["name"]


@pytest.mark.parametrize(
    "block", [block for block in BLOCKS if block.language == "python"], ids=_named
)
def test_python_compiles(block: Block) -> None:
    compile(block.text, _named(block), "exec")


@pytest.mark.parametrize("tool", ["manifest_reference.py", "plugins_page.py"])
def test_generated_pages_are_what_their_tools_write_today(tool: str) -> None:
    """The keys of the manifest in docs and JSON Schema, and the table of shipped plugins."""
    command = [sys.executable, ROOT / "tools" / tool, "--check"]

    done = subprocess.run(command, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


# Its own, that of `zoo plugin new`, and those on which what that writes stands.
GUIDES_PLUGINS = "ponds,plugin_templates,configs,folder_data"


@pytest.fixture
def guided(tmp_path: Path) -> Path:
    """Write the plugin of the guide, file by file, as a reader would."""
    folder = tmp_path / "ponds"
    for block in _blocks(GUIDE):
        named = re.match(r"# ([\w./]+)\n", block.text)
        if named is not None:
            root = tmp_path if named[1] == "ponds.py" else folder
            (root / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (root / named[1]).write_text(f"{block.text}\n", "utf-8")
    (folder / "README.md").write_text("# mmzoo-ponds\n", "utf-8")
    (folder / "LICENSE").write_text("MIT License\n", "utf-8")
    return folder


@pytest.mark.mm
@pytest.mark.slow
def test_plugin_of_the_guide_passes_its_tests(guided: Path) -> None:
    """The reader's own conformance test, outside this checkout, but for wheels and training."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    command += ["-k", "not ZP80 and not ZP61"]

    done = subprocess.run(command, cwd=guided, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.usefixtures("checkout_plugins")
def test_plugin_of_the_guide_trains(
    guided: Path, tmp_path: Path, run_zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Its commands, with fewer steps."""
    shown = [
        line for place, line in _shell_lines() if place.startswith(str(GUIDE.relative_to(ROOT)))
    ]
    assert any(line.startswith("zoo train ponds.py") for line in shown)

    for line in shown:
        words = shlex.split(line)[1:]
        if words[0] == "train":
            words += ["--cfg-options", "train_cfg.max_iters=2", "train_cfg.val_interval=2"]
            words += ["default_hooks.checkpoint.interval=2"]
        done = run_zoo(*words, plugins=GUIDES_PLUGINS, folder=guided)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"

    assert (tmp_path / "work_dirs" / "ponds" / "dataset.json").is_file()
    assert (tmp_path / "o" / "predictions.json").is_file()


def test_requirements_install_every_plugin_but_the_runtime() -> None:
    """One command installs what the repository ships; the runtime is for machines without zoo."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()

    named = {line.partition("[")[0] for line in lines if line.startswith("./")}

    plugins = {f"./plugins/{path.parent.name}" for path in ROOT.glob("plugins/*/pyproject.toml")}
    assert named == plugins - {"./plugins/runtime"}
