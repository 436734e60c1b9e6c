# SPDX-License-Identifier: Apache-2.0
"""What was received is gone on with, whatever names its server gives to its bytes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from faulty_server import Fault, FaultyServer, Handler
from http_faults import answers

from zoo.errors import DownloadError, HashMismatchError
from zoo.weights.cache import note_path, part_path

Fetch = Callable[..., Path]
SIZE = 300_000
OLD, NEW = b"\0" * 100_000, b"\1" * SIZE


def _serves(upto: int | None, data: bytes | None = None, **named: str) -> Fault:
    """Serve as RFC 9110 has it: an If-Range that matches nothing is answered with the whole."""

    def act(handler: Handler) -> None:
        whole = handler.data if data is None else data
        start = 0 if "if-range" in handler.asked.headers else handler.asked.start
        headers = {name.replace("_", "-"): value for name, value in named.items()}
        if start:
            headers["Content-Range"] = f"bytes {start}-{SIZE - 1}/{SIZE}"
        handler.head(206 if start else 200, {**headers, "Content-Length": str(SIZE - start)})
        handler.body(whole[start:upto])

    return act


@pytest.mark.parametrize(
    "named",
    [{}, {"ETag": 'W/"abc"'}, {"ETag": "abc"}, {"Last_Modified": "-1"}, {"Last_Modified": "soon"}],
    ids=str,
)
def test_fetch_without_a_strong_validator_goes_on_without_if_range(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes, named: dict[str, str]
) -> None:
    server.faults["/unet.safetensors"] = [
        _serves(100_000, **named),
        _serves(200_000, **named),
        _serves(None, **named),
    ]

    assert payload == fetch(address).read_bytes()
    assert [asked.start for asked in server.asked] == [0, 100_000, 200_000]
    assert [asked.sent_bytes for asked in server.asked] == [100_000] * 3
    assert not any("if-range" in asked.headers for asked in server.asked)


def test_fetch_with_a_date_goes_on_if_it_is_the_same(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes
) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"
    server.faults["/unet.safetensors"] = [_serves(100_000, Last_Modified=date)]

    assert payload == fetch(address).read_bytes()
    assert server.asked[1].headers["if-range"] == date


def test_fetch_when_only_the_second_answer_has_a_validator_goes_on(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes
) -> None:
    server.faults["/unet.safetensors"] = [_serves(100_000), _serves(None, ETag='"abc"')]

    assert payload == fetch(address).read_bytes()
    assert [asked.start for asked in server.asked] == [0, 100_000]


def test_fetch_of_a_file_that_changed_unseen_starts_over_once(
    server: FaultyServer, address: str, fetch: Fetch, payload: bytes
) -> None:
    """Nothing but the digest tells that the two halves are of two files."""
    server.faults["/unet.safetensors"] = [_serves(100_000, OLD), _serves(None)]

    assert payload == fetch(address).read_bytes()
    assert [asked.start for asked in server.asked] == [0, 100_000, 0]


def test_fetch_of_what_is_never_the_file_ends_after_its_second_chance(
    server: FaultyServer, address: str, fetch: Fetch
) -> None:
    server.faults["/unet.safetensors"] = [_serves(100_000, NEW), _serves(None, NEW)] * 9

    with pytest.raises(HashMismatchError):
        fetch(address)

    assert [asked.start for asked in server.asked] == [0, 100_000, 0, 100_000]


def _link(path: Path, other: Path) -> None:
    path.symlink_to(other)


def _hard_link(path: Path, other: Path) -> None:
    path.hardlink_to(other)


def _dangle(path: Path, other: Path) -> None:
    path.symlink_to(other.with_name("nothing"))


def _pipe(path: Path, other: Path) -> None:
    os.mkfifo(path)


@pytest.mark.skipif(os.name != "posix", reason="links and pipes are made as POSIX has them")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("place", [part_path, note_path])
@pytest.mark.parametrize("make", [_link, _hard_link, _dangle, _pipe])
def test_fetch_where_the_part_is_something_else_writes_to_nothing_but_its_own(
    server: FaultyServer,
    address: str,
    fetch: Fetch,
    target: Path,
    tmp_path: Path,
    payload: bytes,
    make: Callable[[Path, Path], None],
    place: Callable[[Path], Path],
) -> None:
    """A link or a pipe there is replaced: it is no run's of ours."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    target.parent.mkdir()
    make(place(target), precious)

    fetch(address)

    assert precious.read_bytes() == b"mine"
    assert sorted(os.listdir(tmp_path)) == ["here", "precious"]
    assert payload == target.read_bytes()
    assert not target.is_symlink()
    assert os.listdir(target.parent) == [target.name]
    assert server.asked[0].start == 0


@pytest.mark.parametrize("place", [part_path, note_path])
def test_fetch_where_the_part_is_a_folder_says_so(
    address: str, fetch: Fetch, target: Path, place: Callable[[Path], Path]
) -> None:
    place(target).mkdir(parents=True)

    with pytest.raises(DownloadError, match=r"cannot write unet\.safetensors: "):
        fetch(address)


def test_fetch_that_was_refused_leaves_a_part_that_is_plain(
    server: FaultyServer, address: str, fetch: Fetch, target: Path
) -> None:
    server.faults["/unet.safetensors"] = [_serves(100_000), answers(404)]

    with pytest.raises(DownloadError):
        fetch(address)

    assert part_path(target).stat().st_size == 100_000
    assert not note_path(target).exists()  # there is nothing to note
