# SPDX-License-Identifier: Apache-2.0
"""A work dir that its user may not write to, tried as a user who is not root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.mm,
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="permissions of another kind"),
]

_HOOKED = """
custom_hooks = [dict(type='Shut')]
"""
# A first run loads what a user without root's rights could perhaps not read here.
_SCRIPT = """
import encodings.utf_8_sig, json, os, sys
from pathlib import Path
from mmengine.hooks import Hook
from mmengine.registry import HOOKS
import zoo

@HOOKS.register_module()
class Shut(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter == 1 and "middle" in str(runner.work_dir):
            os.chmod(runner.work_dir, 0o555)

root = Path(sys.argv[1])

def run(name):
    try:
        zoo.train(root / "squares.py", data=root / "data", work_dir=root / name, max_steps=4)
    except zoo.errors.ZooError as error:
        return [error.message, str(error.where), error.hint]

told = {"warm": run("warm")}
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
for name in ("shut", "shut/new", "file", "open/middle"):
    told[name] = run(name)
os.seteuid(os.getuid())
print(json.dumps(told))
"""


@pytest.fixture
def root(squares_data: Path, squares_text: str) -> Iterator[Path]:
    """A folder that every user can reach, unlike pytest's, with data and a config."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(made)
        root.chmod(0o755)
        shutil.copytree(squares_data, root / "data")
        text = squares_text.replace("interval=3", "interval=2")
        (root / "squares.py").write_text(f"{text}{_HOOKED}")
        (root / "file").touch()
        for name, mode in (("shut", 0o555), ("open", 0o777)):
            (root / name).mkdir()
            (root / name).chmod(mode)
        yield root


def test_work_dir_without_permission_gives_one_message(squares_folder: Path, root: Path) -> None:
    """At the start nothing is made; in the middle the last checkpoint is named as untouched."""
    script = root / "script.py"
    script.write_text(_SCRIPT)
    environment = {**os.environ, "ZOO_PLUGIN_PATH": str(squares_folder)}

    done = subprocess.run(
        [sys.executable, str(script), str(root)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert done.returncode == 0, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told.pop("warm") is None
    for name, reason in (
        ("shut", "Permission denied"),
        ("shut/new", "Permission denied"),
        ("file", "found a file, expected a folder"),
    ):
        message, where, hint = told[name]
        assert message == f"cannot train in {str(root / name)!r}: {reason}."
        assert where == str(root / name)
        assert hint == "choose a folder that you may write to with --work-dir."
    assert list((root / "shut").iterdir()) == []
    message, where, hint = told["open/middle"]
    assert message.startswith("cannot write 'iter_2.pth': Permission denied")
    assert where == str(root / "open" / "middle" / "iter_2.pth")
    assert "permissions" in hint
