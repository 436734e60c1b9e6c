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
    from zoo.engine.config_files import parse_config_file

    path = tmp_path / "theirs.py"
    path.write_text("import sys\nsys.exit('ran')\n")

    for _ in range(2):
        with pytest.raises(SystemExit, match="ran"):
            parse_config_file(path)

    assert _warnings(caplog) == [
        f"running the config {path}: it is Python; use those of people you trust"
    ]


def test_config_of_an_installed_package_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    from zoo.engine.config_files import find_config_file, parse_config_file

    with caplog.at_level(logging.WARNING):
        parse_config_file(find_config_file("mmseg::_base_/models/fcn_unet_s5-d16.py"))

    assert _warnings(caplog) == []


@pytest.mark.usefixtures("checkout_plugins")
def test_config_of_the_checkout_is_not_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    from zoo.engine.config_files import find_config_file, parse_config_file

    parse_config_file(find_config_file("unet_small_lung-512"))

    assert _warnings(caplog) == []


def test_config_of_a_plugin_on_the_path_is_not_named(
    write_plugin: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The user named that folder; another beside it is a stranger's."""
    from zoo.engine.foreign_configs import is_foreign

    package = write_plugin("mine")
    forget_catalog()

    assert not is_foreign(package / "configs" / "a.py")
    assert is_foreign(package.parent / "a.py")


def test_link_into_an_installed_package_is_what_it_points_at(tmp_path: Path) -> None:
    """And a link out of one is, too."""
    from zoo.engine.foreign_configs import is_foreign

    spec = find_spec("mmseg")
    assert spec is not None
    assert spec.submodule_search_locations
    inside = Path(spec.submodule_search_locations[0]) / "__init__.py"
    (tmp_path / "link.py").symlink_to(inside)

    assert not is_foreign(tmp_path / "link.py")


def test_json_config_is_not_called_python(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from zoo.engine.config_files import parse_config_file

    (tmp_path / "a.json").write_text('{"model": {"type": "X"}}')

    parse_config_file(tmp_path / "a.json")

    assert _warnings(caplog) == []
