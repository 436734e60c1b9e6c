# SPDX-License-Identifier: Apache-2.0
"""Runs that are killed with SIGKILL: at each write, flush, renaming and removal, and anywhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

_ACCUMULATING = "semantic, steps, saved by the first validation"
_TOOLS = Path(__file__).resolve().parents[3] / "tools"

# Saves as training does: every epoch, the best one too, of which one and one are kept. The metric
# rises, falls and rises, so that some validations replace the best checkpoint and some do not.
_SAVES = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import torch
from killing import KillAtWrite
from mmengine.hooks import CheckpointHook
from mmengine.logging import MessageHub
from zoo.engine.checkpoints.checkpoint import load_checkpoint
from zoo.engine.checkpoints.kept import choose_checkpoint, find_best_checkpoint
from zoo.engine.resuming.safe_saving import safe_saving

torch.set_num_threads(1)
SCORES = (0.1, 0.5, 0.3, 0.9)

class Loop:
    pass

class Runner:
    '''What a CheckpointHook asks of mmengine's Runner.'''
    _resume, _load_from, hooks, val_loop, train_loop = False, None, [], None, Loop()

    def __init__(self, folder):
        import logging
        self.work_dir, self.epoch, self.iter = str(folder), 0, 0
        self.message_hub = MessageHub.get_instance(folder.name)
        self.logger = logging.getLogger("drill")
        self.max_epochs = len(SCORES)

    def register_hook(self, hook, priority):
        self.hooks.append(hook)

    def save_checkpoint(self, out_dir, filename, *args, meta, **kwargs):
        import mmengine.runner.checkpoint as module
        tree = {"state_dict": {"w": torch.full((40_000,), meta["epoch"])}, "meta": dict(meta),
                "score": SCORES[meta["epoch"] - 1], "hub": self.message_hub.state_dict()}
        module.save_checkpoint(tree, os.path.join(out_dir, filename))

def run(folder):
    runner = Runner(folder)
    hook = CheckpointHook(interval=1, max_keep_ckpts=1, save_best="score", rule="greater")
    hook.before_train(runner)
    for score in SCORES:
        hook.after_train_epoch(runner)
        runner.epoch += 1
        hook.after_val_epoch(runner, {"score": score})

root = Path(sys.argv[2])
with safe_saving():
    for torn in (False, True):
        for number in range(1, 2000, 29 if torn else 1):
            folder = root / f"{torn}_{number}"
            folder.mkdir()
            pid = os.fork()
            if not pid:
                KillAtWrite(folder, number, torn).install()
                run(folder)
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            names = sorted(path.name for path in folder.glob("*.pth"))
            last = choose_checkpoint(folder, prefer="last")
            best = choose_checkpoint(folder, prefer="best")
            for path in folder.glob("*.pth"):
                load_checkpoint(path)
            note = folder / "last_checkpoint"
            dangles = note.exists() and not Path(note.read_text()).is_file()
            lost = bool(names) and last is None
            wrong = find_best_checkpoint(folder) not in (None, best)
            print(torn, number, code, int(dangles), int(lost), int(wrong), *names, flush=True)
            if code == 0:
                break
"""


def test_save_killed_at_each_of_its_writes_leaves_a_checkpoint_and_a_note_that_holds(
    tmp_path: Path,
) -> None:
    """Every file that is there loads, and no note or best checkpoint points to none."""
    ended = subprocess.run(
        [sys.executable, "-c", _SAVES, str(_TOOLS), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr[-3000:]
    rows = [line.split() for line in ended.stdout.splitlines() if line[:5] in ("False", "True ")]
    assert [row for row in rows if row[3:6] != ["0", "0", "0"]] == []
    whole = [row for row in rows if row[2] == "0"]
    kept = ["best_score_epoch_4.pth", "epoch_4.pth"]
    assert [row[6:] for row in whole] == [kept, kept]
    killed = [row for row in rows if row[2] == "-9"]
    assert len(killed) == len(rows) - 2
    assert len(killed) > 50  # four epochs have a file, a note and a removal, three a best one
    for row in killed:
        numbered = [name for name in row[6:] if name.startswith("epoch_")]
        assert len(numbered) <= 2, row  # the last one, and one that is about to be removed


def test_run_killed_and_resumed_ends_as_the_run_that_nobody_killed(tmp_path: Path) -> None:
    """Weights, optimizer, gradients, averages, curves, the best checkpoint and files are equal.

    Of two kinds: workers that outlive an epoch; a first validation that saves between two updates.
    ``make kill-drill`` has more arms, instances among them, and more moments.
    """
    command = [sys.executable, str(_TOOLS / "kill_drill.py"), "--kind", "syscall"]
    for arm in ("semantic, epochs, persistent workers", _ACCUMULATING):
        command += ["--arm", arm]
    command += ["--semantic", "4", "--instance", "0", "--seed", "0"]

    ended = subprocess.run(
        [*command, "--keep", str(tmp_path / "drill")],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr[-3000:]
    assert "4 kills, 0 faults" in ended.stdout
    assert f"{_ACCUMULATING}, run 1: killed 2 times" in ended.stdout
    assert re.search(rf"^\| {_ACCUMULATING} +\|.*\| +2 \|", ended.stdout, re.MULTILINE)
