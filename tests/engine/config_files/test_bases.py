# SPDX-License-Identifier: Apache-2.0
"""``zoo::`` in ``_base_``: which file it means, from anywhere, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.engine.config_files.files import find_config_file, parse_config_file
from zoo.errors import ConfigError, UnknownNameError, ZooError

pytestmark = pytest.mark.mm

_ROWS = '[[config]]\nname = "unet_cells-64"\nfile = "configs/unet.py"\n'
_SPELLED = ("unet_cells-64", "cells/unet_cells-64", "cells.unet_cells-64", "unet_cells-64.py")


@pytest.fixture
def cells(write_plugin: Callable[..., Path]) -> Path:
    """Return the package of a plugin with one config, which has a base beside it."""
    package = write_plugin("cells", _ROWS)
    (package / "configs").mkdir()
    (package / "configs" / "data.py").write_text("root = 'data'\nbatch = dict(size=2, workers=1)\n")
    (package / "configs" / "unet.py").write_text("_base_ = 'data.py'\nmodel = dict(type='UNet')\n")
    return package


def _write(path: Path, base: object, **keys: object) -> Path:
    """Write a config that inherits, in the language of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {"_base_": base, **keys}
    is_python = path.suffix == ".py"
    lines = [f"{key} = {value!r}\n" for key, value in tree.items()]
    path.write_text("".join(lines) if is_python else json.dumps(tree))  # JSON is YAML, too
    return path


@pytest.mark.parametrize("suffix", [".py", ".json", ".yaml", ".yml"])
@pytest.mark.parametrize("name", _SPELLED)
@pytest.mark.parametrize("form", [list, str], ids=["list", "one"])
def test_zoo_base_is_the_config_of_that_name_wherever_the_file_lies(
    cells: Path, tmp_path: Path, suffix: str, name: str, form: Callable[[str], object]
) -> None:
    """The file states its difference; the rest is that of the plugin's config and of its bases."""
    base = [f"zoo::{name}"] if form is list else f"zoo::{name}"
    path = _write(tmp_path / "far" / "away" / f"mine{suffix}", base, batch={"size": 8})

    config = parse_config_file(path)

    assert config.to_dict() == {
        "model": {"type": "UNet"},
        "root": "data",
        "batch": {"size": 8, "workers": 1},
    }


def test_zoo_base_of_a_plugin_may_be_the_config_of_another(
    cells: Path, write_plugin: Callable[..., Path], tmp_path: Path
) -> None:
    """Bases of bases are found in the catalog, too, and their variables can be used."""
    package = write_plugin("nuclei", '[[config]]\nname = "unet_nuclei"\nfile = "unet.py"\n')
    (package / "unet.py").write_text(
        "_base_ = ['zoo::cells/unet_cells-64']\nmodel = dict(root={{_base_.root}})\n"
    )

    config = parse_config_file(_write(tmp_path / "mine.py", ["zoo::unet_nuclei"], lr=1))

    assert config.to_dict()["model"] == {"type": "UNet", "root": "data"}


@pytest.mark.parametrize("name", _SPELLED)
def test_find_config_file_takes_the_same_names(cells: Path, name: str) -> None:
    """What stands in _base_ can be given as CONFIG."""
    assert find_config_file(f"zoo::{name}") == cells / "configs" / "unet.py"


@pytest.mark.parametrize(
    ("base", "near"),
    [
        ("zoo::unet_cels-64", "unet_cells-64"),
        ("zoo::cells/unet_cells-46", "cells.unet_cells-64"),
        ("zoo::cell/unet_cells-64", "cells.unet_cells-64"),
        ("zoo::", "zoo config list"),
    ],
)
def test_zoo_base_of_an_unknown_name_offers_near_ones_and_names_the_file(
    cells: Path, tmp_path: Path, base: str, near: str
) -> None:
    middle = _write(tmp_path / "middle.py", base)
    path = _write(tmp_path / "mine.py", ["middle.py"])

    with pytest.raises(UnknownNameError) as caught:
        parse_config_file(path)

    assert near in (caught.value.hint or "")
    assert caught.value.where == f"_base_ of {middle}"


