# SPDX-License-Identifier: Apache-2.0
"""Several processes of zoo, started by torchrun, by a stand-in for Slurm's srun, or by hand."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MOST_S = 240  # on a busy machine
TOOLS = Path(__file__).parents[2] / "tools"

# Where torchrun or srun would start Python with tools/train.py, the warm program starts.
_PYTHON = """#!/bin/sh
command=$(basename "$2" .py); shift 2
exec {zoo} "$command" "$@"
"""
# Processes of one machine with the variables that Slurm gives them; signals reach all of them, and
# with --kill-on-bad-exit the first that fails ends the others, as srun does.
_SRUN = """#!{python} -IS
import os, re, signal, subprocess, sys, time
given, words = {{}}, sys.argv[1:]
while words[0].startswith("-"):
    word = words.pop(0)
    name, _, value = word.partition("=")
    given[name] = value or words.pop(0)
count = int(given["--ntasks"])
tasks = []
def send(number, _=None):
    for task in tasks:
        if task.poll() is None:
            task.send_signal(number)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, send)
for rank in range(count):
    own = dict(SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_NTASKS=str(count))
    own |= dict(SLURM_NNODES="1", SLURM_NODELIST="here", SLURM_JOB_ID={job!r})
    tasks.append(subprocess.Popen(words, env=os.environ | own))
code, killed_s = 0, None
while any(task.poll() is None for task in tasks):
    code = code or next((task.returncode for task in tasks if task.poll()), 0)
    if code and killed_s is None:
        killed_s = time.monotonic() + 30
        send(signal.SIGTERM)
    if killed_s is not None and time.monotonic() > killed_s:
        send(signal.SIGKILL)
    time.sleep(0.02)
sys.exit(code or next((task.returncode for task in tasks if task.returncode), 0))
"""
# What happens to one process of a run, once, in the middle of a step's hooks.
_MISHAP = """
import os, signal, time
from pathlib import Path
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class Mishap(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        time.sleep(float(os.environ.get("PAUSE", "0")))
        rank, step, mark = os.environ.get("MISHAP", "9 0 none").split()
        if (os.environ.get("RANK"), str(runner.iter)) == (rank, step) and not Path(mark).exists():
            Path(mark).write_text("happened")
            os.kill(os.getpid(), signal.SIGKILL)
"""


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def end_of_process(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Wait for a process, and return what it has written; nothing of its group stays behind.

    Args:
        process: As `Cluster.start` started it.
    """
    try:
        return process.communicate(timeout=_MOST_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Done:
    """What the processes of a run left.

    Attributes:
        code: Exit code of the first process, or of what started them.
        errors: Text of each process on stderr, or that of all.
        outputs: The same of stdout.
    """

    code: int
    errors: Sequence[str]
    outputs: Sequence[str]


class Cluster:
    """A folder with a small data set and configs, and the ways to start several processes there.

    Args:
        folder: Created; processes run in it.
        zoo: The program, warm.
        env: Its variables.
    """

    def __init__(self, folder: Path, zoo: Path, env: Mapping[str, str]) -> None:
        self.folder, self.zoo = folder, zoo
        folder.mkdir()
        sys.path.insert(0, str(TOOLS))
        try:
            from drill_runs import end_of, write_arm, write_pictures
        finally:
            sys.path.remove(str(TOOLS))
        self.end_of = end_of
        pictures = write_pictures(folder / "pictures", val=5)
        for task in ("semantic", "instance"):
            path = write_arm(_ARMS[task], pictures, folder / f"{task}.py")
            text = path.read_text(encoding="utf-8").replace("custom_hooks = [", _WITH_MISHAP, 1)
            path.write_text(text, encoding="utf-8")
        (folder / "mishap.py").write_text(_MISHAP, encoding="utf-8")
        bin_ = folder / "bin"
        bin_.mkdir()
        job = str(os.getpid())
        for name, text in (
            ("python", _PYTHON.format(zoo=zoo)),
            ("srun", _SRUN.format(python=sys.executable, job=job)),
        ):
            (bin_ / name).write_text(text, encoding="utf-8")
            (bin_ / name).chmod(0o755)
        self.env = dict(env) | {
            "PATH": f"{bin_}:{env['PATH']}",
            "PYTHONPATH": str(folder),
            "ZOO_PLUGINS": "training_hooks",
            "ZOO_PLUGIN_PATH": "",
        }

    def start(self, words: Sequence[str | Path], **env: str) -> subprocess.Popen[str]:
        """Start a command in the folder, in a process group of its own.

        Args:
            words: The command.
            env: Further variables.
        """
        return subprocess.Popen(
            [str(word) for word in words],
            cwd=self.folder,
            env=self.env | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str | Path, **env: str) -> Done:
        """Run a command to its end.

        Args:
            words: The command.
            env: Further variables.
        """
        process = self.start(words, **env)
        output, errors = end_of_process(process)
        return Done(process.returncode, [errors], [output])

    def torchrun(self, script: str, *words: str | Path, **env: str) -> Done:
        """Run `tools/dist_train.sh` or `tools/dist_test.sh`.

        Args:
            script: Its name.
            words: Its words.
            env: Further variables.
        """
        python = str(self.folder / "bin/python")
        own = {"PYTHON": sys.executable, "PYTHON_EXEC": python}
        return self.run(TOOLS / script, *words, **(own | env))

    def together(self, count: int, *words: str | Path, apart_s: float = 0.0) -> Done:
        """Run `zoo` in several processes with torch's variables.

        Args:
            count: Number of processes.
            words: Of each; those for the launcher are added.
            apart_s: Seconds between their starts.
        """
        own = {"WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
        own["MASTER_PORT"] = str(free_port())
        started = []
        for rank in range(count):
            time.sleep(apart_s if rank else 0.0)
            ranks = {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            zoo = [self.zoo, *words, "--launcher", "pytorch"]
            started.append(self.start(zoo, **own, **ranks))
        texts = [end_of_process(process) for process in started]
        codes = [process.returncode for process in started]
        assert len(set(codes)) == 1, (codes, texts)
        return Done(codes[0], [errors for _, errors in texts], [output for output, _ in texts])

    def copy(self, work_dir: str, name: str) -> str:
        """Copy a work dir, and return the name of the copy.

        Args:
            work_dir: Name of the folder.
            name: Of the copy.
        """
        shutil.copytree(self.folder / work_dir, self.folder / name)
        return name


_ARMS = {"semantic": "semantic, steps", "instance": "instance, steps, 2 workers"}
_WITH_MISHAP = 'custom_imports = {"imports": ["mishap"]}\ncustom_hooks = [{"type": "Mishap"}, '


def errors_in(text: str) -> list[str]:
    """Return the messages of errors in a text.

    Args:
        text: What processes have written to stderr.
    """
    return re.findall(r"^error: .*", text, re.MULTILINE)
