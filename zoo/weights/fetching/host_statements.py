# SPDX-License-Identifier: Apache-2.0
"""What a host states about a file before any of its bytes are fetched."""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.errors import DownloadError
from zoo.weights.cache import address_filename
from zoo.weights.fetching.addresses import is_local, shown_address
from zoo.weights.fetching.answers import check_status, read_length, read_validator
from zoo.weights.fetching.asking import Place, ask, find_place
from zoo.weights.fetching.local_files import open_local
from zoo.weights.fetching.session import open_session
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.fetching.waiting import wait_for_next_try
from zoo.weights.hub.answers import HubAnswer, merged_answers

if TYPE_CHECKING:
    import requests

__all__ = ["HostStatement", "ask_host", "ask_host_patiently"]

_HINT = "check the address, or get the file another way and pass its path."


@dataclass(frozen=True, slots=True)
class HostStatement:
    """What a host says about a file.

    Attributes:
        address: The address that was asked; of a hub with the commit in place of a branch.
        sha256: Digest of the file, which hubs know of their large files; or None.
        size_bytes: Size of the file.
        commit: Commit of the hub's repository, or None.
        validator: Strong ETag, else Last-Modified, else empty.
    """

    address: str
    sha256: str | None
    size_bytes: int
    commit: str | None
    validator: str


def ask_host(address: str, *, patience: Patience | None = None) -> HostStatement:
    """Return what a host states about a file, without fetching it.

    Args:
        address: https, http, hf, github or file.
        patience: Timeouts and number of attempts.

    Raises:
        DownloadError: It does not have the file, refuses it, or cannot be reached; it does not
            state the size; or the hub states another commit than the address names.
    """
    try:
        return ask_host_patiently(address, patience or Patience())
    except Setback as setback:
        where = shown_address(address)
        name = address_filename(address) or "a file"
        message = f"cannot ask for {name}.\n  {where}: {setback.reason}"
        raise DownloadError(message, where=where, hint=setback.hint or _HINT) from setback


def ask_host_patiently(address: str, patience: Patience, *, is_next: bool = False) -> HostStatement:
    """Return what a host states about a file, in as many attempts as may help.

    It asks by HEAD. Where a host refuses that or states no length, it asks as for the file itself
    and does not read the answer.

    Args:
        address: https, http, hf, github or file.
        patience: Timeouts and number of attempts.
        is_next: Whether the file is fetched next, so that a host other than a hub is asked once,
            as for the file: many refuse HEAD.

    Raises:
        Setback: It does not have the file, refuses it, or cannot be reached.
    """
    tries = 0
    with open_session() as session:
        while True:
            try:
                return _ask_once(session, address, patience, is_next=is_next)
            except Setback as setback:
                tries += 1
                wait_for_next_try(setback, address, tries, patience)


def _ask_once(
    session: requests.Session, address: str, patience: Patience, *, is_next: bool
) -> HostStatement:
    if is_local(address):
        with open_local(address) as stream:
            size_bytes = os.fstat(stream.fileno()).st_size
        return HostStatement(address, None, size_bytes, None, "")
    place = find_place(address)
    if place.file is not None or not is_next:
        found = _ask_by(session, place, patience, "HEAD")
        if found is not None:
            return found
    found = _ask_by(session, place, patience, "GET")
    if found is None:
        raise Setback(reason="does not state the file's size (Content-Length)")
    return found


def _ask_by(
    session: requests.Session, place: Place, patience: Patience, method: str
) -> HostStatement | None:
    """Return what a host states, or None if only another method can say more."""
    seen: list[HubAnswer] = []
    response, _ = ask(
        session,
        place,
        {},
        patience,
        method=method,
        look=seen.append,
    )
    with closing(response):
        told = merged_answers(seen)
        size_bytes = told.size_bytes
        if size_bytes is None:
            size_bytes = _read_size(response, method)
        if size_bytes is None:
            return None
        validator = read_validator(response)
    address = place.address
    if place.file is not None and not place.file.is_pinned and told.commit is not None:
        address = place.file.at(told.commit).address
    return HostStatement(address, told.sha256, size_bytes, told.commit, validator)


def _read_size(response: requests.Response, method: str) -> int | None:
    if method == "HEAD" and (response.status_code >= 400 or response.is_redirect):
        return None
    check_status(response)
    size_bytes = read_length(response) if response.status_code == 200 else None
    return size_bytes or (None if method == "HEAD" else size_bytes)  # some state 0 for HEAD