@pytest.mark.parametrize("length", [1, 2, 3])
def test_bases_that_lead_back_are_refused_by_the_chain(
    write_plugin: Callable[..., Path], tmp_path: Path, length: int
) -> None:
    rows = "".join(f'[[config]]\nname = "c{n}"\nfile = "c{n}.py"\n' for n in range(length))
    package = write_plugin("cells", rows)
    for number in range(length):
        _write(package / f"c{number}.py", f"zoo::c{(number + 1) % length}")

    with pytest.raises(ConfigError) as caught:
        parse_config_file(_write(tmp_path / "mine.py", "zoo::c0"))

    chain = " -> ".join(f"c{number % length}.py" for number in range(length + 1))
    assert (
        f"cannot read config 'c0.py': it names itself in _base_: {chain}." == caught.value.message
    )
    assert caught.value.where == str(package / f"c{length - 1}.py")


def test_two_bases_may_share_a_base(cells: Path, tmp_path: Path) -> None:
    """A file that is read twice is no circle."""
    _write(tmp_path / "a.py", "zoo::unet_cells-64", a={"_delete_": True})
    _write(tmp_path / "b.py", "a.py")

    assert "a" in parse_config_file(_write(tmp_path / "c.py", "b.py"))
    assert "a" in parse_config_file(tmp_path / "c.py")


def test_config_on_a_zoo_base_is_named_and_its_base_is_not(
    cells: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The own file is foreign code as before, refused where that is refused; a plugin's is not."""
    path = _write(tmp_path / "foreign" / "mine.py", "zoo::unet_cells-64")

    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "1")
    with pytest.raises(ConfigError, match=r"cannot use the config 'mine\.py'"):
        parse_config_file(path)
    monkeypatch.delenv("ZOO_NO_FOREIGN_CODE")
    parse_config_file(path)

    named = [record.getMessage() for record in caplog.records if record.name == "zoo"]
    assert len(named) == 1
    assert named[0].startswith(f"running the config {path}: ")


def test_dumped_config_needs_neither_the_base_nor_its_plugin(cells: Path, tmp_path: Path) -> None:
    """What a run writes into its work dir is whole: mmengine alone reads it."""
    dumped = tmp_path / "dumped.py"
    parse_config_file(_write(tmp_path / "mine.py", "zoo::unet_cells-64")).dump(str(dumped))
    code = f"from mmengine import Config; print(Config.fromfile({str(dumped)!r}).batch.size)"

    alone = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ZOO_PLUGIN_PATH": "", "ZOO_PLUGINS": ""},
        capture_output=True,
        text=True,
        check=True,
    )

    assert alone.stdout == "2\n"


def _broken(write_plugin: Callable[..., Path]) -> None:
    package = write_plugin("broken", '[[config]]\nname = "unet_broken"\nfile = "unet.py"\n')
    assert not (package / "unet.py").exists()


def _two(write_plugin: Callable[..., Path]) -> None:
    for plugin in ("nuclei", "ponds"):
        row = '[[base]]\nname = "unet"\nfile = "unet.py"\npart = "model"\n'
        (write_plugin(plugin, row) / "unet.py").write_text("model = dict(type='UNet')\n")


