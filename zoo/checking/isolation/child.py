# SPDX-License-Identifier: Apache-2.0
"""What runs in the process of a case: the rules, with the plugin under check in the catalog."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import socket
import sys
import threading
import warnings
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.checking.finding import Finding
from zoo.checking.folders import use_scratch
from zoo.checking.isolation.jobs import Job
from zoo.checking.process_groups import kill_group, lead_group

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["work"]


def work(sender: Connection, job: Job) -> None:
    """Run a job and send its findings: rule -> list.

    Args:
        sender: Receives the findings, once.
        job: What to check.
    """
    lead_group()
    guard = _guarded(sender)
    _end_with_bench()
    _drop_output()
    os.environ.clear()
    os.environ.update(job.environment)
    use_scratch(job.scratch)
    _put_first(job.package.parent)
    _seed(job.threads)
    folder = job.scratch / f"case_{os.getpid()}"
    folder.mkdir()
    os.chdir(folder)  # what a run leaves in its current folder is not the user's
    found = _check(job)
    if guard is not None and not _answers(guard):
        found.setdefault(job.rules[0], []).append(_killed_parent(job))
    sender.send(found)
    sender.close()


def _guarded(sender: Connection) -> socket.socket | None:
    """Go on in a process of one's own; return what asks its parent, which ends as this one does.

    Code that kills its parent must not end zoo, nor the process of which all cases are forks.

    Args:
        sender: Closed in the parent, so that the end of this process is noticed.
    """
    if not hasattr(os, "fork"):
        return None
    guard, asked = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        asked.close()
        return guard
    guard.close()
    sender.close()
    if asked.recv(1):
        asked.send(b".")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code < 0:
        with suppress(OSError):  # SIGKILL has one effect alone
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _answers(guard: socket.socket) -> bool:
    """Return whether the parent is there: one that has been killed answers no more."""
    try:
        guard.send(b"?")
        return guard.recv(1) != b""
    except OSError:
        return False


def _killed_parent(job: Job) -> Finding:
    message = "its code kills the process that started it: a data worker would end the run."
    mend = "end nothing that the plugin has not started; os.getppid() is not the plugin's."
    return Finding(job.rules[0], str(job.package), message, mend, row=job.case)


def _end_with_bench() -> None:
    """End this process and its group when zoo, which waits for the findings, has been killed."""
    bench = multiprocessing.parent_process()
    if bench is None:  # it is called without one
        return

    def watch() -> None:
        wait([bench.sentinel])
        kill_group(os.getpgrp())

    threading.Thread(target=watch, daemon=True).start()


def _check(job: Job) -> dict[str, list[Finding]]:
    from zoo.checking.guarding import cases_of, check_case
    from zoo.checking.rules import all_rules
    from zoo.checking.subject import read_subject

    subject = replace(read_subject(job.package, job.project), data=job.data)
    found: dict[str, list[Finding]] = {}
    for rule in all_rules():
        if rule.id in job.rules:
            findings = found.setdefault(rule.id, [])
            for case in cases_of(rule, subject, findings):
                if case[0] == job.case:
                    findings += check_case(rule, subject, case)
    return found


def _drop_output() -> None:
    """Drop what the case prints: it is not the answer of the command, and may fill a disk."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for number in (1, 2):
        os.dup2(nowhere, number)
    os.close(nowhere)
    warnings.simplefilter("ignore")


def _put_first(folder: Path) -> None:
    """Let this plugin be the one of its name, here and in processes of this one."""
    from zoo.catalog import forget_catalog

    sys.path.insert(0, str(folder))
    places = [str(folder), os.environ.get("ZOO_PLUGIN_PATH")]
    os.environ["ZOO_PLUGIN_PATH"] = os.pathsep.join(filter(None, places))
    os.environ.pop("ZOO_PLUGINS", None)
    forget_catalog()


def _seed(threads: int) -> None:
    random.seed(0)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a check needs no GPU, and other work may use it
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
        torch.manual_seed(0)
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)
