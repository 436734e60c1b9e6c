# SPDX-License-Identifier: Apache-2.0
"""Several addresses, several runs, several processes, and disks that refuse."""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import FaultyServer
from http_faults import answers, cuts, gives_other_bytes, sends_a_page

from zoo.errors import DownloadError, HashMismatchError
from zoo.weights.cache import lock_path, note_path, part_path
from zoo.weights.fetching.setbacks import Patience

Fetch = Callable[..., Path]
SIZE = 300_000
NOTES = ["", "[]", '{"address": 1, "validator": 2}', '{"x": "\\ud800"}', "[" * 100_000]
CLIENT = """
import sys
from pathlib import Path
from zoo.errors import DownloadError
from zoo.weights import fetch_file
target, sha256, size, *addresses = sys.argv[1:]
try:
    fetch_file(Path(target), sha256, int(size), addresses)
except DownloadError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def client(target: Path, payload: bytes) -> Callable[..., subprocess.Popen[str]]:
    """Return a function that starts a process which fetches the payload."""
    words = [sys.executable, "-c", CLIENT, str(target), hashlib.sha256(payload).hexdigest()]

    def start(address: str, **settings: object) -> subprocess.Popen[str]:
        words_ = [*words, str(len(payload)), address]
        return subprocess.Popen(words_, stderr=subprocess.PIPE, text=True, **settings)  # type: ignore[call-overload, no-any-return]

    return start


def test_fetch_asks_addresses_in_order_and_no_further(
    server: FaultyServer, address: str, fetch: Fetch
) -> None:
    server.files["/second"] = server.files["/unet.safetensors"]

    fetch(f"{server.address}/first", address, f"{server.address}/second")

    assert [asked.path for asked in server.asked] == ["/first", "/unet.safetensors"]


def test_fetch_when_a_host_is_gone_takes_the_next_at_once(
    address: str, fetch: Fetch, brisk: Patience
) -> None:
    """A host that cannot be reached is asked for one thing once, unless it is the last."""
    with FaultyServer() as gone:
        dead = gone.address
    started_s = time.monotonic()

    patience = replace(brisk, first_wait_s=60, longest_wait_s=60)
    path = fetch(f"{dead}/a", f"{dead}/b", address, patience=patience)

    assert path.stat().st_size == SIZE
    assert time.monotonic() - started_s < 60


def test_fetch_when_none_gives_it_lists_each_with_its_reason(
    server: FaultyServer, address: str, fetch: Fetch, target: Path
) -> None:
    """Passwords in addresses are not shown."""
    with FaultyServer() as gone:
        dead = gone.address
    server.faults["/unet.safetensors"] = [sends_a_page]
    login = server.address.replace("//", "//me:secret@")

    with pytest.raises(DownloadError) as raised:
        fetch(f"{dead}/a", f"{dead}/b", f"{login}/c", address)

    assert str(raised.value).splitlines() == [
        "cannot download unet.safetensors: all addresses failed.",
        f"  {dead}/a: cannot be reached (Connection refused)",
        f"  {dead}/b: not tried, its host cannot be reached",
        f"  {server.address}/c: not found (404)",
        f"  {address}: answers with a web page (text/html), expected the file",
        f"where: {target}",
        "HINT: set --mirror or ZOO_MIRRORS to a place that has it, or try later.",
    ]


def test_fetch_goes_on_at_another_address_with_what_the_first_gave(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """Whose bytes they are does not matter, as the digest decides: no If-Range is sent."""
    server.files["/other"] = payload
    server.faults["/unet.safetensors"] = [cuts(100_000), answers(404)]

    fetch(address, f"{server.address}/other")

    assert payload == target.read_bytes()
    assert server.asked[-1].start == 100_000
    assert "if-range" not in server.asked[-1].headers


def test_fetch_when_bytes_of_two_addresses_do_not_fit_starts_over(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """The first served garbage: the second is not blamed for it."""
    server.files["/garbage"] = b"\0" * SIZE
    server.faults["/garbage"] = [cuts(100_000), answers(404)]

    fetch(f"{server.address}/garbage", address)

    assert payload == target.read_bytes()
    assert [asked.start for asked in server.asked] == [0, 100_000, 100_000, 0]


def test_fetch_when_the_first_gives_other_bytes_takes_the_second(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    server.files["/bad"] = payload
    server.faults["/bad"] = [gives_other_bytes]

    fetch(f"{server.address}/bad", address)

    assert payload == target.read_bytes()


def test_fetch_in_a_later_run_goes_on_where_the_earlier_was(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    server.faults["/unet.safetensors"] = [cuts(100_000), answers(404)]
    with pytest.raises(DownloadError, match="the bytes received are kept"):
        fetch(address)

    seen: list[tuple[int, int]] = []
    fetch(address, progress=lambda done, total: seen.append((done, total)))

    assert payload == target.read_bytes()
    assert server.asked[-1].start == 100_000
    assert seen[-1] == (SIZE, SIZE)
    assert seen == sorted(seen)
    assert seen[0][0] > 100_000


@pytest.mark.parametrize("note", NOTES)
def test_fetch_when_the_note_is_broken_lets_the_digest_decide(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes, note: str
) -> None:
    target.parent.mkdir()
    part_path(target).write_bytes(payload[:200_000])
    note_path(target).write_text(note)

    fetch(address)

    assert payload == target.read_bytes()
    assert server.asked[0].start == 200_000
    assert os.listdir(target.parent) == [target.name]


def test_fetch_of_a_part_that_is_whole_asks_nobody(
    server: FaultyServer, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """Killed between the last byte and the renaming."""
    target.parent.mkdir()
    part_path(target).write_bytes(payload)

    fetch(address)

    assert payload == target.read_bytes()
    assert server.asked == []


@pytest.mark.parametrize("kept", [b"\0" * SIZE, b"\0" * (SIZE + 1), b"\0" * 10], ids=len)
def test_fetch_of_a_part_that_is_damaged_starts_over(
    address: str, fetch: Fetch, target: Path, payload: bytes, kept: bytes
) -> None:
    """As a power cut leaves it: long enough, and not what was written."""
    target.parent.mkdir()
    part_path(target).write_bytes(kept)
    origin = {"address": address, "validator": f'"{hashlib.sha256(payload).hexdigest()[:16]}"'}
    note_path(target).write_text(json.dumps(origin))

    fetch(address)

    assert payload == target.read_bytes()


def test_fetch_of_what_another_process_fetched_asks_nobody(
    server: FaultyServer, address: str, fetch: Fetch, target: Path
) -> None:
    fetch(address)
    fetch(address)

    assert len(server.asked) == 1


def test_fetch_by_eight_processes_at_once_asks_once(
    server: FaultyServer, address: str, client: Callable[..., subprocess.Popen[str]], target: Path
) -> None:
    server.bytes_s = 300_000

    started = [client(address) for _ in range(8)]
    ended = [(process.communicate(timeout=120), process.returncode) for process in started]

    assert [code for _, code in ended] == [0] * 8, ended
    assert len(server.asked) == 1
    assert os.listdir(target.parent) == [target.name]


def test_fetch_when_killed_goes_on_and_never_shows_a_part(
    server: FaultyServer,
    address: str,
    client: Callable[..., subprocess.Popen[str]],
    target: Path,
    payload: bytes,
) -> None:
    """Three times ``kill -9``, each after another 60,000 bytes; `make drill` has many more."""
    server.bytes_s = 150_000
    for wanted in (60_000, 120_000, 180_000):
        process = client(address)
        _wait_for(lambda size=wanted: _size(target) >= size)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=120)
        assert not target.exists()
    kept = _size(target)
    server.bytes_s = None

    last = client(address)
    last.communicate(timeout=120)

    assert payload == target.read_bytes()
    assert server.asked[-1].start == kept
    assert os.listdir(target.parent) == [target.name]


def test_fetch_when_interrupted_leaves_a_part_to_go_on_with(
    server: FaultyServer,
    address: str,
    client: Callable[..., subprocess.Popen[str]],
    target: Path,
) -> None:
    server.bytes_s = 150_000
    process = client(address)
    _wait_for(lambda: _size(target) >= 60_000)

    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)

    assert not target.exists()
    assert 60_000 <= _size(target) < SIZE
    assert note_path(target).exists()


def test_fetch_when_the_disk_is_too_full_opens_no_connection(
    server: FaultyServer, address: str, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - SIZE + 1, SIZE - 1))

    with pytest.raises(DownloadError, match=r"it needs 0\.3 MB more, the disk has 0\.3 MB left"):
        fetch(address)

    assert server.asked == []


def test_fetch_when_the_disk_fills_up_keeps_what_it_has(
    address: str, client: Callable[..., subprocess.Popen[str]], target: Path, payload: bytes
) -> None:
    """A limit on the size of files stands for the disk; then there is room again."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = client(address, preexec_fn=limit)
    _, told = full.communicate(timeout=120)

    assert full.returncode == 1
    assert "cannot write unet.safetensors: File too large." in told
    assert "HINT: free some space there and run it again: the bytes received are kept." in told
    assert not target.exists()
    kept = _size(target)
    last = client(address)
    last.communicate(timeout=120)
    assert payload == target.read_bytes()
    assert kept <= 100_000