@pytest.mark.parametrize(
    ("base", "message", "hint"),
    [
        ("'zoo::unet'", "plugin nuclei and plugin ponds both have one", "zoo::nuclei/unet or zoo"),
        (
            "'zoo::unet_cell-64'",
            "no config named 'unet_cell-64'",
            "did you mean zoo::unet_cells-64",
        ),
        ("'zoo::broken/unet_broken'", "'broken'", "unet.py"),
        ("'zoo::vgg'", "no config named 'vgg'", "broken may have it"),
        ("'zoo::my_lakes/vgg'", "no plugin 'my_lakes' is installed", "pip install mmzoo-my-lakes"),
        ("'part.py'", "its base 'part.py' is not a file", "did you mean parts.py?"),
        ("'../gone/part.py'", "its base '../gone/part.py' is not a file", "correct the path"),
        ("'unet_cells-64'", "is not a file", "write zoo::unet_cells-64, which is a config"),
        ("'folder'", "its base 'folder' is not a file", "correct the path"),
        ("3", "a base is 3, expected a text", "write _base_ as a text"),
        ("[None]", "a base is None, expected a text", "write _base_ as a text"),
        ("('parts.py',)", "a base is ('parts.py',), expected a text", "list of texts"),
        ("'mmnone::a/b.py'", "no package 'mmnone' is installed", "install that package"),
        ("'mmseg::unet/nope.py'", "no config 'unet/nope.py' in the package 'mmseg'", "look into"),
        ("['parts.py', 'more.py']", "two of its bases have 'a': parts.py and more.py", "leave one"),
    ],
)
def test_base_that_cannot_be_used_is_told_by_the_file_that_names_it(
    cells: Path,
    write_plugin: Callable[..., Path],
    tmp_path: Path,
    base: str,
    message: str,
    hint: str,
) -> None:
    """In zoo's words: what, where and what to do, whatever mmengine says of it."""
    _broken(write_plugin)
    _two(write_plugin)
    (tmp_path / "folder").mkdir()
    (tmp_path / "parts.py").write_text("a = 1\n")
    (tmp_path / "more.py").write_text("a = 2\n")
    middle = tmp_path / "middle.py"
    middle.write_text(f"_base_ = {base}\n")

    with pytest.raises(ZooError) as caught:
        parse_config_file(_write(tmp_path / "mine.py", "middle.py"))

    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.where == f"_base_ of {middle}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = {{_base_.model.nope}}\n", "its bases have no 'nope'"),
        ("x = _base_.nope\n", "its bases have no 'nope'"),
        ("x = nope\n", "NameError: name 'nope' is not defined"),
        ("root = dict(a=1)\n", "cannot lay a dict over root, which is 'data' in its bases"),
    ],
)
def test_file_of_a_chain_that_fails_is_the_one_that_is_named(
    cells: Path, tmp_path: Path, text: str, message: str
) -> None:
    """Not the config that was asked for, which may be without fault."""
    middle = tmp_path / "middle.py"
    middle.write_text(f"_base_ = 'zoo::unet_cells-64'\n{text}")

    with pytest.raises(ConfigError) as caught:
        parse_config_file(_write(tmp_path / "mine.py", "middle.py"))

    assert message in caught.value.message
    assert str(middle) in (caught.value.where or "")


def test_base_with_a_name_goes_with_others_and_with_upstream_s(
    write_plugin: Callable[..., Path], tmp_path: Path
) -> None:
    """Parts of several plugins, of a package and of a folder make one config."""
    _two(write_plugin)
    (tmp_path / "data.yaml").write_text("root: here\n")
    bases = ["zoo::ponds/unet", "mmseg::_base_/schedules/schedule_20k.py", "data.yaml"]

    for suffix in (".py", ".json", ".yaml"):
        config = parse_config_file(_write(tmp_path / f"mine{suffix}", bases))

        assert config.model == {"type": "UNet"}
        assert config.train_cfg.max_iters == 20000
        assert config.root == "here"


def test_base_is_listed_and_is_no_config_to_train(
    write_plugin: Callable[..., Path], run_zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """Only configs are listed as configs; ``train`` says what a base is."""
    row = '[[base]]\nname = "unet"\nfile = "unet.py"\npart = "data"\ntask = "semantic"\n'
    package = write_plugin("ponds", row)
    (package / "unet.py").write_text("data_root = 'here'\n")
    settings = {"plugins": "ponds", "folder": package.parent.parent}

    bases = run_zoo("config", "list", "--bases", "--json", **settings)
    configs = run_zoo("config", "list", "--json", **settings)
    shown = run_zoo("config", "show", "zoo::unet", **settings)
    trained = run_zoo("train", "unet", **settings)

    assert json.loads(bases.stdout) == [
        {
            "name": "unet",
            "plugin": "ponds",
            "summary": None,
            "file": str(package / "unet.py"),
            "part": "data",
            "task": "semantic",
        }
    ]
    assert json.loads(configs.stdout) == []
    assert shown.stdout.strip() == "data_root = 'here'"
    assert trained.returncode == 1
    assert "it has no model" in trained.stderr
    assert "name it in the _base_ of a config" in trained.stderr
