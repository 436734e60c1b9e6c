# SPDX-License-Identifier: Apache-2.0
"""Requests that wait for a model: a bounded queue, and what became of each."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zoo_service.asking import Asked
from zoo_service.problems import Problem

__all__ = ["Answer", "Job", "JobQueue"]

_MOST_RETRY_S = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent to a client.

    Args:
        status: Of HTTP.
        media_type: Of the body.
        body: The body.
    """

    status: int
    media_type: str
    body: bytes


@dataclass(slots=True, eq=False)
class Job:
    """An image that waits for a model.

    Args:
        model: Name of the model.
        path: File of the image.
        name: Name of the image in answers.
        asked: What the client wants.
        answer: Set once it is there; cancelled if nobody wants it any more.
        made_s: Time at which the job was made, by `time.monotonic`.
        is_running: Whether a process has it.
        release: Called once it no longer runs, if its client has gone.
    """

    model: str
    path: Path
    name: str
    asked: Asked
    answer: asyncio.Future[Answer] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    made_s: float = field(default_factory=time.monotonic)
    is_running: bool = False
    release: Callable[[], None] | None = None

    def end(self, answer: Answer) -> None:
        """Give its answer to whoever still waits for it.

        Args:
            answer: From a process.
        """
        self.is_running = False
        if not self.answer.done():
            self.answer.set_result(answer)
        if self.release is not None:
            self.release()

    def message(self) -> Mapping[str, object]:
        """Return it as JSON values, for another process."""
        asked = self.asked.to_json()
        return {"model": self.model, "path": str(self.path), "name": self.name, "asked": asked}


class JobQueue:
    """Jobs in the order of their arrival.

    A request takes a place before its body is read, so that memory and disk are bounded too.

    Args:
        places: Requests that may be received, wait or be predicted at once.
        workers: Processes that predict.
    """

    def __init__(self, places: int, workers: int) -> None:
        self.places = places
        self.taken = 0
        self._workers = workers
        self._waiting: deque[Job] = deque()
        self._is_there = asyncio.Condition()
        self._job_s = 1.0  # mean time of a prediction

    def __len__(self) -> int:
        """Return the number of jobs that wait."""
        return len(self._waiting)

    def enter(self) -> None:
        """Take a place.

        Raises:
            Problem: 429, all are taken.
        """
        if self.taken >= self.places:
            raise self._full()
        self.taken += 1

    def leave(self) -> None:
        """Give a place back."""
        self.taken -= 1

    async def put(self, job: Job) -> None:
        """Let a job wait.

        Args:
            job: Its place is taken.
        """
        async with self._is_there:
            self._waiting.append(job)
            self._is_there.notify()

    def drop(self, job: Job) -> None:
        """Forget a job that nobody wants any more, if it has not begun.

        Args:
            job: Its client has gone, or its time is over.
        """
        job.answer.cancel()
        if job in self._waiting:
            self._waiting.remove(job)

    async def put_back(self, job: Job) -> None:
        """Let a job that was taken and not begun be the next one.

        Args:
            job: From `take`.
        """
        async with self._is_there:
            job.is_running = False
            if not job.answer.done():
                self._waiting.appendleft(job)
                self._is_there.notify()
            elif job.release is not None:
                job.release()

    async def take(self, is_able: Callable[[], bool]) -> Job | None:
        """Wait for a job, and return it; it runs from here on.

        Args:
            is_able: Whether who asks can do a job; asked after each `wake`. If not, None returns.
        """
        async with self._is_there:
            await self._is_there.wait_for(lambda: bool(self._waiting) or not is_able())
            if not is_able():
                self._is_there.notify()  # whoever is able
                return None
            job = self._waiting.popleft()
            job.is_running = True
            return job

    async def wake(self) -> None:
        """Let all who wait in `take` see whether they are able to do a job."""
        async with self._is_there:
            self._is_there.notify_all()

    def note(self, seconds: float) -> None:
        """Learn how long predictions take.

        Args:
            seconds: Of one.
        """
        self._job_s += 0.2 * (seconds - self._job_s)

    def _full(self) -> Problem:
        wait_s = math.ceil(self.taken * self._job_s / self._workers)
        seconds = str(min(_MOST_RETRY_S, max(1, wait_s)))
        message = f"the service is busy: {self.taken} requests are received, wait or run."
        return Problem(
            429, message, hint=f"try again in {seconds} s.", headers={"Retry-After": seconds}
        )
