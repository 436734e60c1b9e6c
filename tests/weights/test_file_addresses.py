# SPDX-License-Identifier: Apache-2.0
"""Files by ``file:`` addresses, as mirrors that are folders have them, and what is no address."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.errors import DownloadError

Fetch = Callable[..., Path]


def test_fetch_from_a_folder_copies_it(fetch: Fetch, tmp_path: Path, payload: bytes) -> None:
    source = tmp_path / "a folder" / "unet 1.safetensors"
    source.parent.mkdir()
    source.write_bytes(payload)

    path = fetch(source.as_uri())

    assert payload == path.read_bytes() == source.read_bytes()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(None, "not found"), (b"short", "has 5 bytes, expected 300000")],
    ids=["none", "short"],
)
def test_fetch_from_a_folder_that_lacks_it_says_so(
    fetch: Fetch, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    source = tmp_path / "source"
    if content is not None:
        source.write_bytes(content)

    with pytest.raises(DownloadError, match=f"{source.as_uri()}: {reason}"):
        fetch(source.as_uri())


@pytest.mark.parametrize("host", ["server", "server:80", "me@server"])
def test_fetch_of_a_file_on_another_host_is_refused(
    fetch: Fetch, tmp_path: Path, payload: bytes, host: str
) -> None:
    """The path is that host's; a file of this machine that has it is another."""
    (tmp_path / "source").write_bytes(payload)

    with pytest.raises(DownloadError, match="names another host, expected file:///"):
        fetch(f"file://{host}{tmp_path}/source")


@pytest.mark.parametrize("start", ["FILE://", "file://localhost", "file:"])
def test_fetch_of_a_file_address_in_any_form_copies_it(
    fetch: Fetch, tmp_path: Path, payload: bytes, start: str
) -> None:
    (tmp_path / "source").write_bytes(payload)

    assert payload == fetch(f"{start}{tmp_path}/source").read_bytes()


@pytest.mark.parametrize("address", ["http://[::1/x", "https://me:secret@[/x", "file:///a%00b"])
def test_fetch_from_an_address_that_is_none_goes_to_the_next(
    address: str, fetch: Fetch, tmp_path: Path, payload: bytes
) -> None:
    (tmp_path / "source").write_bytes(payload)

    with pytest.raises(DownloadError, match="all addresses failed") as raised:
        fetch(address)
    fetch(address, (tmp_path / "source").as_uri())

    assert "secret" not in str(raised.value)


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are made as POSIX has them")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_fetch_of_what_is_no_file_goes_to_the_next_address(
    fetch: Fetch, tmp_path: Path, payload: bytes, kind: str
) -> None:
    """A pipe without a writer would be waited for, and /dev/zero has no end."""
    place = tmp_path / "place"
    if kind == "pipe":
        os.mkfifo(place)
    elif kind == "device":
        place.symlink_to("/dev/zero")
    else:
        place.mkdir()
    (tmp_path / "good").write_bytes(payload)

    with pytest.raises(DownloadError, match="is a pipe, a device or a folder, expected a file"):
        fetch(place.as_uri())

    assert payload == fetch(place.as_uri(), (tmp_path / "good").as_uri()).read_bytes()
