# SPDX-License-Identifier: Apache-2.0
"""Files of which a part of a digest is known, or nothing: fetched, judged, resumed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from faulty_server import FaultyServer
from http_faults import answers, chunked, cuts, gives_other_bytes
from loopback_hub import LoopbackHub

from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import Digest
from zoo.weights.cache import part_path
from zoo.weights.fetching.setbacks import Patience
from zoo.weights.fetching.sources import FetchedSource, fetch_source

FetchSource = Callable[..., FetchedSource]
PATH = "/unet.safetensors"
SIZE = 300_000


@pytest.fixture
def get(target: Path, brisk: Patience) -> FetchSource:
    """Return a function that fetches to ``target`` what a digest and addresses name."""
    return partial(fetch_source, target, patience=brisk)


def _digests(payload: bytes) -> dict[str, Digest]:
    sha256, md5 = hashlib.sha256(payload).hexdigest(), hashlib.md5(payload).hexdigest()
    return {
        "sha256": Digest("sha256", sha256),
        "sha256_prefix": Digest("sha256_prefix", sha256[:8]),
        "md5_prefix": Digest("md5_prefix", md5[:6]),
        "revision": Digest("revision"),
    }


KINDS = ["sha256", "sha256_prefix", "md5_prefix", "revision"]


@pytest.mark.parametrize("kind", KINDS)
def test_fetch_source_returns_what_the_file_is(
    address: str, get: FetchSource, target: Path, payload: bytes, kind: str
) -> None:
    got = get(_digests(payload)[kind], [address])

    assert got.path == target
    assert target.read_bytes() == payload
    assert got.sha256 == hashlib.sha256(payload).hexdigest()
    assert got.md5 == hashlib.md5(payload).hexdigest()
    assert got.size_bytes == SIZE


@pytest.mark.parametrize("kind", KINDS)
def test_fetch_source_of_what_is_there_asks_nobody(
    server: FaultyServer, address: str, get: FetchSource, payload: bytes, kind: str
) -> None:
    first = get(_digests(payload)[kind], [address])
    asked = len(server.asked)

    second = get(_digests(payload)[kind], [address])

    assert (second.sha256, second.md5, second.stated) == (first.sha256, first.md5, None)
    assert len(server.asked) == asked


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("host", ["plain", "hub"])
def test_fetch_source_when_broken_off_goes_on_where_it_was(
    server: FaultyServer,
    hub: LoopbackHub,
    address: str,
    get: FetchSource,
    target: Path,
    payload: bytes,
    kind: str,
    host: str,
) -> None:
    """In the same run and in the next one, as long as the host says that it is the same file."""
    path, host_server = PATH, server
    if host == "hub":
        commit = hub.add("acme/unet", {"x.pth": payload})
        path, host_server = f"/repos/{hashlib.sha256(payload).hexdigest()}", hub.cdn
        address = f"hf://acme/unet@{commit}/x.pth"
    sized: list[None] = [None] if host == "plain" else []
    host_server.faults[path] = [*sized, cuts(100_000), cuts(50_000), answers(404)]
    with pytest.raises(DownloadError):
        get(_digests(payload)[kind], [address])

    got = get(_digests(payload)[kind], [address])

    assert target.read_bytes() == payload
    assert got.sha256 == hashlib.sha256(payload).hexdigest()
    assert host_server.asked[-1].start == 150_000


@pytest.mark.parametrize("kind", ["sha256_prefix", "md5_prefix", "revision"])
def test_fetch_source_without_a_whole_digest_joins_no_two_files(
    server: FaultyServer, address: str, get: FetchSource, target: Path, payload: bytes, kind: str
) -> None:
    """The file changes between two runs, and an unfinished file of unknown origin is dropped."""
    server.files[PATH] = bytes(reversed(payload))
    server.faults[PATH] = [None, cuts(100_000), answers(404)]
    with pytest.raises(DownloadError):
        get(_digests(payload)[kind], [address])
    assert part_path(target).stat().st_size == 100_000
    server.files[PATH] = payload

    got = get(_digests(payload)[kind], [address])

    assert got.sha256 == hashlib.sha256(payload).hexdigest()
    target.unlink()
    part_path(target).write_bytes(b"\0" * 1000)
    assert get(_digests(payload)[kind], [address]).sha256 == got.sha256


@pytest.mark.parametrize(
    ("kind", "found"), [("sha256", "sha256"), ("sha256_prefix", "sha256"), ("md5_prefix", "md5")]
)
def test_fetch_source_of_other_bytes_is_refused(
    server: FaultyServer, address: str, get: FetchSource, target: Path, payload: bytes, kind: str,
    found: str,
) -> None:  # fmt: skip
    server.faults[PATH] = [None, gives_other_bytes]

    with pytest.raises(HashMismatchError, match=rf"cannot accept unet.safetensors: {found} is "):
        get(_digests(payload)[kind], [address])

    assert not target.exists()
    assert not part_path(target).exists()


def test_fetch_source_that_the_hub_states_otherwise_fetches_no_byte(
    hub: LoopbackHub, get: FetchSource, payload: bytes
) -> None:
    commit = hub.add("acme/unet", {"x.pth": payload})

    with pytest.raises(HashMismatchError, match=r"the hub states the sha256 .*one that starts"):
        get(Digest("sha256_prefix", "0" * 8), [f"hf://acme/unet@{commit}/x.pth"])

    assert hub.cdn.asked == []


def test_fetch_source_from_a_hub_is_held_against_what_it_stated(
    hub: LoopbackHub, get: FetchSource, payload: bytes
) -> None:
    """Nothing is known beforehand, so the statement decides over the bytes of the CDN."""
    commit = hub.add("acme/unet", {"x.pth": payload})
    hub.cdn.faults[f"/repos/{hashlib.sha256(payload).hexdigest()}"] = [gives_other_bytes]

    with pytest.raises(HashMismatchError):
        get(Digest("revision"), [f"hf://acme/unet@{commit}/x.pth"])


def test_fetch_source_takes_the_first_address_that_states_a_size_and_fits(
    server: FaultyServer, address: str, get: FetchSource, payload: bytes
) -> None:
    server.files["/chunked"] = server.files["/short"] = payload[:-1]
    server.faults["/chunked"] = [chunked()] * 9
    named = [f"{server.address}{path}" for path in ("/none", "/chunked", "/short")]

    got = get(Digest("revision"), [*named, address], size_bytes=SIZE)

    assert got.stated is not None
    assert got.stated.address == address
    with pytest.raises(DownloadError) as raised:
        fetch_source(got.path.with_name("y"), Digest("revision"), named, size_bytes=SIZE)
    assert raised.value.message.splitlines()[1:] == [
        f"  {named[0]}: not found (404)",
        f"  {named[1]}: does not state the file's size (Content-Length)",
        f"  {named[2]}: offers 299999 bytes, expected 300000",
    ]
