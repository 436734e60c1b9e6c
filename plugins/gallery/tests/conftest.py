# SPDX-License-Identifier: Apache-2.0
"""The site that zoo makes of a zoo of hostile plugins and of two sources."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

for _name in ("hostile_zoo", "site_pages"):
    _spec = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_name] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_name])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, env_of_zoo: dict[str, str]) -> Any:
    """Return the site, made once by the command in a process of its own."""
    from hostile_zoo import add_sources, run_gallery, write_zoo
    from site_pages import BuiltSite

    folder = tmp_path_factory.mktemp("gallery")
    env = {**env_of_zoo, "XDG_STATE_HOME": str(folder / "state")}
    write_zoo(folder / "plugins")
    add_sources(folder / "indexes", env)
    done = run_gallery(folder / "site", env, folder / "plugins")
    assert done.returncode == 0, done.stderr
    return BuiltSite(folder / "site", done.stdout, folder / "plugins", env)
