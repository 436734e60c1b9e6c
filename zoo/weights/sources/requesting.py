# SPDX-License-Identifier: Apache-2.0
"""Fetch an index or its signature: small, whole, and only if it has changed."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from zoo.errors import SourceError
from zoo.files import expand_home
from zoo.manifest.addresses import HubFile, is_hosted, parse_hosted
from zoo.texts import shown
from zoo.weights.fetching.addresses import (
    is_local,
    is_of_this_machine,
    is_offline,
    local_path,
    shown_address,
)
from zoo.weights.fetching.answers import check_status, read_blocks
from zoo.weights.fetching.asking import ask, find_place
from zoo.weights.fetching.local_files import open_local
from zoo.weights.fetching.session import open_session
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.fetching.waiting import wait_for_next_try
from zoo.weights.hub.answers import HubAnswer, merged_answers
from zoo.weights.sources.index import INDEX_NAME
from zoo.weights.sources.row_addresses import is_private_place

if TYPE_CHECKING:
    import requests

__all__ = ["Document", "fetch_document", "folder_of", "index_address"]

_PATIENCE = Patience(tries=3, longest_wait_s=20.0, least_bytes_s=16384.0)
_FORMS = "https://..., hf://ORG/REPO, or the path of an index or its folder"
_VALIDATOR = re.compile(r"[\x21-\x7e ]{1,200}")
_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Document:
    """What a server answered.

    Attributes:
        data: The bytes, or None if they are those that the validators identify.
        etag: Validator of the bytes, or None.
        modified: Date of the bytes, or None.
        commit: Commit of the hub's repository that has these bytes, or None elsewhere.
    """

    data: bytes | None
    etag: str | None = None
    modified: str | None = None
    commit: str | None = None


def index_address(location: str) -> str:
    """Return the address of an index from what a user typed.

    Args:
        location: An address or a path, of the index or of its folder.

    Raises:
        SourceError: It is neither, holds a login, or is an unencrypted address of a public host.
    """
    if is_hosted(location):
        return _hub_address(location)
    if is_local(location) and is_of_this_machine(location):
        return _path_address(local_path(location))
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", location) is None:
        return _path_address(expand_home(location))
    try:
        parts = urlsplit(location)
        fits = parts.scheme in ("https", "http") and bool(parts.hostname)
        fits = fits and not (parts.query or parts.fragment) and re.search(r"\s", location) is None
        _ = parts.port
    except ValueError:
        fits = False
    if not fits:
        raise _unfit(location, f"expected {_FORMS}", "correct the address.")
    if "@" in parts.netloc:
        hint = "leave it out, and put it into ~/.netrc."
        raise _unfit(location, "it holds a login, which would be stored", hint)
    if parts.scheme == "http" and not is_private_place(location):
        hint = f"try https://{parts.netloc}{parts.path}"
        raise _unfit(location, "http can be altered on its way, expected https", hint)
    is_file = parts.path.endswith(".json")
    return location if is_file else f"{location.rstrip('/')}/{INDEX_NAME}"


def _hub_address(location: str) -> str:
    try:
        hosted = parse_hosted(location.rstrip("/"), is_base=True)
    except ValueError as error:
        raise _unfit(location, f"expected {error}", "correct the address.") from error
    if not isinstance(hosted, HubFile):
        raise _unfit(location, f"expected {_FORMS}", "give the https address of the index.")
    address = hosted.address
    return address if hosted.path.endswith(".json") else f"{address}/{INDEX_NAME}"


def _path_address(path: Path) -> str:
    try:
        file = path / INDEX_NAME if path.is_dir() else path
        is_there = file.is_file()
    except (OSError, ValueError):
        is_there = False
    if not is_there:
        raise _unfit(str(path), f"there is no such file, expected {_FORMS}", "correct the path.")
    return file.resolve().as_uri()


def _unfit(location: str, reason: str, hint: str) -> SourceError:
    message = f"cannot use the source {shown(shown_address(location))}: {reason}."
    return SourceError(message, where="zoo source add", hint=hint)


def folder_of(address: str, commit: str | None) -> str:
    """Return the address of an index's folder, with a slash, where relative addresses start.

    Args:
        address: Address of the index.
        commit: Commit of the hub's repository that has the index, or None elsewhere.
    """
    if is_hosted(address) and commit is not None:
        hosted = parse_hosted(address)
        if isinstance(hosted, HubFile):
            address = hosted.at(commit).address
    return f"{address.rpartition('/')[0]}/"


def fetch_document(
    address: str, most_bytes: int, *, etag: str | None = None, modified: str | None = None
) -> Document | None:
    """Return the document at an address, or None if there is none.

    Args:
        address: https, http, hf or file.
        most_bytes: Largest allowed size.
        etag: Validator of the bytes that are known, or None.
        modified: Date of the bytes that are known, or None.

    Raises:
        SourceError: It cannot be fetched, or is too large; or zoo is offline.
    """
    if is_offline() and not is_local(address):
        where = shown_address(address)
        message = f"cannot fetch the index {where} offline."
        raise SourceError(
            message, where=where, hint="unset ZOO_OFFLINE; what was kept can be used."
        )
    tries = 0
    validators = {"If-None-Match": etag, "If-Modified-Since": None if etag else modified}
    headers = {name: value for name, value in validators.items() if value is not None}
    while True:
        try:
            return _read(address, most_bytes, headers)
        except Setback as setback:
            if setback.is_absent:
                return None
            tries += 1
            try:
                wait_for_next_try(setback, address, tries, _PATIENCE)
            except Setback as last:
                where = shown_address(address)
                message = f"cannot fetch the index {where}: {last.reason}."
                hint = last.hint or "try again later, or check the address."
                raise SourceError(message, where=where, hint=hint) from last


def _read(address: str, most_bytes: int, headers: dict[str, str]) -> Document:
    if is_local(address):
        with open_local(address) as stream:
            return Document(_limited(iter(lambda: stream.read(_BLOCK_BYTES), b""), most_bytes))
    answers: list[HubAnswer] = []

    with open_session() as session:
        response, _ = ask(session, find_place(address), headers, _PATIENCE, look=answers.append)
        with closing(response):
            told = {
                "etag": _validator(response, "ETag"),
                "modified": _validator(response, "Last-Modified"),
                "commit": merged_answers(answers).commit,
            }
            if response.status_code == 304 and headers:
                return Document(None, **told)
            check_status(response)
            return Document(_body(response, most_bytes), **told)


def _validator(response: requests.Response, name: str) -> str | None:
    value = response.headers.get(name, "").strip()
    return value if _VALIDATOR.fullmatch(value) else None


def _body(response: requests.Response, most_bytes: int) -> bytes:
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise Setback(reason=f"encodes the file as {encoding}, which was not asked for")
    told = response.headers.get("Content-Length", "")
    expected = int(told) if told.isdecimal() and len(told) < 19 else None
    if expected is not None and expected > most_bytes:
        raise _too_large(expected, most_bytes)
    data = _limited(read_blocks(response.raw, _PATIENCE, 0, expected or 0), most_bytes)
    if expected is not None and len(data) != expected:
        reason = f"closed the connection after {len(data)} of {expected} bytes"
        raise Setback(reason=reason, again=True)
    return data


def _limited(blocks: Any, most_bytes: int) -> bytes:
    data = bytearray()
    for block in blocks:
        data += block
        if len(data) > most_bytes:
            raise _too_large(len(data), most_bytes)
    return bytes(data)


def _too_large(found: int, most: int) -> Setback:
    return Setback(reason=f"has {found:,} bytes, expected at most {most:,}")
