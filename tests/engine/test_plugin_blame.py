# SPDX-License-Identifier: Apache-2.0
"""Whose fault an error is: of the plugin whose line raises it, or of what the user gave."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog
from zoo.engine.plugin_code import plugin_code_error
from zoo.errors import PluginCodeError

pytestmark = pytest.mark.mm

_MANIFEST = """
[plugin]
name = "opener"
version = "0.1.0"
api = 1
summary = "opens files in many ways"
license = "Apache-2.0"

[requires]
distributions = []

[[transform]]
name = "Wrap"
target = "zoo_opener.parts:Wrap"

[[command]]
name = "opener"
target = "zoo_opener.command:command"
"""
_OPENERS = '''"""Files that the wheel should have held, and files of a user."""
import json
from importlib.resources import files
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
TABLE = "tables/colours.txt"


def by_file():
    return (HERE / "palette.json").read_text()


def by_resources():
    return files("zoo_opener").joinpath("tables", "palette.json").read_text()


def by_numpy():
    return np.load(HERE / "weights.npy")


def by_numpy_text():
    return np.loadtxt(HERE / "colours.txt")


def by_link(link):
    return (Path(link) / "palette.json").read_text()


def by_folder():
    return (HERE / "openers.py" / "palette.json").read_text()


def by_relative():
    with open("palette.json") as file:
        return json.load(file)


def by_constant():
    return np.loadtxt(TABLE)


def by_name_of_own_file():
    name = "".join(("par", "ts.py"))
    return open(name).read()


def given(path):
    return open(path).read()


def given_to_numpy(path):
    return np.load(path)


def default(path="annotations.json"):
    return open(path).read()


def scratch(path):
    return (Path(path) / "cache" / "x.bin").write_bytes(b"")
'''
_PARTS = '''"""A transform that calls another one."""
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from zoo_opener import openers


class Wrap(BaseTransform):
    def __init__(self, inner=None, opener=None):
        self.inner = inner and TRANSFORMS.build(inner)
        self.opener = opener

    def transform(self, results):
        if self.opener:
            getattr(openers, self.opener)()
        return self.inner(results) if self.inner else results


def call(function, *arguments):
    return function(*arguments)
'''
_COMMAND = '''"""A command that opens a file."""
import click

from zoo_opener import openers


@click.command()
@click.argument("opener")
@click.argument("path", required=False)
def command(opener, path):
    """Open a file."""
    getattr(openers, opener)(*([path] if path else []))
'''
_OWN_FILES = ["by_file", "by_resources", "by_numpy", "by_numpy_text", "by_folder"]
_OWN_FILES += ["by_relative", "by_constant", "by_name_of_own_file"]


@pytest.fixture(scope="module")
def opener_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Write the plugin once, and forget it at the end: a package is imported from one place."""
    package = tmp_path_factory.mktemp("opener") / "zoo_opener"
    package.mkdir()
    (package / "__init__.py").write_text("import zoo\n")
    (package / "zoo_plugin.toml").write_text(_MANIFEST)
    for name, text in (("openers", _OPENERS), ("parts", _PARTS), ("command", _COMMAND)):
        (package / f"{name}.py").write_text(text)
    yield package.parent
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_opener"]:
        del sys.modules[name]


@pytest.fixture
def openers(opener_folder: Path, squares: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the catalog find the plugin, and return its module that opens files."""
    paths = (opener_folder, squares)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", os.pathsep.join(map(str, paths)))
    monkeypatch.syspath_prepend(str(opener_folder))
    forget_catalog()
    return import_module("zoo_opener.openers")


class Reads:
    """A data set whose samples are what a function reads."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.function, self.arguments = function, arguments

    def __len__(self) -> int:
        """Return one."""
        return 1

    def __getitem__(self, index: int) -> Any:
        """Return what the function reads."""
        return self.function(*self.arguments)


def raised(in_worker: bool, function: Callable[..., Any], *arguments: Any) -> Exception:
    """Return what reading raises, here or in a worker of a data loader."""
    from torch.utils.data import DataLoader

    images = iter(DataLoader(Reads(function, *arguments), num_workers=int(in_worker)))
    with pytest.raises(OSError, match=r"No such file|Not a directory|not found") as caught:
        next(images)
    if in_worker:
        images._shutdown_workers()  # the error keeps the loader, which would keep its worker
    return caught.value


def line_of(name: str) -> int:
    """Return the line on which a function of the plugin reads."""
    module = ast.parse(_OPENERS)
    node = next(node for node in module.body if getattr(node, "name", None) == name)
    return int(node.end_lineno if name != "by_relative" else node.body[0].lineno)


@pytest.mark.parametrize("in_worker", [False, True])
@pytest.mark.parametrize("name", _OWN_FILES)
def test_a_file_that_a_plugin_forgot_to_package_is_the_plugins_fault(
    name: str, in_worker: bool, openers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it opens the file, and by a path relative to whatever folder zoo runs in."""
    monkeypatch.chdir(tmp_path)
    error = raised(in_worker, getattr(openers, name))

    named = plugin_code_error(error)

    assert named is not None
    assert named.plugin == "opener"
    assert named.where == f"{Path(openers.__file__).resolve()}:{line_of(name)}"
    assert "package data" in str(named)


def test_a_file_below_a_link_to_the_package_is_the_plugins_fault(
    openers: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The catalog knows the package by the link, the code by its real place, or vice versa."""
    (tmp_path / "zoo_opener").symlink_to(openers.HERE)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path))
    forget_catalog()

    for error in (raised(False, openers.by_file), raised(False, openers.by_link, tmp_path)):
        assert (plugin_code_error(error) is not None) == ("zoo_opener" in str(error))


