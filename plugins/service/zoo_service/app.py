# SPDX-License-Identifier: Apache-2.0
"""The addresses of a service, and what each answers."""

from __future__ import annotations

import asyncio
import itertools
import json
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from zoo_service.asking import OVERLAY, Asked, parse_asked
from zoo_service.jobs import Answer, Job, JobQueue
from zoo_service.metrics import CONTENT_TYPE_LATEST, Metrics
from zoo_service.negotiation import PNG, choose_type, offered_types
from zoo_service.openapi import describe
from zoo_service.pages import Pages
from zoo_service.pool import Pool
from zoo_service.problems import FIXED_HEADERS, Problem
from zoo_service.settings import Settings
from zoo_service.uploads import Body, receive_upload

__all__ = ["MOST_HEADER_BYTES", "Service"]

_GONE = Response(status_code=499)  # nobody reads it


MOST_HEADER_BYTES = 2**15


class Service:
    """The addresses, and what they need.

    Args:
        settings: Limits of the service.
        pool: The models.
        queue: Between both.
        metrics: Counts what happens.
        folder: Place of images while they are predicted.
    """

    def __init__(
        self, settings: Settings, pool: Pool, queue: JobQueue, metrics: Metrics, folder: Path
    ) -> None:
        self._settings, self._pool, self._queue = settings, pool, queue
        self._metrics, self._folder = metrics, folder
        self._pages = Pages()
        self._numbers = itertools.count()
        self.is_stopping = False
        predict, overlay = self._endpoint(self._choose_form), self._endpoint(_choose_overlay)
        app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/docs", self._docs, methods=["GET"]),
                Route("/openapi.json", self._openapi, methods=["GET"]),
                Route("/health/live", self._live, methods=["GET"]),
                Route("/health/ready", self._ready, methods=["GET"]),
                Route("/metrics", self._metrics_text, methods=["GET"]),
                Route("/v1/models", self._models, methods=["GET"]),
                Route("/v1/models/{name}", self._model, methods=["GET"]),
                Route("/v1/models/{name}/predict", predict, methods=["POST"]),
                Route("/v1/models/{name}/overlay", overlay, methods=["POST"]),
                Route("/predict", predict, methods=["POST"]),
                Route("/overlay", overlay, methods=["POST"]),
            ],
            exception_handlers={
                Problem: _tell_problem,
                HTTPException: _tell_http,
                Exception: _tell_fault,
            },
        )
        app.router.redirect_slashes = False  # it would redirect to whatever host a client names
        self.app = _with_small_headers(_without_leave(app))

    async def _page(self, request: Request) -> Response:
        return self._pages.trial()

    async def _docs(self, request: Request) -> Response:
        return self._pages.docs(describe(self._settings, self._pool.models))

    async def _openapi(self, request: Request) -> Response:
        return _as_json(describe(self._settings, self._pool.models))

    async def _live(self, request: Request) -> Response:
        if self._pool.is_lost:
            raise Problem(503, "the processes that predict end again and again.")
        return _as_json({"status": "live"})

    async def _ready(self, request: Request) -> Response:
        if self.is_stopping or not self._pool.is_ready or not self._pool.models:
            raise _not_ready()
        return _as_json({"status": "ready"})

    async def _metrics_text(self, request: Request) -> Response:
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST, headers=FIXED_HEADERS)

    async def _models(self, request: Request) -> Response:
        if not self._pool.models:
            raise _not_ready()
        models = [_shown(name, facts) for name, facts in self._pool.models.items()]
        return _as_json({"models": models})

    async def _model(self, request: Request) -> Response:
        name = self._name_of(request)
        return _as_json(_shown(name, self._pool.models[name]))

    def _endpoint(
        self, choose: Callable[[Request, str], str]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an address that takes an image; ``choose`` says in which form it answers."""

        async def predict(request: Request) -> Response:
            begun_s, name, body = time.monotonic(), "", Body(request)
            try:
                name = self._name_of(request)
                response = await self._predict(body.request, name, choose)
            except Problem as problem:
                await body.swallow()
                response = problem.response()
                if not body.is_over:
                    response.headers["Connection"] = "close"
            except ClientDisconnect:
                self._metrics.vanished()
                return _GONE
            except Exception:
                self._metrics.answered(name, 500, time.monotonic() - begun_s)
                raise
            self._metrics.answered(name, response.status_code, time.monotonic() - begun_s)
            return response

        return predict

    async def _predict(
        self, request: Request, name: str, choose: Callable[[Request, str], str]
    ) -> Response:
        task = self._pool.models[name]["task"]
        asked = parse_asked(task, choose(request, task), request.query_params.multi_items())
        self._queue.enter()
        folder, job = self._folder / str(next(self._numbers)), None

        def release() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            self._queue.leave()

        deadline_s = asyncio.get_running_loop().time() + self._settings.timeout_s
        try:
            job = await self._receive(request, name, folder, asked, deadline_s)
            await self._queue.put(job)
            answer = await self._wait(request, job, deadline_s)
        except BaseException:
            if job is not None and job.is_running:
                job.release = release
            else:
                release()
            raise
        shutil.rmtree(folder, ignore_errors=True)
        return _Held(answer, self._queue.leave)

    async def _receive(
        self, request: Request, name: str, folder: Path, asked: Asked, deadline_s: float
    ) -> Job:
        try:
            async with asyncio.timeout_at(deadline_s):
                folder.mkdir()
                upload = await receive_upload(request, folder, self._settings.max_bytes)
        except TimeoutError as error:
            message = f"the body did not arrive within {self._settings.timeout_s:g} s."
            raise Problem(408, message) from error
        except OSError as error:
            message = "the body cannot be kept: the server's disk is full or not writable."
            raise Problem(507, message) from error
        return Job(name, upload.path, upload.name, asked)

    async def _wait(self, request: Request, job: Job, deadline_s: float) -> Answer:
        """Wait for an answer as long as the client does, and not longer than its time."""
        gone: asyncio.Future[Any] = asyncio.ensure_future(_until_gone(request))
        try:
            left_s = deadline_s - asyncio.get_running_loop().time()
            await asyncio.wait(
                [gone, job.answer],
                timeout=max(0.0, left_s),
                return_when=asyncio.FIRST_COMPLETED,
            )
            if job.answer.done():
                return job.answer.result()
            if gone.done():
                raise ClientDisconnect
            message = f"there is no answer after {self._settings.timeout_s:g} s."
            raise Problem(504, message, hint="try again later, or with a smaller image.")
        finally:
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone
            self._queue.drop(job)

    def _name_of(self, request: Request) -> str:
        """Return which model an address means; names are those of the command line alone."""
        models = self._pool.models
        if self.is_stopping or not models:
            raise _not_ready()
        name: str | None = request.path_params.get("name")
        if name is None and len(models) == 1:
            return next(iter(models))
        if name is None or name not in models:
            known = ", ".join(models)
            found = "several are served" if name is None else f"found {name[:100]!r}"
            message = f"there is no such model: {found}, expected one of {known}."
            raise Problem(404, message, hint=f"use /v1/models/{next(iter(models))}/predict.")
        return name

    def _choose_form(self, request: Request, task: str) -> str:
        accept = ",".join(request.headers.getlist("accept"))
        return choose_type(accept, offered_types(task))


class _Held(Response):
    """An answer that holds its request's place until its client has taken it.

    Args:
        answer: The answer.
        leave: Gives the place back.
    """

    def __init__(self, answer: Answer, leave: Callable[[], None]) -> None:
        super().__init__(answer.body, answer.status, FIXED_HEADERS, answer.media_type)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        try:
            await send({"type": "http.response.start", **start})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
            await send({"type": "http.response.body"})  # waits until the body is sent
        finally:
            self._leave()


def _without_leave(app: ASGIApp) -> ASGIApp:
    """Close a connection whose client waits for leave to send a body that nobody reads.

    The client may send its next request instead, and that would be taken for the body.
    """

    async def closing(scope: Scope, receive: Receive, send: Send) -> None:
        waits = (b"expect", b"100-continue") in [(k, v.lower()) for k, v in scope["headers"]]

        async def read() -> Message:
            nonlocal waits
            waits = False
            return await receive()

        async def tell(message: Message) -> None:
            if waits and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await app(scope, read, tell)

    return closing


def _with_small_headers(app: ASGIApp) -> ASGIApp:
    """Refuse headers that came at once: the protocol counts only those that come in parts."""

    async def bounded(scope: Scope, receive: Receive, send: Send) -> None:
        size = len(scope["raw_path"]) + len(scope["query_string"])
        size += sum(len(name) + len(value) for name, value in scope["headers"])
        if size > MOST_HEADER_BYTES:
            problem = Problem(431, "the header is too large.", headers={"Connection": "close"})
            await problem.response()(scope, receive, send)
        else:
            await app(scope, receive, send)

    return bounded


def _choose_overlay(request: Request, task: str) -> str:
    choose_type(",".join(request.headers.getlist("accept")), (PNG,))
    return OVERLAY


async def _until_gone(request: Request) -> None:
    """Return when the client has closed its connection; its body was read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _shown(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    answers = [*offered_types(facts["task"])]
    address = f"/v1/models/{name}"
    return {
        "name": name,
        **facts,
        "answers": answers,
        "predict": f"{address}/predict",
        "overlay": f"{address}/overlay",
    }


def _not_ready() -> Problem:
    message = "the service is not ready: its models are being opened, or it stops."
    return Problem(503, message, hint="try again in 2 s.", headers={"Retry-After": "2"})


def _as_json(values: object) -> Response:
    body = json.dumps(values, indent=2).encode() + b"\n"
    return Response(body, media_type="application/json", headers=FIXED_HEADERS)


async def _tell_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 - starlette calls it for no other
    return error.response()


async def _tell_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - starlette calls it for no other
    details = {404: "there is no such address.", 405: f"{request.method} is not allowed here."}
    detail = details.get(error.status_code, "the request cannot be answered.")
    hint = "GET /docs lists the addresses."
    return Problem(error.status_code, detail, hint=hint, headers=error.headers).response()


async def _tell_fault(request: Request, error: Exception) -> Response:
    return Problem(500, "the service fails; its log says why.").response()
