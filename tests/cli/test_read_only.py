# SPDX-License-Identifier: Apache-2.0
"""Commands that write, in folders that cannot be written: one message, and nothing half written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CLASSES = '[[class]]\nname = "background"\nvalue = 0\n[[class]]\nname = "thing"\nvalue = 1\n'


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """Return a folder with a project to import and raw data, none of which can be written."""
    import cv2
    import numpy as np

    folder = tmp_path / "locked"
    for name in ("project/configs", "raw/images", "raw/masks"):
        (folder / name).mkdir(parents=True)
    (folder / "project" / "configs" / "a.py").write_text("x = 1\n")
    (folder / "project" / "README.md").write_text("# Reeds\n")
    for number in range(4):
        for kind in ("images", "masks"):
            values = np.full((8, 8), number % 2, np.uint8)
            cv2.imwrite(str(folder / "raw" / kind / f"{number}.png"), values)
    (tmp_path / "classes.toml").write_text(CLASSES)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(path.stat().st_mode & 0o555)
    return folder


PREPARE = "data prepare folder_data --task semantic --source {locked}/raw --shares 1,0,0"
COMMANDS = {
    "plugin new lake --out {locked}/lake": "cannot write 'lake': Permission denied.",
    "plugin new lake --out {locked}/a/b/lake": "cannot write 'lake': Permission denied.",
    "plugin import {locked}/project --out {locked}/out": "cannot write 'out': Permission denied.",
    f"{PREPARE} --init": "cannot write 'classes.toml': Permission denied.",
    f"{PREPARE} --classes classes.toml --out {{locked}}/out": (
        "cannot write 'out': Permission denied."
    ),
    f"{PREPARE} --classes classes.toml --out {{locked}}/a/b/out": (
        "cannot write 'out': Permission denied."
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "says"), COMMANDS.items(), ids=range(len(COMMANDS)))
def test_command_that_cannot_write_ends_in_one_message_and_leaves_nothing(
    locked: Path,
    tmp_path: Path,
    env_of_zoo: dict[str, str],
    bound_by_permissions: list[str],
    words: str,
    says: str,
) -> None:
    """A hint says what to do; neither the folder nor the one beside it has anything new."""
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))

    done = subprocess.run(
        [*bound_by_permissions, sys.executable, "-m", "zoo", *words.format(locked=locked).split()],
        cwd=tmp_path,
        env=env_of_zoo | {"ZOO_PLUGINS": "folder_data,plugin_templates"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "HINT: " in done.stderr
    assert "Traceback" not in done.stderr
    assert before == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))


@pytest.mark.slow
def test_what_is_read_alone_may_lie_where_nothing_can_be_written(
    locked: Path, tmp_path: Path, env_of_zoo: dict[str, str], bound_by_permissions: list[str]
) -> None:
    """Raw data and a project to import: what becomes of them is written elsewhere."""
    for words in (
        f"{PREPARE} --classes classes.toml --out data".format(locked=locked),
        f"plugin import {locked}/project --out reeds",
        "plugin check reeds --static",
    ):
        done = subprocess.run(
            [*bound_by_permissions, sys.executable, "-m", "zoo", *words.split()],
            cwd=tmp_path,
            env=env_of_zoo | {"ZOO_PLUGINS": "folder_data,plugin_templates"},
            capture_output=True,
            text=True,
            check=False,
        )

        assert done.returncode == 0, (words, done.stderr)


def test_listing_with_a_cache_that_cannot_be_written_says_the_same_and_nothing_of_it(
    tmp_path: Path, env_of_zoo: dict[str, str], bound_by_permissions: list[str]
) -> None:
    """What manifests said is kept nowhere; that makes a listing no worse."""
    told: dict[tuple[int, str, str], list[int]] = {}
    for mode in (0o755, 0o555):
        cache = tmp_path / f"{mode:o}"
        cache.mkdir(mode=mode)
        env = env_of_zoo | {"ZOO_CACHE": str(cache), "XDG_STATE_HOME": str(tmp_path / "state")}
        words = [*bound_by_permissions, sys.executable, "-m", "zoo", "plugin", "list"]
        for _ in range(2):  # the second time from what the first has kept
            done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
            told.setdefault((done.returncode, done.stdout, done.stderr), []).append(mode)

    ((code, listing, said),) = told
    assert code == 0
    assert str(tmp_path) not in said  # it may speak of packages that plugins lack
    assert "denied" not in said
    assert "folder_data" in listing
    assert os.listdir(tmp_path / "755") == ["manifests"]
    assert os.listdir(tmp_path / "555") == []
