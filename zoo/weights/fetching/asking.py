# SPDX-License-Identifier: Apache-2.0
"""One request to one address: redirects followed, the token kept at home, failures in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin, urlsplit

from zoo.manifest.addresses import HubFile, is_hosted, parse_hosted
from zoo.weights.fetching.addresses import shown_address
from zoo.weights.fetching.setbacks import Patience, Setback
from zoo.weights.hub.answers import HubAnswer, read_hub_answer
from zoo.weights.hub.endpoint import hub_file_at, hub_token, is_of_hub, resolve_address
from zoo.weights.hub.refusals import find_refusal

if TYPE_CHECKING:
    import requests

__all__ = ["Place", "ask", "find_place", "host_of"]

_REDIRECTS = 5
_RELEASES = "https://github.com"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\")]+")
_EXPIRED = (401, 403, 410)

Look = Callable[[HubAnswer], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an address leads.

    Attributes:
        address: The address as a row or a user states it.
        url: The http or https address to request.
        file: The file on the hub; None elsewhere, and after a redirect that left the hub.
        is_redirected: Whether ``url`` is one that a host redirected to, which may expire.
    """

    address: str
    url: str
    file: HubFile | None = None
    is_redirected: bool = False


def find_place(address: str) -> Place:
    """Return where an address leads, without network access.

    Args:
        address: https, http, hf or github.

    Raises:
        Setback: It is malformed.
        DownloadError: ``HF_ENDPOINT`` is malformed.
    """
    if not is_hosted(address):
        return Place(address, address, hub_file_at(address))
    try:
        hosted = parse_hosted(address)
    except ValueError as error:
        raise Setback(reason=f"is malformed, expected {error}") from error
    if isinstance(hosted, HubFile):
        return Place(address, resolve_address(hosted), hosted)
    tag, name = quote(hosted.tag, safe=""), quote(hosted.name)
    return Place(address, f"{_RELEASES}/{hosted.repo}/releases/download/{tag}/{name}")


def host_of(address: str) -> str:
    """Return the host and port that an address leads to, or an empty text if it is malformed.

    Args:
        address: https, http, hf, github or file.
    """
    try:
        return urlsplit(find_place(address).url).netloc
    except (Setback, ValueError):  # the request reports the reason
        return ""


def ask(
    session: requests.Session,
    place: Place,
    headers: dict[str, str],
    patience: Patience,
    *,
    method: str = "GET",
    look: Look | None = None,
) -> tuple[requests.Response, Place]:
    """Return the response to a request after redirects, and where it came from.

    A token goes to the hub's own scheme, host and port only, and only while every redirect so far
    stayed there.

    Args:
        session: A session from `open_session`.
        place: Where to ask.
        headers: Headers to add.
        patience: Timeouts.
        method: ``GET``, or ``HEAD``, which follows redirects on the hub's own host only.
        look: Called with what each response of the hub itself states, before a redirect is
            followed; it may raise a setback.

    Raises:
        Setback: It cannot be reached, does not answer, or refuses the file.
    """
    import requests
    import urllib3

    network = (requests.RequestException, urllib3.exceptions.HTTPError, OSError)
    try:
        return _ask(session, place, headers, patience, method, look)
    except requests.exceptions.ReadTimeout as error:
        raise Setback(reason=f"did not answer within {patience.stall_s:g} s", again=True) from error
    except requests.exceptions.SSLError as error:
        reason = f"cannot be trusted ({_root(error)})"
        raise Setback(reason=reason, is_unreachable=True) from error
    except requests.exceptions.ConnectionError as error:
        is_cut = not isinstance(error, requests.exceptions.ConnectTimeout) and _was_cut(error)
        verb = "hung up" if is_cut else "cannot be reached"
        reason = f"{verb} ({_root(error)})"
        raise Setback(reason=reason, again=True, is_unreachable=not is_cut) from error
    # An invalid address, possibly from a redirect, or a missing certificate bundle.
    except (*network, ValueError) as error:
        raise Setback(reason=f"cannot be requested ({_root(error)})") from error


