# SPDX-License-Identifier: Apache-2.0
"""``zoo plugin new``, from outside: what it writes, what it refuses, and no halves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ZOO = Path(sys.executable).with_name("zoo")
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def zoo(tmp_path: Path) -> Run:
    """Return a function that runs ``zoo plugin new`` in an empty folder."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.run(
            [ZOO, "plugin", "new", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=kept | {"HOME": str(tmp_path)},
            timeout=60,
        )

    return run


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_plugin_without_options_is_a_data_set(zoo: Run, tmp_path: Path) -> None:
    """The files of a semantic data set, and none besides; the lines to type go to stdout."""
    done = zoo("pond_tiles")

    assert done.returncode == 0, done.stderr
    assert files(tmp_path) == {
        f"pond_tiles/{name}"
        for name in (
            ".github/workflows/ci.yml",
            ".gitignore",
            "DATA_LICENSE.md",
            "LICENSE",
            "README.md",
            "pyproject.toml",
            "setup.py",
            "tests/test_conformance.py",
            "tests/test_dataset.py",
            "zoo_pond_tiles/__init__.py",
            "zoo_pond_tiles/configs/unet_pond-tiles.py",
            "zoo_pond_tiles/dataset.py",
            "zoo_pond_tiles/facts.py",
            "zoo_pond_tiles/prepare.py",
            "zoo_pond_tiles/py.typed",
            "zoo_pond_tiles/sample.py",
            "zoo_pond_tiles/zoo_plugin.toml",
        )
    }
    assert done.stdout.splitlines()[:3] == [
        "cd pond_tiles",
        "pip install -e '.[dev]'",
        "zoo plugin check .",
    ]
    assert done.stderr == "wrote pond_tiles: 17 files\n"


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        ("--loss", "loss.py", "dataset.py"),
        ("--dataset instance --loss", "loss.py", "hook.py"),
        ("--hook --metric", "hook.py", "prepare.py"),
        ("--command", "command.py", "configs"),
        ("--task instance", "dataset.py", "loss.py"),
        ("--model --converter --transform", "model.py", "facts.py"),
    ],
)
def test_options_choose_the_parts(
    zoo: Run, tmp_path: Path, words: str, there: str, absent: str
) -> None:
    """Of the task that is given; a task alone is a data set of it."""
    done = zoo("ponds", *words.split())

    package = tmp_path / "ponds" / "zoo_ponds"
    assert done.returncode == 0, done.stderr
    assert (package / there).is_file()
    assert not (package / absent).exists()
    if "instance" in words:
        assert (package / "configs" / "mask_rcnn_ponds.py").is_file()
        assert "mmdet" in (package / there).read_text() + (package / "zoo_plugin.toml").read_text()


def test_plugin_is_written_to_the_folder_that_is_named(zoo: Run, tmp_path: Path) -> None:
    """With spaces, with new parents, or there and empty; the lines to type quote it."""
    (tmp_path / "empty").mkdir()
    for folder, quoted in (("new here/mine", "'new here/mine'"), ("empty", "empty")):
        done = zoo("ponds", "--out", folder)

        assert done.returncode == 0, done.stderr
        assert (tmp_path / folder / "zoo_ponds" / "zoo_plugin.toml").is_file()
        assert done.stdout.startswith(f"cd {quoted}\n")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("Pond-Tiles", 1, "expected lower case letters .*HINT: zoo plugin new pond_tiles"),
        ("class", 1, "found a reserved word.*HINT: zoo plugin new my_class"),
        ("dice_loss", 1, "cannot make plugin 'dice_loss': found one at .*HINT: choose another"),
        ("plugin_templates", 1, "cannot make plugin 'plugin_templates': found one"),
        ("ponds --out full", 1, "found a folder that holds files.*HINT: give another --out"),
        ("ponds --out file", 1, "found a file, expected a new folder"),
        ("ponds --out link", 1, "found a file, expected a new folder"),
        ("ponds --out file/ponds", 1, "error: "),
        ("ponds --dataset instance --task semantic", 2, "contradict each other: leave out --task"),
        ("ponds --dataset semantic --dataset instance", 2, "is given as semantic and as instance"),
        ("ponds --loss --task instance --task semantic", 2, "is given as instance and as semantic"),
        ("ponds --dataset panoptic", 2, "'panoptic' is not one of"),
        ("", 2, "Missing argument 'NAME'"),
    ],
)
def test_what_cannot_be_written_is_one_message_and_leaves_nothing(
    zoo: Run, tmp_path: Path, words: str, code: int, says: str
) -> None:
    """Names that do not fit or are taken, places that are taken, and wrong usage."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}

    done = zoo(*words.split())

    assert done.returncode == code
    assert re.search(says, done.stderr, re.DOTALL), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert before == {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}


def test_full_disk_leaves_no_half(tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the licence is the first that is too large."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "from zoo.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "main(['plugin', 'new', 'ponds'], prog_name='zoo')"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )

    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") <= 3
    assert list(tmp_path.iterdir()) == []


def test_listing_of_zoo_shows_the_command_and_imports_no_template_engine(tmp_path: Path) -> None:
    """From the manifest alone."""
    code = (
        "import sys\nfrom zoo.cli import main\n"
        "try:\n    main(['plugin', '--help'], prog_name='zoo')\nexcept SystemExit:\n    pass\n"
        "print({'jinja2', 'zoo_plugin_templates'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "new" in done.stdout.partition("Commands of plugins:")[2]
    assert done.stdout.splitlines()[-1] == "set()"
