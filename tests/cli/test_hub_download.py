# SPDX-License-Identifier: Apache-2.0
"""``zoo download`` of rows on a hub, in a process of its own, with the user's environment."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from loopback_hub import LoopbackHub
from weights_rows import weights_row

TOKEN = "hf_SecretOfTheUser"
FILE = "one.safetensors"


@pytest.fixture
def data() -> bytes:
    return random.Random(0).randbytes(20_000)


@pytest.fixture
def row(
    hub: LoopbackHub, data: bytes, tmp_path: Path, write_plugin: Callable[..., Path]
) -> Callable[..., str]:
    """Return a function that writes a plugin whose weights are in a repository of the hub."""

    def write(**settings: bool) -> str:
        commit = hub.add("acme/unet", {FILE: data}, **settings)
        address = f"hf://acme/unet@{commit}/{FILE}"
        write_plugin("pair", weights_row("one", data, urls=[address]))
        return address

    return write


def _zoo(tmp_path: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    own = {"ZOO_CACHE": str(tmp_path / "cache"), "ZOO_LOCK": str(tmp_path / "zoo.lock")}
    command = [sys.executable, "-m", "zoo", *words]
    environment = {**os.environ, **own, **variables}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_download_of_a_row_on_a_hub_prints_its_path(
    hub: LoopbackHub, row: Callable[..., str], data: bytes, tmp_path: Path
) -> None:
    row()

    done = _zoo(tmp_path, "download", "one")

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == data


def test_download_of_a_gated_row_says_what_to_do_and_following_it_helps(
    hub: LoopbackHub, row: Callable[..., str], data: bytes, tmp_path: Path
) -> None:
    """The token is in no output and in no file."""
    address = row(is_gated=True)
    hub.tokens = {TOKEN: {"acme/unet"}}

    refused = _zoo(tmp_path, "download", "one")
    done = _zoo(tmp_path, "download", "one", HF_TOKEN=TOKEN)

    assert refused.returncode == 1
    target = re.escape(str(tmp_path / "cache" / "weights"))
    pattern = (
        rf"error: cannot download {FILE}: all addresses failed\.\n"
        rf"  {address}: the repository acme/unet is gated \(401\)\n"
        rf"where: {target}\S+\n"
        rf"HINT: accept its terms at {hub.endpoint}/acme/unet, then set HF_TOKEN to a token of "
        r"that account\.\n"
    )
    assert re.fullmatch(pattern, refused.stderr), refused.stderr
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == data
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert TOKEN not in refused.stderr + done.stderr + done.stdout
    assert not any(TOKEN.encode() in content for content in written)


def test_download_of_a_row_whose_bytes_the_hub_states_otherwise_is_refused_at_once(
    hub: LoopbackHub, row: Callable[..., str], tmp_path: Path
) -> None:
    address = row()
    hub.stated = {"X-Linked-Etag": f'"{"1" * 64}"'}

    done = _zoo(tmp_path, "download", "one")

    assert done.returncode == 1
    first, second = done.stderr.splitlines()[:2]
    stated = f"the hub states the sha256 {'1' * 64}, expected "
    assert first.startswith(f"error: cannot accept {FILE}: {stated}")
    assert second.startswith(f"  {address}: {stated}")
    assert hub.cdn.asked == []


def test_download_through_a_mirror_on_a_hub_takes_a_branch(
    hub: LoopbackHub, data: bytes, tmp_path: Path, write_plugin: Callable[..., Path]
) -> None:
    """The digest decides, so a mirror need not be pinned."""
    hub.add("team/mirror", {f"weights/{FILE}": data})
    write_plugin("pair", weights_row("one", data))

    done = _zoo(tmp_path, "download", "one", "--mirror", "hf://team/mirror/weights")

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).read_bytes() == data


def test_download_offline_asks_no_hub(
    hub: LoopbackHub, row: Callable[..., str], tmp_path: Path
) -> None:
    row()

    done = _zoo(tmp_path, "download", "one", "--offline")

    assert done.returncode == 1
    assert hub.asked == []
