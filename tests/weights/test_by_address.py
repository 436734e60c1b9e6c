# SPDX-License-Identifier: Apache-2.0
"""Files that the user names by address and digest: sized, fetched, cached, refused."""

from __future__ import annotations

import hashlib
import logging
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import trustme
from faulty_server import Fault, FaultyServer
from http_faults import (
    answers,
    chunked,
    cuts,
    encodes,
    gives_other_bytes,
    redirects,
    sends_a_page,
    states_length,
    states_range,
)

from zoo.errors import DownloadError, HashMismatchError
from zoo.weights import cache_folder, fetch_address, fetch_pinned
from zoo.weights.fetching.setbacks import Patience

PATH = "/unet.safetensors"


@pytest.fixture
def sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


@pytest.fixture
def get(sha256: str, brisk: Patience) -> Callable[..., Path]:
    """Return a function that fetches the payload from an address into the cache."""
    return partial(fetch_address, sha256=sha256, patience=brisk)


def test_fetch_address_leaves_the_file_in_the_cache_and_asks_once(
    server: FaultyServer,
    address: str,
    get: Callable[..., Path],
    sha256: str,
    payload: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The size and the file take a request each; a second run takes none, and both are told."""
    with caplog.at_level(logging.INFO, "zoo"):
        first, asked = get(address), len(server.asked)
        second = get(address)

    assert first == second == cache_folder() / sha256 / "unet.safetensors"
    assert first.read_bytes() == payload
    assert asked == len(server.asked) == 2
    assert caplog.messages == [
        f"downloading {address}, 0.3 MB, to {first}",
        f"{address} is in the cache: {first}",
    ]


def test_fetch_address_tells_of_the_bytes_that_came(address: str, get: Callable[..., Path]) -> None:
    seen: list[tuple[int, int]] = []

    get(address, progress=lambda done, total: seen.append((done, total)))

    assert seen[-1] == (300_000, 300_000)


def test_fetch_address_follows_redirects_for_the_size_and_for_the_file(
    server: FaultyServer, address: str, get: Callable[..., Path], payload: bytes
) -> None:
    """The name is that of the address which the user gave."""
    server.faults["/v1/vgg16.pth"] = [redirects(address), redirects(address)]

    path = get(f"{server.address}/v1/vgg16.pth")

    assert path.name == "vgg16.pth"
    assert path.read_bytes() == payload
    assert [asked.path for asked in server.asked] == ["/v1/vgg16.pth", PATH] * 2


def test_fetch_address_when_its_server_fails_for_a_moment_goes_on(
    server: FaultyServer, address: str, get: Callable[..., Path], payload: bytes
) -> None:
    server.faults[PATH] = [answers(503, Retry_After="0"), None, cuts(100_000)]

    assert get(address).read_bytes() == payload
    assert [asked.start for asked in server.asked] == [0, 0, 0, 100_000]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (answers(404), "not found (404)"),
        (answers(403), "refuses access (403)"),
        (sends_a_page, "answers with a web page (text/html), expected the file"),
        (chunked(), "does not state the file's size (Content-Length)"),
        (states_length(None, b"a"), "does not state the file's size (Content-Length)"),
        (
            answers(200, Content_Length="9" * 5000),
            "does not state the file's size (Content-Length)",
        ),
        (states_range("bytes 0-9/300000"), "does not state the file's size (Content-Length)"),
        (encodes, "encodes the file as gzip, so its size is unknown"),
        (redirects("ftp://127.0.0.1/a"), "redirects from http to ftp://127.0.0.1/a, which is not"),
        (answers(503, Retry_After="9"), "answers 503 and asks for a wait of 9 s"),
    ],
)
def test_fetch_address_of_which_no_size_is_told_says_why(
    server: FaultyServer, address: str, get: Callable[..., Path], fault: Fault, reason: str
) -> None:
    """One question is enough, and nothing is written."""
    server.faults[PATH] = [fault]

    with pytest.raises(DownloadError) as raised:
        get(address)

    start = f"cannot download unet.safetensors: all addresses failed.\n  {address}: {reason}"
    assert raised.value.message.startswith(start)
    assert raised.value.where == address
    assert raised.value.hint == "check the address, or get the file another way and pass its path."
    assert len(server.asked) == 1
    assert not cache_folder().exists()


def test_fetch_address_tries_again_where_that_may_help_and_then_gives_up(
    server: FaultyServer, address: str, get: Callable[..., Path], brisk: Patience
) -> None:
    server.faults[PATH] = [answers(503)] * 9

    with pytest.raises(DownloadError, match="answers 503"):
        get(address)

    assert len(server.asked) == brisk.tries


def test_fetch_address_that_gives_other_bytes_is_refused_and_nothing_kept(
    server: FaultyServer, address: str, get: Callable[..., Path], sha256: str, payload: bytes
) -> None:
    server.faults[PATH] = [None, gives_other_bytes]

    with pytest.raises(HashMismatchError) as raised:
        get(address)

    assert raised.value.expected == sha256
    assert raised.value.actual == hashlib.sha256(bytes(v ^ 255 for v in payload)).hexdigest()
    assert not any(path.name == "unet.safetensors" for path in cache_folder().rglob("*"))


def test_fetch_address_that_goes_away_after_its_size_names_no_option_of_another_command(
    server: FaultyServer, address: str, get: Callable[..., Path]
) -> None:
    server.faults[PATH] = [None, answers(404)]

    with pytest.raises(DownloadError, match="not found") as raised:
        get(address)

    assert raised.value.hint == "check the address, or get the file another way and pass its path."


def test_fetch_address_offline_is_refused_unless_it_is_cached_or_a_file(
    server: FaultyServer,
    address: str,
    get: Callable[..., Path],
    tmp_path: Path,
    payload: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tmp_path / "a copy.pth"
    source.write_bytes(payload)
    monkeypatch.setenv("ZOO_OFFLINE", "1")

    with pytest.raises(DownloadError) as raised:
        get(address.replace("//", "//me:secret@") + "?token=secret")
    local = get(source.as_uri())
    cached = get(address)

    assert str(raised.value).splitlines() == [
        "cannot download unet.safetensors offline: it is not in the cache.",
        f"where: {address}",
        "HINT: unset ZOO_OFFLINE, or pass a file.",
    ]
    assert (local.name, cached.name) == ("a_copy.pth", "unet.safetensors")
    assert local.read_bytes() == cached.read_bytes() == payload
    assert server.asked == []


def test_fetch_address_that_cannot_be_read_shows_no_password(
    get: Callable[..., Path],
) -> None:
    """The libraries below repeat an address whose port is none as it was given."""
    with pytest.raises(DownloadError, match="cannot be requested") as caught:
        get("http://me:secret@host.example.org:99999/a.pth?token=secret")

    assert "secret" not in str(caught.value)
    assert "http://host.example.org:99999/a.pth: cannot be requested (" in str(caught.value)


def test_fetch_address_that_is_none_is_one_message(get: Callable[..., Path]) -> None:
    with pytest.raises(DownloadError, match="cannot be requested") as raised:
        get("http://me:secret@[::1/unet.safetensors")

    assert "secret" not in str(raised.value)


def test_fetch_address_of_a_file_that_is_gone_says_so(
    get: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match=r"gone\.pth: not found"):
        get((tmp_path / "gone.pth").as_uri())


def test_fetch_address_when_the_cached_bytes_are_damaged_refuses_them(
    server: FaultyServer, address: str, get: Callable[..., Path]
) -> None:
    path = get(address)
    path.write_bytes(b"damaged")

    with pytest.raises(
        HashMismatchError, match=r"cannot accept unet\.safetensors: sha256 is "
    ) as it:
        get(address)

    assert "zoo cache rm" in str(it.value.hint)
    assert len(server.asked) == 2


def test_fetch_address_takes_the_cached_file_that_holds(
    server: FaultyServer,
    address: str,
    get: Callable[..., Path],
    payload: bytes,
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = get(address)
    other = path.with_name("z.safetensors")
    other.write_bytes(payload)
    path.write_bytes(b"damaged")

    assert get(address) == other
    assert len(server.asked) == 2
    assert "cannot accept unet.safetensors: sha256 is " in caplog.text


def test_fetch_address_of_another_ending_keeps_that_ending(
    server: FaultyServer, address: str, get: Callable[..., Path], payload: bytes
) -> None:
    """The ending tells the format, so what the cache has under another is copied, not fetched."""
    get(address)

    path = get(f"{server.address}/vgg16.h5")
    same = get(f"{server.address}/other.safetensors")

    assert (path.name, same.name) == ("vgg16.h5", "unet.safetensors")
    assert path.read_bytes() == payload
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/a/vgg16%20(1).h5", "vgg16__1_.h5"),
        ("/a/..%2F..%2Fevil.pth", "evil.pth"),
        ("/a/", "a"),
        ("/", "weights"),
        ("/x.pth.part", "weights"),
        (f"/{'v' * 300}.pth", "v" * 196 + ".pth"),
    ],
)
def test_fetch_address_gives_the_file_a_plain_name(
    server: FaultyServer, get: Callable[..., Path], payload: bytes, path: str, name: str
) -> None:
    server.files[f"{path}?download=1"] = payload

    assert get(f"{server.address}{path}?download=1").name == name


def test_fetch_address_by_https_is_not_redirected_to_http(
    server: FaultyServer,
    address: str,
    get: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    with FaultyServer(context=context) as secure:
        secure.faults[PATH] = [redirects(address)]
        with pytest.raises(DownloadError, match=r"redirects from https to http.*not safe"):
            get(f"{secure.address}{PATH}")

    assert server.asked == []


@pytest.fixture
def get_pinned(sha256: str, payload: bytes) -> Callable[..., Path]:
    """Return a function that gets a file of a plugin, wherever it is."""
    return partial(fetch_pinned, "tool.tgz", sha256, len(payload), hint="get it by npm pack tool")


def test_fetch_pinned_keeps_a_given_file_and_takes_it_from_the_cache_afterwards(
    get_pinned: Callable[..., Path], sha256: str, payload: bytes, tmp_path: Path
) -> None:
    """Under the name that mirrors have, whatever the user's file is called."""
    given = tmp_path / "mine"
    given.write_bytes(payload)

    first = get_pinned(source=given)
    given.unlink()

    assert first == get_pinned() == cache_folder() / sha256 / "tool.tgz"
    assert first.read_bytes() == payload


def test_fetch_pinned_takes_it_from_an_address_or_a_mirror(
    server: FaultyServer,
    address: str,
    get_pinned: Callable[..., Path],
    sha256: str,
    payload: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mirror is laid out like the cache."""
    assert get_pinned(source=address).read_bytes() == payload

    mirror = tmp_path / "mirror" / sha256
    mirror.mkdir(parents=True)
    (mirror / "tool.tgz").write_bytes(payload)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("ZOO_MIRRORS", str(mirror.parent))
    assert get_pinned() == cache_folder() / sha256 / "tool.tgz"


def test_fetch_pinned_refuses_other_bytes_and_says_how_to_get_it(
    get_pinned: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither leaves a file."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "empty"))
    other = tmp_path / "other"
    other.write_bytes(b"other")

    with pytest.raises(HashMismatchError, match="cannot accept other"):
        get_pinned(source=other)
    with pytest.raises(DownloadError, match=r"cannot find tool\.tgz") as absent:
        get_pinned()

    assert absent.value.hint == "get it by npm pack tool"
    assert not list((tmp_path / "empty").rglob("tool.tgz"))


def test_fetch_pinned_fetches_nothing_of_another_size(
    server: FaultyServer, address: str, sha256: str, payload: bytes
) -> None:
    """The host says the size first; the other file may be of any."""
    with pytest.raises(HashMismatchError, match=f"it has {len(payload)} bytes, expected 5"):
        fetch_pinned("tool.tgz", sha256, 5, source=address, hint="get it by npm pack tool")

    assert not [path for path in cache_folder().rglob("*") if path.is_file()]
