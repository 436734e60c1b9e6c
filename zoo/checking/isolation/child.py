# SPDX-License-Identifier: Apache-2.0
"""What runs in the process of a case: the rules, with the plugin under check in the catalog."""

from __future__ import annotations

import os
import random
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.checking.finding import Finding
from zoo.checking.folders import use_scratch
from zoo.checking.isolation.jobs import Job

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["work"]


def work(sender: Connection, job: Job) -> None:
    """Run a job and send its findings: rule -> list.

    Args:
        sender: Receives the findings, once.
        job: What to check.
    """
    _keep_output(job.scratch)
    os.environ.clear()
    os.environ.update(job.environment)
    use_scratch(job.scratch)
    _put_first(job.package.parent)
    _seed(job.threads)
    folder = job.scratch / f"case_{os.getpid()}"
    folder.mkdir()
    os.chdir(folder)  # what a run leaves in its current folder is not the user's
    sender.send(_check(job))
    sender.close()


def _check(job: Job) -> dict[str, list[Finding]]:
    from zoo.checking.guarding import cases_of, check_case
    from zoo.checking.rules import all_rules
    from zoo.checking.subject import read_subject

    subject = read_subject(job.package, job.project)
    found: dict[str, list[Finding]] = {}
    for rule in all_rules():
        if rule.id in job.rules:
            findings = found.setdefault(rule.id, [])
            for case in cases_of(rule, subject, findings):
                if case[0] == job.case:
                    findings += check_case(rule, subject, case)
    return found


def _keep_output(scratch: Path) -> None:
    """Write what the case prints to a file: it is not the answer of the command."""
    log = os.open(scratch / f"output_{os.getpid()}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
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
