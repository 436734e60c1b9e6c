# SPDX-License-Identifier: Apache-2.0
"""The image of a request, received into a file of its own within limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import python_multipart  # noqa: F401  (starlette reads forms with it: if missing, known at once)
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request
from starlette.types import Message

from zoo_service.problems import Problem
from zoo_service.settings import MEGABYTE

__all__ = ["Body", "Upload", "receive_upload"]

_FORM = "multipart/form-data"
# Curl sends --data-binary under the second; the content decides what an image is.
_PLAIN = {"application/octet-stream", "application/x-www-form-urlencoded", "application/dicom", ""}
_MOST_FIELDS = 8
_MOST_FIELD_BYTES = 2**16
# A refused client is listened to a little longer, or it would see a broken connection, no answer.
_SWALLOWED_S = 2.0
_SWALLOWED_BYTES = 256 * MEGABYTE
_DAMAGED, _NO_FILE = "Invalid multipart data", "No file"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Upload:
    """An image that was received.

    Args:
        path: Its file, alone in a folder.
        name: What the client calls it, reduced to letters that no path is made of.
    """

    path: Path
    name: str


async def receive_upload(request: Request, folder: Path, max_bytes: int) -> Upload:
    """Write the image of a request into a folder.

    Args:
        request: Its body is the image, or a form with one file.
        folder: An empty folder.
        max_bytes: Size of a body.

    Raises:
        Problem: 400, 413 or 415, the body is no such thing.
        ClientDisconnect: The client has gone.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        message = "the body is compressed (Content-Encoding): expected the file as it is."
        raise Problem(415, message)
    if kind != _FORM and kind not in _PLAIN and not kind.startswith("image/"):
        message = f"the body is {kind[:100]!r}: expected image/*, application/dicom, "
        message += f"application/octet-stream or {_FORM}."
        raise Problem(415, message, hint="send the file's bytes as image/png.")
    _check_stated(request, max_bytes)
    body = _bounded(request, max_bytes)
    path = folder / "body"
    name = await _of_form(request, body, path) if kind == _FORM else await _of_body(body, path)
    if not path.stat().st_size:
        message = "the body is empty: expected an image."
        raise Problem(400, message, hint="send the bytes of the file as the body.")
    return Upload(path, name)


class Body:
    """The messages of a request, of which it is known whether the last one was read.

    Args:
        request: As the framework gives it.

    Attributes:
        request: The request to read.
        is_over: Whether nothing of it is left to read, or will come unasked.
    """

    def __init__(self, request: Request) -> None:
        self._receive = request.receive
        self.is_over = "expect" in request.headers  # it waits for leave to send
        self.request = Request(request.scope, self._next)

    async def swallow(self) -> None:
        """Read what a refused client still sends, for a moment, so that it sees the answer."""
        count = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(_SWALLOWED_S):
                while not self.is_over and count < _SWALLOWED_BYTES:
                    count += len((await self._next()).get("body", b""))

    async def _next(self) -> Message:
        message = await self._receive()
        self.is_over = not message.get("more_body", False)
        return message


def _check_stated(request: Request, max_bytes: int) -> None:
    stated = request.headers.get("content-length", "")
    if stated.isdecimal() and int(stated[:20]) > max_bytes:
        raise _too_large(max_bytes)


async def _bounded(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > max_bytes:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> Problem:
    message = f"the body is too large: expected at most {max_bytes / MEGABYTE:g} MB."
    return Problem(413, message, hint="send a smaller image.")


async def _of_body(body: AsyncIterator[bytes], path: Path) -> str:
    with path.open("wb") as file:
        async for chunk in body:
            file.write(chunk)
    return "image"


async def _of_form(request: Request, body: AsyncIterator[bytes], path: Path) -> str:
    parser = _FormToFile(
        path,
        request.headers,
        body,  # it is only iterated
        max_files=1,
        max_fields=_MOST_FIELDS,
        max_part_size=_MOST_FIELD_BYTES,
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise _bad_form(error.message) from error
    except (LookupError, ValueError, TypeError) as error:
        raise _bad_form(_DAMAGED) from error
    try:
        upload = _the_file([value for _, value in form.multi_items()])
    finally:
        await form.close()
    return _safe_name(upload.filename or "")


class _FormToFile(MultiPartParser):
    """A parser of forms that writes the only file to a path, once, and not to a copy before."""

    def __init__(self, path: Path, *args: Any, **limits: Any) -> None:
        super().__init__(*args, **limits)
        self._path = path

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        upload = self._current_part.file
        if upload is not None:
            upload.file.close()
            upload.file = self._path.open("wb")
            self._files_to_close_on_error.append(upload.file)  # type: ignore[arg-type]


def _the_file(values: list[Any]) -> UploadFile:
    for value in values:
        if isinstance(value, UploadFile):
            return value
    raise _bad_form(_NO_FILE)


def _bad_form(reason: str) -> Problem:
    message = f"the form cannot be read: {reason[:200].rstrip('.')}. Expected one file."
    return Problem(400, message, hint="curl -F image=@FILE")


def _safe_name(name: str) -> str:
    """Return the last part of a name, without anything that a path or a program could take.

    Args:
        name: As the client wrote it.
    """
    last = re.split(r"[\\/]", name)[-1]
    stem, dot, suffix = last.rpartition(".")
    if not dot:
        stem, suffix = last, ""
    stem, suffix = (_UNSAFE.sub("_", part) for part in (stem, suffix))
    stem = stem.strip("_")[:80] or "image"
    return f"{stem}.{suffix[:10]}" if suffix.strip("_") else stem