@pytest.mark.parametrize("in_worker", [False, True])
@pytest.mark.parametrize("name", ["given", "given_to_numpy", "default", "scratch"])
@pytest.mark.parametrize("path", ["data/image.png", "image.npy", "/nowhere/data/image.npy"])
def test_a_missing_file_of_the_user_is_no_fault_of_a_plugin(
    name: str,
    path: str,
    in_worker: bool,
    openers: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Although the plugin's own line opens it: the path came from a config or a command line."""
    monkeypatch.chdir(tmp_path)
    arguments = () if name == "default" else (path,)

    assert plugin_code_error(raised(in_worker, getattr(openers, name), *arguments)) is None


@pytest.mark.parametrize(
    ("words", "is_named"),
    [(["by_file"], True), (["given", "data.json"], False), (["by_relative"], True)],
)
def test_a_command_names_the_plugin_whose_file_is_missing(
    words: list[str], is_named: bool, openers: Any, tmp_path: Path
) -> None:
    """And states the path alone, where it is the user's."""
    run = subprocess.run(
        [sys.executable, "-m", "zoo", "opener", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )

    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert ("of plugin 'opener' raises FileNotFoundError" in run.stderr) == is_named
    assert ("where: data.json\n" in run.stderr) != is_named


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_training_names_the_plugin_whose_file_is_missing(
    workers: int, openers: Any, squares_data: Path, squares_text: str, tmp_path: Path
) -> None:
    """Not the data, which is there."""
    import zoo

    config = tmp_path / "opens.py"
    config.write_text(with_transform(squares_text, "opener='by_file'", workers))

    with pytest.raises(PluginCodeError, match=r"palette\.json") as caught:
        zoo.train(config, data=squares_data, work_dir=tmp_path / "run", max_steps=2)

    assert caught.value.plugin == "opener"


def with_transform(text: str, arguments: str, workers: int) -> str:
    """Return the squares' config with the transform of the plugin in training."""
    part = f"dict(type='zoo.opener.Wrap', {arguments})"
    loading = "dict(type='LoadAnnotations'),"
    text = text.replace(loading, f"{loading} {part},", 1)
    return text.replace("batch_size=2, num_workers=0", f"batch_size=2, num_workers={workers}")


@pytest.mark.parametrize("workers", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_users_own_type_that_a_plugin_calls_is_no_fault_of_the_plugin(
    workers: int,
    openers: Any,
    squares_data: Path,
    squares_text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A transform of the config's custom_imports, called by the plugin's transform."""
    import zoo

    name = f"users_own_{workers}"
    (tmp_path / f"{name}.py").write_text(
        "from mmengine.registry import TRANSFORMS\n\n\n@TRANSFORMS.register_module()\n"
        f"class Mine{workers}:\n    def __init__(self, **_): ...\n\n"
        "    def __call__(self, results):\n        return results['no such key']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    config = tmp_path / "own.py"
    text = with_transform(squares_text, f"inner=dict(type='Mine{workers}')", workers)
    config.write_text(f"{text}\ncustom_imports = dict(imports=['{name}'])\n")

    with pytest.raises(Exception, match="no such key") as caught:
        zoo.train(config, data=squares_data, work_dir=tmp_path / "run", max_steps=2)

    assert not isinstance(caught.value, PluginCodeError)


@pytest.mark.parametrize("is_of_user", [True, False])
def test_a_function_that_a_plugin_calls_is_blamed_itself(
    is_of_user: bool, openers: Any, tmp_path: Path
) -> None:
    """A user's callback clears the plugin, a library's function that it calls does not."""
    from zoo_opener.parts import call

    scope: dict[str, Any] = {}
    script = tmp_path / "script.py"
    script.write_text("import json\n\n\ndef callback(text):\n    return json.loads(text)\n")
    exec(compile(script.read_text(), str(script), "exec"), scope)
    function = scope["callback"] if is_of_user else json.loads

    with pytest.raises(ValueError, match="Expecting value") as caught:
        call(function, "")

    named = plugin_code_error(caught.value)
    assert (named is None) == is_of_user
