# SPDX-License-Identifier: Apache-2.0
"""From a row to a verified file: package, cache, mirrors, addresses, in this order."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from faulty_server import FaultyServer
from weights_rows import weights_row

import zoo
from zoo.errors import DownloadError, HashMismatchError, UnknownNameError
from zoo.weights import (
    add_to_cache,
    cache_folder,
    fetch_weights,
    find_cached,
    find_weights,
    find_weights_file,
    plan_download,
)

GONE = "https://weights.example.invalid/v1/unet.safetensors"

WriteRow = Callable[..., Path]


@pytest.fixture
def digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()


@pytest.fixture
def write_row(write_plugin: Callable[..., Path], payload: bytes) -> WriteRow:
    """Return a function that writes a plugin of one weights row for the payload."""

    def write(*urls: str, name: str = "unet", plugin: str = "lung", task: str = "semantic") -> Path:
        row = weights_row(name, payload, task=task, urls=list(urls or [GONE]))
        return write_plugin(plugin, row)

    return write


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no socket be made, not even for loopback."""

    def refuse(*_: object, **__: object) -> None:
        message = "a socket was made"
        raise AssertionError(message)

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_download_from_a_mirror_of_either_layout_lands_in_the_cache(
    write_row: WriteRow, server: FaultyServer, payload: bytes, digest: str
) -> None:
    """By digest is asked for first, then by name; the author's dead host is never asked."""
    write_row()
    server.files["/unet.safetensors"] = payload

    path = zoo.download("unet", mirrors=[server.address])

    assert path == cache_folder() / digest / "unet.safetensors"
    assert payload == path.read_bytes()
    assert [asked.path for asked in server.asked] == [
        f"/{digest}/unet.safetensors",
        "/unet.safetensors",
    ]


def test_download_of_what_is_here_asks_nobody(
    write_row: WriteRow, server: FaultyServer, payload: bytes, no_sockets: None
) -> None:
    package = write_row("package:weights/unet.safetensors", GONE)
    (package / "weights").mkdir()
    (package / "weights" / "unet.safetensors").write_bytes(payload)

    path = zoo.download("lung.unet", mirrors=[server.address])

    assert path == package / "weights" / "unet.safetensors"
    assert not cache_folder().exists()


