# SPDX-License-Identifier: Apache-2.0
"""Check cases in processes that are forks of one, in which OpenMMLab is imported already."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from zoo.checking.finding import Finding
from zoo.checking.isolation.child import work
from zoo.checking.isolation.jobs import Job, jobs_of
from zoo.checking.rule import Rule
from zoo.checking.subject import Subject

__all__ = ["Bench"]

_PRELOADED = "zoo.checking.isolation.preloaded"
_MOST_WORKERS = 4
_TIMEOUT_S = 300.0
_Key = tuple[str, str]


class Bench:
    """Where the cases of one plugin are checked; a folder, and processes while they run.

    Args:
        subject: The plugin.
        timeout_s: How long one process may take.
    """

    def __init__(self, subject: Subject, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._subject = subject
        self._timeout_s = timeout_s
        self._scratch = Path(tempfile.mkdtemp(prefix="zoo-check-"))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._workers = max(1, min(_MOST_WORKERS, cores or 1))
        self._threads = max(1, (cores or 1) // self._workers)
        self._context = _context()
        self._found: dict[_Key, dict[str, list[Finding]]] = {}

    def __enter__(self) -> Bench:
        """Return the bench."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Remove the folder."""
        self.close()

    def close(self) -> None:
        """Remove the folder with everything that cases wrote."""
        shutil.rmtree(self._scratch, ignore_errors=True)

    def check(self, rule: Rule, case: str, rules: Sequence[Rule] = ()) -> list[Finding]:
        """Return what one rule finds in one case.

        Args:
            rule: The rule.
            case: Name of the case.
            rules: All rules, so that those that run together do; what they find is kept.
        """
        key = (rule.together or rule.id, case)
        if key not in self._found:
            fellows = [each.id for each in rules if rule.together and each.together == key[0]]
            self._found[key] = self._run(case, tuple(fellows or [rule.id]))
        return self._found[key].get(rule.id, [])

    def check_all(
        self, wanted: Sequence[tuple[Rule, str]], started: Callable[[Rule, str], None]
    ) -> Iterator[list[Finding]]:
        """Yield what each rule finds in each case, in their order, a few cases at a time.

        Args:
            wanted: Rules, each with the name of a case.
            started: Called with each of them before its findings are waited for.
        """
        with ThreadPoolExecutor(self._workers) as pool:
            running = {
                key: pool.submit(self._run, key[1], ids) for key, ids in jobs_of(wanted).items()
            }
            try:
                for rule, case in wanted:
                    started(rule, case)
                    found = running[(rule.together or rule.id, case)].result()
                    yield found.get(rule.id, [])
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, case: str, rules: tuple[str, ...]) -> dict[str, list[Finding]]:
        subject = self._subject
        project = None if subject.project is None else subject.project.absolute()
        package = subject.package.absolute()
        job = Job(package, project, rules, case, self._scratch, self._threads, dict(os.environ))
        receiver, sender = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(sender, job))
        process.start()
        sender.close()
        try:
            started_s = time.monotonic()
            if receiver.poll(self._timeout_s):
                found: dict[str, list[Finding]] = receiver.recv()
                return found
            seconds = time.monotonic() - started_s
            return self._ended(rules, f"it takes more than {seconds:.0f} s")
        except EOFError:
            process.join(5)
            return self._ended(rules, f"its process ends with {_ending(process.exitcode)}")
        finally:
            receiver.close()
            process.join(2)
            if process.is_alive():  # threads that a plugin left behind must not keep it
                process.kill()
                process.join()

    def _ended(self, rules: tuple[str, ...], what: str) -> dict[str, list[Finding]]:
        where = str(self._subject.manifest_path)
        message = f"this cannot be checked: {what}."
        mend = "run the case in a small script of your own to see where it stops."
        return {rules[0]: [Finding(rules[0], where, message, mend)]}


def _context() -> Any:
    """Return how processes begin: as forks of a clean one where the system has forks."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context


def _ending(code: int | None) -> str:
    if code is None:
        return "no code"
    return f"signal {-code}" if code < 0 else f"code {code}"