def _ask(
    session: requests.Session,
    place: Place,
    headers: dict[str, str],
    patience: Patience,
    method: str,
    look: Look | None,
) -> tuple[requests.Response, Place]:
    at, seen = place, [place.url]
    while True:
        response = _request(session, at, headers, patience, method)
        try:
            if at.file is not None:
                _check_home(response, at.file, look)
            if method == "GET":  # the caller of HEAD asks by GET where that is refused
                _check_expiry(response, at)
            if not response.is_redirect:
                return response, at
            url = _redirected(at.url, response.headers["Location"], seen)
            file = at.file if at.file is not None and is_of_hub(url) else None
            if method == "HEAD" and at.file is not None and file is None:
                return response, at  # the CDN signs its addresses for GET alone
        except BaseException:
            response.close()
            raise
        response.close()
        at = Place(place.address, url, file, is_redirected=True)
        seen.append(url)


def _request(
    session: requests.Session, at: Place, headers: dict[str, str], patience: Patience, method: str
) -> requests.Response:
    token = hub_token() if at.file is not None and is_of_hub(at.url) else None
    return session.request(
        method,
        at.url,
        headers=headers,
        auth=None if token is None else _Bearer(token),
        stream=True,
        allow_redirects=False,
        timeout=(patience.connect_s, patience.stall_s),
    )


class _Bearer:
    """Adds the token to one request; as ``auth`` it wins over a login in ``.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: Any) -> Any:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _check_home(response: requests.Response, file: HubFile, look: Look | None) -> None:
    """Raise the hub's reason for refusing a file, or show what it states to the caller."""
    has_token, status = "Authorization" in response.request.headers, response.status_code
    refusal = find_refusal(file, status, response.headers, has_token=has_token)
    if refusal is not None:
        raise Setback(reason=refusal[0], hint=refusal[1], is_absent=status == 404)
    if status >= 400:
        return
    answer = read_hub_answer(response.headers)
    if file.is_pinned and answer.commit not in (None, file.revision):
        reason = f"the hub states the commit {answer.commit}, expected {file.revision}"
        raise Setback(reason=reason)
    if look is not None:
        look(answer)


def _check_expiry(response: requests.Response, at: Place) -> None:
    """Raise a setback that the original address mends if a signed address was refused."""
    is_signed = at.is_redirected and bool(urlsplit(at.url).query)
    if is_signed and response.status_code in _EXPIRED:
        reason = f"redirects to an address that has expired ({response.status_code})"
        raise Setback(reason=reason, again=True, wait_s=0)


def _redirected(url: str, location: str, seen: list[str]) -> str:
    """Return the target of a redirect if it is allowed."""
    following = urljoin(url, location)
    scheme, name = urlsplit(following).scheme, urlsplit(url).scheme
    if scheme not in ("https", "http") or (name == "https" and scheme != "https"):
        reason = f"redirects from {name} to {shown_address(following)}, which is not safe"
        raise Setback(reason=reason)
    if following in seen:
        raise Setback(reason=f"redirects in a circle, to {shown_address(following)}")
    if len(seen) > _REDIRECTS:
        raise Setback(reason=f"redirects more than {_REDIRECTS} times")
    return following


def _was_cut(error: BaseException) -> bool:
    """Return whether the error occurred after the connection was made."""
    import urllib3

    reasons = [*error.args, getattr(error.args[0], "reason", None) if error.args else None]
    return any(isinstance(reason, urllib3.exceptions.ProtocolError) for reason in reasons)


def _root(error: BaseException) -> str:
    """Return the message of the first error in a chain, without the names of layers.

    It also omits the address, which may contain a password or a token.
    """
    while (below := error.__cause__ or error.__context__) is not None:
        error = below
    text = error.strerror if isinstance(error, OSError) else None
    return _ADDRESS.sub("its address", str(text or error or type(error).__name__)).rstrip(".")
