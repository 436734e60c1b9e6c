# SPDX-License-Identifier: Apache-2.0
"""Check cases in processes that are forks of one, in which OpenMMLab is imported already."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any

from zoo.checking.finding import Finding
from zoo.checking.folders import TemporaryFolder
from zoo.checking.isolation.allowance import Allowance
from zoo.checking.isolation.child import work
from zoo.checking.isolation.jobs import Job, jobs_of
from zoo.checking.process_groups import kill_group
from zoo.checking.rule import Rule
from zoo.checking.subject import Subject
from zoo.engine.processes.sockets import shorten_socket_paths

__all__ = ["Bench"]

_PRELOADED = "zoo.checking.isolation.preloaded"
_MOST_WORKERS = 4
_TIMEOUT_S = 300.0
_MOST_STARTS = 10
_AGAIN_S = 0.2  # until the system has noticed that the parent is gone
_TOLD_S = 0.5  # between two words on what is waited for
_Key = tuple[str, str]


class Bench:
    """Where the cases of one plugin are checked; a folder, and processes while they run.

    Args:
        subject: The plugin.
        timeout_s: How long one process may compute, or wait.
    """

    def __init__(self, subject: Subject, *, timeout_s: float = _TIMEOUT_S) -> None:
        self._subject = subject
        self._timeout_s = timeout_s
        self._scratch = TemporaryFolder()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        self._workers = max(1, min(_MOST_WORKERS, cores or 1))
        self._threads = max(1, (cores or 1) // self._workers)
        self._context = _context()
        self._found: dict[_Key, dict[str, list[Finding]]] = {}
        self._running: set[int] = set()

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
        """End what still runs, and remove the folder with everything that cases wrote."""
        for pid in tuple(self._running):
            kill_group(pid)
        self._scratch.close()

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
        self, wanted: Sequence[tuple[Rule, str]], started: Callable[[Rule, str, int, int], None]
    ) -> Iterator[list[Finding]]:
        """Yield what each rule finds in each case, in their order, a few cases at a time.

        Args:
            wanted: Rules, each with the name of a case.
            started: Called with each of them, the number before it and the number of all, while its
                findings are waited for: at least once.
        """
        with ThreadPoolExecutor(self._workers) as pool:
            running = {
                key: pool.submit(self._run, key[1], ids) for key, ids in jobs_of(wanted).items()
            }
            try:
                for number, (rule, case) in enumerate(wanted):
                    future = running[(rule.together or rule.id, case)]
                    started(rule, case, number, len(wanted))
                    while not future.done():
                        wait([future], _TOLD_S)
                        started(rule, case, number, len(wanted))
                    yield future.result().get(rule.id, [])
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                for pid in tuple(self._running):  # Ctrl-C does not reach their groups
                    kill_group(pid)

    def _run(self, case: str, rules: tuple[str, ...]) -> dict[str, list[Finding]]:
        process, receiver = self._start(self._job(case, rules))
        try:
            reason = Allowance(process.pid, self._timeout_s, self._threads).wait(receiver)
            if reason is not None:
                return self._ended(rules, case, reason)
            found: dict[str, list[Finding]] = receiver.recv()
        except EOFError:
            process.join(5)
            return self._ended(rules, case, f"its process ends with {_ending(process.exitcode)}")
        else:
            return found
        finally:
            receiver.close()
            process.join(2)
            kill_group(process.pid)  # and what the plugin left running
            if process.is_alive():  # threads that a plugin left behind must not keep it
                process.kill()
                process.join()
            self._running.discard(process.pid)

    def _job(self, case: str, rules: tuple[str, ...]) -> Job:
        subject = self._subject
        project, data = (each and each.absolute() for each in (subject.project, subject.data))
        return Job(
            subject.package.absolute(),
            project,
            rules,
            case,
            self._scratch.path,
            self._threads,
            data,
            dict(os.environ),
        )

    def _start(self, job: Job) -> tuple[Any, Any]:
        """Return a new process and where its findings will be read."""
        for attempt in range(_MOST_STARTS):
            receiver, sender = self._context.Pipe(duplex=False)
            process = self._context.Process(target=work, args=(sender, job))
            try:
                process.start()
            except (EOFError, OSError):  # a case killed its parent, of which all are forks
                receiver.close()
                if attempt + 1 == _MOST_STARTS:
                    raise
                time.sleep(_AGAIN_S)
            else:
                self._running.add(process.pid)
                return process, receiver
            finally:
                sender.close()
        raise RuntimeError

    def _ended(self, rules: tuple[str, ...], case: str, what: str) -> dict[str, list[Finding]]:
        where = str(self._subject.manifest_path)
        message = f"this cannot be checked: {what}."
        mend = "run the case in a small script of your own to see where it stops."
        return {rules[0]: [Finding(rules[0], where, message, mend, row=case)]}


def _context() -> Any:
    """Return how processes begin: as forks of a clean one where the system has forks."""
    shorten_socket_paths()
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([_PRELOADED])
    return context


def _ending(code: int | None) -> str:
    if code is None:
        return "no code"
    return f"signal {-code}" if code < 0 else f"code {code}"