def test_fetch_into_a_folder_that_is_read_only_says_so(
    address: str, client: Callable[..., subprocess.Popen[str]], target: Path
) -> None:
    target.parent.mkdir()
    target.parent.chmod(0o555)

    refused = client(address, preexec_fn=_obey_rights)
    _, told = refused.communicate(timeout=120)

    assert refused.returncode == 1
    assert "cannot write beside unet.safetensors: Permission denied." in told
    assert "HINT: set --dest or ZOO_CACHE to a folder that you can write." in told


def test_fetch_of_what_a_read_only_folder_has_needs_no_lock(
    server: FaultyServer,
    address: str,
    client: Callable[..., subprocess.Popen[str]],
    target: Path,
    payload: bytes,
) -> None:
    target.parent.mkdir()
    target.write_bytes(payload)
    target.parent.chmod(0o555)

    shared = client(address, preexec_fn=_obey_rights)
    _, told = shared.communicate(timeout=120)

    assert shared.returncode == 0, told
    assert server.asked == []
    assert os.listdir(target.parent) == [target.name]


def test_fetch_where_a_lock_was_left_behind_is_not_held_up(
    address: str, fetch: Fetch, target: Path
) -> None:
    """The lock is the kernel's: a killed process holds none."""
    target.parent.mkdir()
    lock_path(target).write_text("")

    assert fetch(address).stat().st_size == SIZE


def test_fetch_when_one_gives_other_bytes_and_none_the_right_ones_reports_those(
    server: FaultyServer, address: str, fetch: Fetch
) -> None:
    """Of several reasons, wrong bytes are the one that a user has to hear of."""
    server.faults["/unet.safetensors"] = [gives_other_bytes]

    with pytest.raises(HashMismatchError) as raised:
        fetch(address, f"{server.address}/gone")

    assert "/gone: not found (404)" in raised.value.message
    assert "check the requested sha256" in str(raised.value)


def _size(target: Path) -> int:
    part = part_path(target)
    return part.stat().st_size if part.exists() else 0


def _wait_for(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.02)


def _obey_rights() -> None:
    """Let root be refused what others are."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