def test_download_from_the_mirrors_of_the_environment(
    write_row: WriteRow, server: FaultyServer, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_row()
    server.files["/w/unet.safetensors"] = payload
    monkeypatch.setenv("ZOO_MIRRORS", f"{server.address}/none,{server.address}/w")

    assert zoo.download("unet").is_file()


def test_download_of_a_folder_that_is_a_cache_of_another(
    write_row: WriteRow, tmp_path: Path, payload: bytes, digest: str, no_sockets: None
) -> None:
    """A cache is a mirror as it stands, and a folder serves without a socket."""
    write_row()
    shared = tmp_path / "shared" / digest / "unet.safetensors"
    shared.parent.mkdir(parents=True)
    shared.write_bytes(payload)

    path = zoo.download("unet", mirrors=[str(tmp_path / "shared")], offline=True)

    assert payload == path.read_bytes()


@pytest.mark.parametrize("value", ["1", "yes"])
def test_download_offline_opens_no_socket(
    write_row: WriteRow, monkeypatch: pytest.MonkeyPatch, no_sockets: None, value: str
) -> None:
    write_row()
    monkeypatch.setenv("ZOO_OFFLINE", value)
    monkeypatch.setenv("ZOO_MIRRORS", "http://127.0.0.1:9")

    with pytest.raises(DownloadError, match="cannot download 'unet' offline: it is not on this"):
        zoo.download("unet")


def test_download_offline_of_what_is_cached_gives_it(
    write_row: WriteRow, tmp_path: Path, payload: bytes, digest: str, no_sockets: None
) -> None:
    write_row()
    source = tmp_path / "source"
    source.write_bytes(payload)
    kept = add_to_cache(source, digest, len(payload), "unet.safetensors")

    assert kept == zoo.download("unet", offline=True)


def test_offline_of_zero_is_online(monkeypatch: pytest.MonkeyPatch) -> None:
    from zoo.weights import is_offline

    monkeypatch.setenv("ZOO_OFFLINE", "0")
    assert not is_offline()
    assert is_offline(True)


def test_download_into_a_folder_writes_there_alone(
    write_row: WriteRow, server: FaultyServer, payload: bytes, tmp_path: Path
) -> None:
    write_row()
    server.files["/unet.safetensors"] = payload

    path = zoo.download("unet", mirrors=[server.address], dest=tmp_path / "out" / "w")

    assert os.listdir(tmp_path / "out" / "w") == ["unet.safetensors"] == [path.name]
    assert not cache_folder().exists()


def test_download_into_a_folder_copies_what_is_here(
    write_row: WriteRow, payload: bytes, tmp_path: Path, no_sockets: None
) -> None:
    package = write_row("package:unet.safetensors")
    (package / "unet.safetensors").write_bytes(payload)

    first = zoo.download("unet", dest=tmp_path / "out")
    second = zoo.download("unet", dest=tmp_path / "out")

    assert first == second == tmp_path / "out" / "unet.safetensors"
    assert payload == first.read_bytes()


def test_download_never_overwrites_a_file_of_the_user(
    write_row: WriteRow, server: FaultyServer, payload: bytes, tmp_path: Path
) -> None:
    write_row()
    server.files["/unet.safetensors"] = payload
    (tmp_path / "unet.safetensors").write_bytes(b"mine")

    with pytest.raises(HashMismatchError, match="it has 4 bytes, expected 300000"):
        zoo.download("unet", mirrors=[server.address], dest=tmp_path)

    assert (tmp_path / "unet.safetensors").read_bytes() == b"mine"


def test_download_replaces_a_cached_file_that_was_damaged(
    write_row: WriteRow,
    server: FaultyServer,
    payload: bytes,
    digest: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    write_row()
    server.files["/unet.safetensors"] = payload
    path = zoo.download("unet", mirrors=[server.address])
    path.write_bytes(payload[:-1] + b"?")

    zoo.download("unet", mirrors=[server.address])

    assert payload == path.read_bytes()
    assert "cannot accept unet.safetensors: sha256 is" in caplog.text


def test_download_takes_a_cached_file_of_another_name_where_the_first_is_damaged(
    write_row: WriteRow, payload: bytes, digest: str, no_sockets: None
) -> None:
    write_row()
    folder = cache_folder() / digest
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(b"damaged")
    (folder / "b.safetensors").write_bytes(payload)

    assert zoo.download("unet", offline=True) == folder / "b.safetensors"


@pytest.fixture
def damaged(write_row: WriteRow, tmp_path: Path, payload: bytes, digest: str) -> Path:
    """Return a file of the cache in which a byte has changed."""
    write_row()
    source = tmp_path / "source"
    source.write_bytes(payload)
    path = add_to_cache(source, digest, len(payload), "unet.safetensors")
    path.write_bytes(payload[:-1] + b"?")
    return path


def test_download_offline_of_a_damaged_file_says_so_and_leaves_it(
    damaged: Path, payload: bytes, digest: str, no_sockets: None
) -> None:
    actual = hashlib.sha256(payload[:-1] + b"?").hexdigest()

    with pytest.raises(HashMismatchError) as raised:
        zoo.download("unet", offline=True)

    assert str(raised.value).splitlines() == [
        "cannot download 'unet' offline: the file here is damaged, and no address may be used.",
        f"  cannot accept unet.safetensors: sha256 is {actual}, expected {digest}.",
        f"where: {damaged}",
        "HINT: drop --offline and ZOO_OFFLINE, or name a folder that has it with --mirror.",
    ]
    assert (raised.value.expected, raised.value.actual) == (digest, actual)
    assert damaged.read_bytes() == payload[:-1] + b"?"


def test_download_offline_of_a_file_that_is_too_short_names_the_digest(
    damaged: Path, digest: str, no_sockets: None
) -> None:
    damaged.write_bytes(b"short")

    with pytest.raises(HashMismatchError) as raised:
        zoo.download("unet", offline=True)

    assert f"it has 5 bytes, expected 300000. Its sha256 should be {digest}." in str(raised.value)


def test_download_when_no_address_gives_it_leaves_what_is_damaged(
    damaged: Path, server: FaultyServer, payload: bytes, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError, match="all addresses failed"):
        zoo.download("unet", mirrors=[str(tmp_path)], offline=True)

    assert damaged.read_bytes() == payload[:-1] + b"?"


def test_download_by_several_threads_mends_a_damaged_file_once(
    damaged: Path, server: FaultyServer, payload: bytes
) -> None:
    """Whoever waited for the lock looks at the file anew."""
    server.files["/unet.safetensors"] = payload
    server.bytes_s = 1_000_000
    found = find_weights("unet")

    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: fetch_weights(found, mirrors=[server.address]), range(4)))

    assert paths == [damaged] * 4
    assert payload == damaged.read_bytes()
    assert sum(asked.sent_bytes for asked in server.asked) == len(payload)


