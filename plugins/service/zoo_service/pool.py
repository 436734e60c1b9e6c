# SPDX-License-Identifier: Apache-2.0
"""Processes that predict: started, fed from the queue, killed at their limit, started again."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from zoo.errors import ConfigError, ZooError
from zoo_service.jobs import Answer, Job, JobQueue
from zoo_service.messages import receive, send
from zoo_service.metrics import Metrics
from zoo_service.problems import MEDIA_TYPE, problem_body
from zoo_service.settings import Settings
from zoo_service.worker import Plan, work

__all__ = ["Pool"]

_LOG = logging.getLogger(__name__)
# Threads of torch do not survive a fork.
_SPAWN = multiprocessing.get_context("spawn")
_END_S = 3.0
_MOST_PAUSE_S = 30.0
_FAILURES_TO_DIE = 5


class _LostProcessError(Exception):
    """A process has ended before its answer."""


class _UnsentError(Exception):
    """A process had ended before it got a job."""


class _ModelProcess:
    """One process. Its methods block."""

    def __init__(self, plan: Plan, number: int) -> None:
        self._plan = plan
        self._name = f"zoo serve, models {number}"
        self._is_forbidden = False
        self.number = number
        self.is_ready = self.is_busy = False

    @property
    def sentinel(self) -> int:
        """A file that can be read once the process has ended; -1 before it is started."""
        process = getattr(self, "_process", None)
        return -1 if process is None or process.pid is None else int(process.sentinel)

    def open(self) -> dict[str, Any]:
        """Start it, wait until its models are open, and return what they are."""
        self._connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(
            target=work, args=(theirs, self._plan), name=self._name, daemon=True
        )
        self._process.start()
        theirs.close()
        if self._is_forbidden:
            self._process.kill()
        head, _ = self._receive()
        if "error" in head:
            told = head["error"]
            raise ConfigError(told["message"], where=told["where"], hint=told["hint"])
        models: dict[str, Any] = head["models"]
        return models

    def answer(self, job: Job, timeout_s: float) -> tuple[dict[str, Any], Answer]:
        """Send it a job; return what it says of it, and the answer."""
        try:
            send(self._connection, job.message())
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _UnsentError from error
        try:
            if not self._connection.poll(timeout_s):
                raise TimeoutError
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _LostProcessError from error
        head, body = self._receive()
        return head, Answer(head["status"], head["media_type"], body)

    def end(self) -> None:
        """Let it end, or kill it; nothing of it is left."""
        self.is_ready = False
        connection = getattr(self, "_connection", None)
        process = getattr(self, "_process", None)
        if connection is None or process is None or process.pid is None:
            return
        connection.close()
        process.join(_END_S)
        if process.is_alive():
            process.kill()
            process.join()

    def forbid(self) -> None:
        """Kill it at once, and let it not open models again."""
        self._is_forbidden = True
        self.kill()

    def kill(self) -> None:
        """Kill it at once; who waits for it wakes."""
        self.is_ready = False
        process = getattr(self, "_process", None)
        if process is not None and process.pid is not None:
            process.kill()

    def _receive(self) -> tuple[dict[str, Any], bytes]:
        try:
            return receive(self._connection)
        except (EOFError, OSError) as error:
            raise _LostProcessError from error


class Pool:
    """All processes, and the tasks that feed them.

    Args:
        settings: Limits of the service.
        queue: The jobs.
        metrics: Counts what happens.
    """

    def __init__(self, settings: Settings, queue: JobQueue, metrics: Metrics) -> None:
        count = settings.workers
        plan = Plan(settings.specs, settings.device, count, settings.most_px)
        self._settings, self._queue, self._metrics = settings, queue, metrics
        self._processes = [_ModelProcess(plan, number) for number in range(count)]
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="models")
        self._tasks: list[asyncio.Task[None]] = []
        self._failures = 0
        self.models: Mapping[str, Any] = {}

    @property
    def is_ready(self) -> bool:
        """Whether a process can predict."""
        return any(process.is_ready for process in self._processes)

    @property
    def is_lost(self) -> bool:
        """Whether processes end again and again, so that only a new start may help."""
        return self._failures >= _FAILURES_TO_DIE

    async def start(self) -> None:
        """Open the models in every process, and begin to predict.

        Raises:
            ZooError: A model cannot be opened.
        """
        opening = [asyncio.ensure_future(self._open(process)) for process in self._processes]
        try:
            opened = await asyncio.gather(*opening)
        except _LostProcessError as error:
            message = "cannot open the models: a process ended while it opened them."
            hint = "free some memory, or use fewer --workers."
            raise ConfigError(message, where="zoo serve", hint=hint) from error
        if any(models != opened[0] for models in opened):
            raise _other_models()
        self.models = opened[0]
        self._tasks = [asyncio.ensure_future(self._drive(process)) for process in self._processes]

    async def stop(self) -> None:
        """End all processes, whatever they do."""
        for task in self._tasks:
            task.cancel()
        for process in self._processes:
            self._unwatch(process)
            if process.is_busy or not process.is_ready:
                process.forbid()  # it hears nothing
        await asyncio.gather(*(asyncio.to_thread(each.end) for each in self._processes))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._threads.shutdown(wait=False)

    async def _open(self, process: _ModelProcess) -> dict[str, Any]:
        models: dict[str, Any] = await self._in_thread(process.open)
        if self.models and models != self.models:
            raise _other_models()
        process.is_ready = True
        self._count_ready()
        asyncio.get_running_loop().add_reader(process.sentinel, self._lose, process)
        return models

    def _lose(self, process: _ModelProcess) -> None:
        """Note that a process has ended; if it waits for a job, it is replaced."""
        self._unwatch(process)
        process.is_ready = False
        self._count_ready()
        self._waking = asyncio.ensure_future(self._queue.wake())

    def _unwatch(self, process: _ModelProcess) -> None:
        if process.sentinel >= 0:
            asyncio.get_running_loop().remove_reader(process.sentinel)

    async def _drive(self, process: _ModelProcess) -> None:
        while True:
            job = await self._queue.take(lambda: process.is_ready)
            if job is None:
                _LOG.warning("a process ended while it waited for an image")
            if job is None or not await self._predict(process, job):
                await self._restart(process)
            del job  # it has its answer, which would stay in memory until the next one

    async def _predict(self, process: _ModelProcess, job: Job) -> bool:
        """Let a process answer a job; return whether it lives on."""
        process.is_busy = True
        waited_s = time.monotonic() - job.made_s
        try:
            head, answer = await self._in_thread(process.answer, job, self._settings.timeout_s)
        except _UnsentError:
            _LOG.warning("a process ended while it waited for an image")
            await self._queue.put_back(job)
            return False
        except (TimeoutError, _LostProcessError) as error:
            self._metrics.waited(job.model, waited_s)
            _LOG.warning("a process %s", _what_happened(error))
            status = 504 if isinstance(error, TimeoutError) else 500
            detail = f"the image cannot be predicted: the process {_what_happened(error)}."
            body = problem_body(status, detail, "send a smaller image.")
            job.end(Answer(status, MEDIA_TYPE, body))
            return False
        self._metrics.waited(job.model, waited_s)
        self._metrics.predicted(job.model, head["seconds"])
        self._metrics.memory(process.number, head["memory_bytes"])
        self._queue.note(head["seconds"])
        job.end(answer)
        process.is_busy = False
        self._failures = 0
        return True

    async def _restart(self, process: _ModelProcess) -> None:
        self._unwatch(process)
        process.kill()
        await asyncio.to_thread(process.end)
        process.is_busy = False
        self._count_ready()
        self._metrics.restarted()
        while True:
            try:
                await self._open(process)
                self._failures = 0
                return
            except (ZooError, _LostProcessError, OSError) as error:
                self._failures += 1
                pause_s = min(_MOST_PAUSE_S, 2.0**self._failures)
                _LOG.error("a process cannot start again: %s", error or _what_happened(error))
                await asyncio.to_thread(process.end)
                await asyncio.sleep(pause_s)

    async def _in_thread(self, call: Any, *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call, *args)

    def _count_ready(self) -> None:
        self._metrics.ready(sum(process.is_ready for process in self._processes))


def _other_models() -> ConfigError:
    message = "cannot predict: a process opened other models than /v1/models states, "
    message += "expected the same files, classes and terms in every process."
    hint = "start zoo serve again; give one published file, not a work dir that still trains."
    return ConfigError(message, where="zoo serve", hint=hint)


def _what_happened(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "took longer than --timeout for an image and was ended"
    return "ended while it predicted an image (a full memory is the usual reason)"
