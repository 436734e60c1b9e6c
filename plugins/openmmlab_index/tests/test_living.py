# SPDX-License-Identifier: Apache-2.0
"""The shelf of copies on living hosts: upstream's own names and digits, and no false friend."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent
SHELF = FOLDER / "zoo_openmmlab_index" / "living.json"
INDEX = FOLDER / "zoo_openmmlab_index" / "openmmlab.json"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(SHELF.read_text("utf-8"))["weights"]
    return found


@pytest.mark.mm
def test_shelf_is_what_the_tool_writes_today() -> None:
    """Equal tables of mmengine, equal bytes: the file was not edited by hand."""
    done = subprocess.run(
        [sys.executable, str(FOLDER / "generate_living.py"), "--check"],
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_backbones_claim_the_file_and_the_digits_of_their_former_address(
    rows: list[dict[str, Any]],
) -> None:
    """The digits in upstream's own file name judge the copy."""
    backbones = [row for row in rows if row["task"] == "backbone"]

    assert len(backbones) > 90
    for row in backbones:
        name, former = row["replaces"]
        file = PurePosixPath(former).name
        assert former.startswith("https://download.openmmlab.com/"), row["name"]
        assert name.partition("://")[0] in ("open-mmlab", "mmcls")
        assert [PurePosixPath(url).name for url in row["urls"]] == [file]
        assert file.endswith(f"-{row['sha256_prefix']}.pth")


def test_whole_checkpoints_have_the_digits_of_their_legacy_rows(
    rows: list[dict[str, Any]],
) -> None:
    index = json.loads(INDEX.read_text("utf-8"))
    legacy = {row[0]: dict(zip(index["columns"], row, strict=True)) for row in index["rows"]}
    whole = [row for row in rows if row["task"] != "backbone"]

    assert whole
    for row in whole:
        old = legacy[row["name"]]
        assert row["sha256"].startswith(old["sha256_prefix"])
        assert (row["config"], row["replaces"]) == (old["config"], [old["url"]])
        for metric in row["metrics"]:
            assert [metric["name"], metric["value"], metric["dataset"]] in old["metrics"]


@pytest.mark.mm
@pytest.mark.slow
@pytest.mark.release
def test_whole_checkpoints_state_the_parameters_of_their_configs(
    rows: list[dict[str, Any]],
) -> None:
    """Counted in the model that the config builds, one process each, for the memory."""
    code = (
        "import sys, zoo\n"
        "from importlib import import_module\n"
        "from importlib.util import find_spec\n"
        "from pathlib import Path\n"
        "from mmengine import Config\n"
        "from mmengine.registry import init_default_scope\n"
        "scope, _, rest = sys.argv[1].partition('::')\n"
        "root = Path(find_spec(scope).submodule_search_locations[0])\n"
        "config = Config.fromfile(root / '.mim' / 'configs' / rest)\n"
        "init_default_scope(scope)\n"
        "import_module(f'{scope}.models')\n"
        "model = import_module(f'{scope}.registry').MODELS.build(config.model)\n"
        "print(sum(each.numel() for each in model.parameters()))\n"
    )
    small = [row for row in rows if 0 < row.get("parameters", 0) < 100_000_000]

    assert small
    for row in small:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code, row["config"]],
            capture_output=True,
            text=True,
        )
        assert done.stdout.split()[-1:] == [str(row["parameters"])], done.stderr