def test_download_of_a_damaged_file_in_a_package_names_the_plugin(
    write_row: WriteRow, payload: bytes
) -> None:
    package = write_row("package:unet.safetensors")
    (package / "unet.safetensors").write_bytes(payload[::-1])

    with pytest.raises(HashMismatchError, match="the file here is damaged") as raised:
        zoo.download("unet")

    assert raised.value.where == str(package / "unet.safetensors")
    assert str(raised.value.hint).startswith("zoo download unet --mirror PLACE, where PLACE is a ")


def test_download_of_an_unknown_name_offers_a_near_one(write_row: WriteRow) -> None:
    write_row()

    with pytest.raises(UnknownNameError) as raised:
        zoo.download("unt")

    assert raised.value.near == ("unet",)


@pytest.mark.parametrize("is_damaged", [True, False])
def test_download_of_a_package_without_its_file_by_the_hint_leads_out(
    write_row: WriteRow, payload: bytes, tmp_path: Path, is_damaged: bool
) -> None:
    """The same wheel, installed again, would be the same; a folder that has the file does."""
    package = write_row("package:unet.safetensors")
    if is_damaged:
        (package / "unet.safetensors").write_bytes(payload[::-1])
    place = tmp_path / "place"
    place.mkdir()
    (place / "unet.safetensors").write_bytes(payload)

    path = zoo.download("unet", mirrors=[str(place)])

    assert payload == path.read_bytes()
    assert path == zoo.download("unet") == find_weights_file(find_weights("unet"))


def test_download_of_a_package_that_lacks_its_file_names_it(write_row: WriteRow) -> None:
    write_row("package:weights/unet.safetensors")

    with pytest.raises(DownloadError, match=r"the package lacks unet\.safetensors") as raised:
        zoo.download("unet")
    with pytest.raises(DownloadError, match=r"the package lacks unet\.safetensors") as found:
        find_weights_file(find_weights("unet"))

    assert found.value.hint == raised.value.hint
    assert str(raised.value.hint).startswith("zoo download unet --mirror PLACE, where PLACE is a ")


def test_plan_says_what_a_download_would_do_and_does_nothing(
    write_row: WriteRow, digest: str, no_sockets: None
) -> None:
    write_row()

    plan = plan_download(find_weights("unet"), mirrors=["http://127.0.0.1:9/w"])

    assert (plan.here, plan.kept_bytes, plan.size_bytes) == (None, 0, 300_000)
    assert plan.target == cache_folder() / digest / "unet.safetensors"
    assert plan.addresses == (
        f"http://127.0.0.1:9/w/{digest}/unet.safetensors",
        "http://127.0.0.1:9/w/unet.safetensors",
        GONE,
    )
    assert not cache_folder().exists()


def test_add_to_the_cache_of_another_file_leaves_nothing(
    tmp_path: Path, payload: bytes, digest: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(payload[::-1])

    with pytest.raises(HashMismatchError):
        add_to_cache(source, digest, len(payload), "unet.safetensors")

    assert find_cached() == ()
    assert payload[::-1] == source.read_bytes()


def test_add_to_the_cache_mends_what_is_damaged_there(
    tmp_path: Path, payload: bytes, digest: str
) -> None:
    source = tmp_path / "source"
    source.write_bytes(payload)
    path = add_to_cache(source, digest, len(payload), "unet.safetensors")
    path.write_bytes(b"x")

    assert path == add_to_cache(source, digest, len(payload), "unet.safetensors")
    assert payload == path.read_bytes()


def test_list_of_weights_is_by_name_and_can_be_narrowed(write_row: WriteRow) -> None:
    write_row(name="b", plugin="two", task="instance")
    write_row(name="a", plugin="one")

    assert [row.name for row in zoo.list_weights()] == ["a", "b"]
    assert [row.name for row in zoo.list_weights(task="instance")] == ["b"]
    assert [row.name for row in zoo.list_weights(plugin="one")] == ["a"]
    with pytest.raises(UnknownNameError):
        zoo.list_weights(plugin="three")
