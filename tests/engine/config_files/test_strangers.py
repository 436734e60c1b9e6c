# SPDX-License-Identifier: Apache-2.0
"""A config that came with nothing that was installed says that it runs code, before it does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

from zoo.catalog import forget_catalog

pytestmark = pytest.mark.mm


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.message for r in caplog.records if "running the config" in r.message]


def test_foreign_config_is_named_before_it_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The line is there even where the code ends the process, and comes once a file."""
    from zoo.engine.config_files.files import parse_config_file

    path = tmp_path / "theirs.py"
    path.write_text("import sys\nsys.exit('ran')\n")

    for _ in range(2):
        with pytest.raises(SystemExit, match="ran"):
            parse_config_file(path)

    assert _warnings(caplog) == [
        f"running the config {path}: it is Python; only use configs of people you trust"
    ]


def test_config_of_an_installed_package_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    from zoo.engine.config_files.files import find_config_file, parse_config_file

    with caplog.at_level(logging.WARNING):
        parse_config_file(find_config_file("mmseg::_base_/models/fcn_unet_s5-d16.py"))

    assert _warnings(caplog) == []


@pytest.mark.usefixtures("checkout_plugins")
def test_config_of_the_checkout_is_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from zoo.engine.config_files.files import find_config_file, parse_config_file

    parse_config_file(find_config_file("unet_small_lung-512"))

    assert _warnings(caplog) == []


def test_config_of_a_plugin_on_the_path_is_not_named(
    write_plugin: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The user named that folder; another beside it is a stranger's."""
    from zoo.engine.config_files.strangers import is_foreign

    package = write_plugin("mine")
    forget_catalog()

    assert not is_foreign(package / "configs" / "a.py")
    assert is_foreign(package.parent / "a.py")


def test_link_into_an_installed_package_is_what_it_points_at(tmp_path: Path) -> None:
    """And a link out of one is, too."""
    from zoo.engine.config_files.strangers import is_foreign

    spec = find_spec("mmseg")
    assert spec is not None
    assert spec.submodule_search_locations
    inside = Path(spec.submodule_search_locations[0]) / "__init__.py"
    (tmp_path / "link.py").symlink_to(inside)

    assert not is_foreign(tmp_path / "link.py")


@pytest.mark.parametrize("name", ["a.json", "a.yaml", "a.yml"])
def test_config_of_data_is_named_but_not_called_python(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """It is no Python, and runs what it names all the same."""
    from zoo.engine.config_files.files import parse_config_file

    path = tmp_path / name
    path.write_text('{"model": {"type": "subprocess.Popen", "args": ["touch", "x"]}}')

    parse_config_file(path)

    assert _warnings(caplog) == []
    assert (
        f"using the config {path}: it names code to run; only use configs of people you trust"
        in [record.message for record in caplog.records]
    )


def test_own_config_is_known_by_its_bytes_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy is the same code, one edited is not; nor does a work dir say whose it is."""
    from zoo.engine.config_files.own_configs import note_own
    from zoo.engine.config_files.strangers import is_foreign

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    written, copy, edited = (tmp_path / name for name in ("a.py", "b.py", "c.py"))
    for path in (written, copy):
        path.write_text("model = dict(type='X')\n")
    edited.write_text("model = dict(type='Y')\n")
    assert is_foreign(written)

    note_own([written, tmp_path / "gone.py"])

    assert [is_foreign(path) for path in (written, copy, edited)] == [False, False, True]


@pytest.mark.parametrize("state", ["file", "~nosuchuser/x"])
def test_state_that_cannot_be_written_makes_no_run_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    from zoo.engine.config_files.own_configs import is_own, note_own

    (tmp_path / "file").touch()
    (tmp_path / "a.py").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / state) if state == "file" else state)

    note_own([tmp_path / "a.py"])

    assert not is_own(tmp_path / "a.py")


@pytest.mark.slow
@pytest.mark.usefixtures("squares")
def test_own_run_is_opened_where_foreign_code_is_refused_until_its_config_is_edited(
    squares_config: Path, squares_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also from another place; a strange file beside the run's own is as strange as anywhere."""
    import shutil

    from zoo.engine.config.reading import read_config
    from zoo.engine.prediction.model import open_model
    from zoo.engine.runs.train import train
    from zoo.errors import ConfigError

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    options = {"train_cfg.max_iters": 1, "val_dataloader": None, "val_cfg": None}
    options |= {"val_evaluator": None, "default_hooks.checkpoint.save_best": None}
    config = read_config(
        squares_config, data=squares_data, cfg_options=options, work_dir=tmp_path / "run"
    )
    work_dir = train(config)
    moved = tmp_path / "moved"
    shutil.copytree(work_dir, moved)
    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "1")

    for folder in (work_dir, moved):
        assert open_model(str(folder)).classes == ("ground", "square")
    with (moved / squares_config.name).open("a") as stream:
        stream.write("x = 1\n")
    with pytest.raises(ConfigError, match="ZOO_NO_FOREIGN_CODE refuses"):
        open_model(str(moved))


def test_config_that_a_model_reads_while_it_is_built_is_refused_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As mmdet's distillation does with its teacher's."""
    from mmengine.config import Config

    from zoo.engine.config.building import explaining
    from zoo.errors import ConfigError

    canary, teacher = tmp_path / "ran", tmp_path / "teacher.py"
    teacher.write_text(f"open({str(canary)!r}, 'w').close()\n")
    monkeypatch.setenv("ZOO_NO_FOREIGN_CODE", "1")

    config = Config({"model": {}})
    with pytest.raises(ConfigError, match=r"the config 'teacher\.py'"), explaining(config):
        Config.fromfile(teacher)

    assert not canary.exists()
