# SPDX-License-Identifier: Apache-2.0
"""What a run or ``zoo config show`` writes of a config is read back as the same values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from zoo.engine.config_files.files import parse_config_file

pytestmark = pytest.mark.mm

_CODE = 'open("ran", "w")'
# Out of its string: an escaped backslash is left of an escaped quote where the value is exchanged.
_NUMBERS = ",".join(map(str, _CODE.encode()))
_ESCAPE = f"{{{{$unset:y|\\'+str(exec(bytes([{_NUMBERS}]))),#\"|.}}}}"
_PARTS = (
    *("{", "{{", "}}", "}", "$HOME", "$unset", ":", "a", "'", '"', "\\", " ", "_base_.x", "é"),
    *("fileDirname", "x7b", "\n", "|", "."),
)
_BRACED = st.lists(st.sampled_from(_PARTS), max_size=12).map("".join)


def _dumped(values: dict[str, Any], path: Path) -> Path:
    from mmengine.config import Config

    from zoo.engine.config_files.written import writing_configs

    with writing_configs():
        Config(values).dump(path)
    return path


@example([_ESCAPE, "{{$HOME:x}}", "{{ fileDirname }}", "{{ _base_.x }}", "{{{{"])
@given(st.lists(_BRACED, max_size=4))
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_names_with_braces_in_a_dumped_config_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    """Names of classes come with data of others, and mmengine exchanges ``{{ }}`` in texts."""
    path = tmp_path_factory.mktemp("run") / "config.py"
    values = {"metainfo": {"classes": names, "odd key {{": 1}}

    read = parse_config_file(_dumped(values, path))

    assert read.to_dict() == values


def test_no_name_in_a_dumped_config_runs_when_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = _dumped({"metainfo": {"classes": ["a", _ESCAPE, "b"]}}, tmp_path / "config.py")

    parse_config_file(path)

    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_config_show_prints_names_that_are_read_back(tmp_path: Path) -> None:
    values = {"metainfo": {"classes": ["a", _ESCAPE, "{{$HOME:x}}"]}}
    path = _dumped(values, tmp_path / "config.py")

    shown = subprocess.run(
        [sys.executable, "-m", "zoo", "config", "show", path],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )

    (tmp_path / "again.py").write_text(shown.stdout)
    assert parse_config_file(tmp_path / "again.py").to_dict() == values
    assert not (tmp_path / "ran").exists()
