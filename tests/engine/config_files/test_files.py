# SPDX-License-Identifier: Apache-2.0
"""Which file a CONFIG stands for, and what is said of one that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.engine.config_files.files import find_config_file, parse_config_file
from zoo.errors import ConfigError, UnknownNameError

pytestmark = pytest.mark.mm

_DRIVE = "unet/unet-s5-d16_fcn_4xb4-40k_drive-64x64.py"


def test_find_config_file_by_path_name_and_package_returns_files(
    tmp_path: Path, write_plugin: Callable[..., Path]
) -> None:
    package = write_plugin("cells", '[[config]]\nname = "unet_cells"\nfile = "unet.py"\n')
    (package / "unet.py").write_text("model = dict(type='X')\n")

    assert find_config_file(package / "unet.py") == package / "unet.py"
    assert find_config_file("unet_cells") == package / "unet.py"
    assert find_config_file("cells.unet_cells") == package / "unet.py"
    for name in (_DRIVE, _DRIVE.removesuffix(".py")):
        assert find_config_file(f"mmseg::{name}").name == Path(_DRIVE).name


@pytest.mark.parametrize(
    ("name", "message", "near"),
    [
        ("unet_cels", "no config named 'unet_cels'.", ("unet_cells",)),
        ("cells/unte.py", "no config file 'cells/unte.py'.", ("cells/unet.py",)),
        ("gone/unet.py", "no config file 'gone/unet.py'.", ()),
        (
            "mmseg::unet/unet-s5-d16_fcn_4xb4-40k_drive-64x6.py",
            "no config 'unet/unet-s5-d16_fcn_4xb4-40k_drive-64x6.py' in the package 'mmseg'.",
            (f"mmseg::{_DRIVE}",),
        ),
        (
            "mmnone::a/b.py",
            "no package 'mmnone' is installed, so there is no config 'mmnone::a/b.py'.",
            (),
        ),
    ],
    ids=["name", "path", "folder", "inside", "package"],
)
def test_find_config_file_that_is_not_there_offers_near_names(
    tmp_path: Path,
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    message: str,
    near: tuple[str, ...],
) -> None:
    write_plugin("cells", '[[config]]\nname = "unet_cells"\nfile = "unet.py"\n')
    (tmp_path / "cells" / "zoo_cells" / "unet.py").write_text("")
    (tmp_path / "cells" / "unet.py").write_text("")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UnknownNameError) as caught:
        find_config_file(name)

    assert caught.value.message == message
    assert caught.value.near[: len(near)] == near
    assert caught.value.kind == "config"


@pytest.mark.parametrize("name", ["run", "./run", "runs/b.py"])
def test_find_config_file_given_a_folder_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match="as a config: it is a folder") as caught:
        find_config_file(name)

    assert "also accept a work dir" in str(caught.value)


def test_find_config_file_given_a_checkpoint_says_so(tmp_path: Path) -> None:
    path = tmp_path / "iter_6.pth"
    path.touch()

    with pytest.raises(ConfigError) as caught:
        find_config_file(path)

    assert str(caught.value).startswith("cannot use 'iter_6.pth' as a config: it ends in '.pth'")


@pytest.mark.parametrize(
    ("text", "message", "where"),
    [
        ("a = 1\nmodel = dict(\n", "line 2: '(' was never closed.", "{path}:2"),
        (
            "_base_ = 'base.py'\n",
            "line 3: expected 'except' or 'finally' block.",
            "{folder}/base.py:3",
        ),
        ("a = b\n", "NameError: name 'b' is not defined.", "{path}"),
        ("a = 1 / 0\n", "ZeroDivisionError: division by zero.", "{path}"),
        (
            "custom_imports = dict(imports=['mmnone.models'], allow_failed_imports=False)\n",
            "ImportError: Failed to import mmnone.models.",
            "{path}",
        ),
    ],
    ids=["syntax", "syntax-of-base", "name", "value", "import"],
)
def test_parse_config_file_that_fails_names_file_and_reason(
    tmp_path: Path, text: str, message: str, where: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    (tmp_path / "base.py").write_text("try:\n    a = 1\nb = 2\n")

    with pytest.raises(ConfigError) as caught:
        parse_config_file(path)

    name = "base.py" if "base.py" in text else "broken.py"
    assert caught.value.message.startswith(f"cannot read config {name!r}: {message}")
    assert caught.value.where == where.format(path=path, folder=tmp_path)
    assert caught.value.hint
    assert caught.value.__cause__ is not None


def test_parse_config_file_with_package_base_needs_no_network(tmp_path: Path) -> None:
    """Bases of installed packages are found in their .mim folder, and nothing is installed."""
    path = tmp_path / "mine.py"
    path.write_text(f"_base_ = 'mmseg::{_DRIVE}'\nmodel = dict(backbone=dict(base_channels=4))\n")

    config = parse_config_file(path)

    assert config.model.backbone.base_channels == 4
    assert config.model.backbone.type == "UNet"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[1, 2]", "expected names with values at its top level, and in each base"),
        ("a.json", '{"_base_": "b.json"}', "expected names with values at its top level"),
        ("a.json", "{", "JSONDecodeError: "),
        ("a.json", "[" * 100_000, "it is nested too deep"),
        ("a.json", '{"_base_": "a.json"}', "it names itself in _base_: a.json -> a.json"),
        ("a.json", '{"a": ' + "9" * 5000 + "}", "ValueError: Exceeds the limit"),
        ("a.yaml", "- 1", "expected names with values at its top level"),
        ("a.yaml", "1: 2", "expected names with values at its top level"),
        ("a.yaml", "", "expected names with values at its top level"),
        ("a.py", "_base_ = 'a.py'", "it names itself in _base_: a.py -> a.py"),
        ("a.py", "import sys; sys.exit(3)", "its code ends the process with exit code 3"),
        ("a.py", "class E(Exception): pass\nraise E('x')", "E: x"),
        ("a.py", "raise StopIteration", "StopIteration"),
        ("a.py", "raise MemoryError", "MemoryError"),
        ("a.py", "with open('x'): pass", "Only `read_base` context manager can be used"),
        ("a.py", "\x00", ""),
        ("a.py", "\xff".encode("latin-1"), "UnicodeDecodeError: "),
    ],
)
def test_parse_config_file_of_any_kind_ends_in_one_message(
    tmp_path: Path, name: str, text: str | bytes, message: str
) -> None:
    """Of whatever a config, or what reads it, raises."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    (tmp_path / "b.json").write_text("[1]")

    with pytest.raises(ConfigError) as caught:
        parse_config_file(path)

    assert message in caught.value.message
    assert caught.value.hint
    assert str(caught.value.where).startswith(str(tmp_path))
