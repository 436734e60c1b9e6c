# SPDX-License-Identifier: Apache-2.0
"""Files of a hub: asked for, redirected, resumed, refused; the hub is ``tools/loopback_hub.py``."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from faulty_server import FaultyServer
from http_faults import answers, cuts
from loopback_hub import LoopbackHub

from zoo.errors import DownloadError, HashMismatchError
from zoo.weights import cache_folder, fetch_address
from zoo.weights.cache import note_path
from zoo.weights.fetching.host_statements import ask_host
from zoo.weights.fetching.setbacks import Patience

Fetch = Callable[..., Path]
FILE = "unet.safetensors"
NOBODY = "0" * 40
TOKEN = "hf_SecretOfTheUser"


@pytest.fixture
def commit(hub: LoopbackHub, payload: bytes) -> str:
    """Return the commit of a public repository with a large and a small file."""
    return hub.add("acme/unet", {FILE: payload, "config/small.json": b"{}"})


@pytest.fixture
def address(commit: str) -> str:
    return f"hf://acme/unet@{commit}/{FILE}"


def _tokens(server: Any) -> list[str | None]:
    return [asked.headers.get("authorization") for asked in server.asked]


def test_fetch_from_a_hub_follows_it_to_the_signed_address(
    hub: LoopbackHub, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    fetch(address)

    assert payload == target.read_bytes()
    assert len(hub.asked) == len(hub.cdn.asked) == 1


@pytest.mark.parametrize("kind", ["", "datasets/", "spaces/"])
@pytest.mark.parametrize("path", [FILE, "a folder/x+y&z.pth", "ünet%20.pth"])
def test_fetch_finds_files_of_each_kind_and_name(
    hub: LoopbackHub, fetch: Fetch, target: Path, payload: bytes, kind: str, path: str
) -> None:
    """A path is written as it is, not encoded, as in huggingface_hub."""
    commit = hub.add(f"{kind}acme/unet", {path: payload})

    fetch(f"hf://{kind}acme/unet@{commit}/{path}")

    assert payload == target.read_bytes()


@pytest.mark.parametrize("lfs_bytes", [1, 10**9], ids=["on the CDN", "on the hub"])
def test_ask_host_reads_what_the_hub_states_and_fetches_nothing(
    hub: LoopbackHub, address: str, commit: str, payload: bytes, lfs_bytes: int
) -> None:
    """Of a small file the hub knows the size and no sha256."""
    hub.lfs_bytes = lfs_bytes

    told = ask_host(address)

    sha256 = hashlib.sha256(payload).hexdigest() if lfs_bytes == 1 else None
    assert (told.sha256, told.size_bytes, told.commit) == (sha256, len(payload), commit)
    assert told.address == address
    assert hub.cdn.asked == []
    assert {asked.method for asked in hub.asked} == {"HEAD"}


def test_ask_host_of_a_branch_returns_the_address_at_its_commit(
    hub: LoopbackHub, commit: str, address: str
) -> None:
    assert ask_host(f"hf://acme/unet@main/{FILE}").address == address
    assert ask_host(f"hf://acme/unet/{FILE}").address == address
    assert ask_host(f"{hub.endpoint}/acme/unet/resolve/main/{FILE}").address == address


@pytest.mark.parametrize("refused", [(), (answers(405),), (answers(200, Content_Length="0"),)])
def test_ask_host_of_a_plain_server_reads_the_size(
    server: FaultyServer, payload: bytes, refused: tuple[Any, ...]
) -> None:
    """By HEAD, and where that is refused or of no use, as for the file."""
    server.files["/x.pth"] = payload
    server.faults["/x.pth"] = list(refused)

    told = ask_host(f"{server.address}/x.pth")

    assert (told.sha256, told.size_bytes, told.commit) == (None, len(payload), None)
    assert [asked.method for asked in server.asked] == ["HEAD", "GET"][: 1 + len(refused)]


def test_ask_host_of_a_release_asks_the_signed_address_as_for_the_file_if_it_refuses_head(
    server: FaultyServer, payload: bytes
) -> None:
    """As object stores do, which sign an address for GET alone."""
    signed = "/signed?Signature=1"
    server.files[signed] = payload
    server.faults["/x.pth"] = [answers(302, Location=f"{server.address}{signed}")] * 2
    server.faults[signed] = [answers(403)]

    assert ask_host(f"{server.address}/x.pth").size_bytes == len(payload)
    assert [asked.method for asked in server.asked] == ["HEAD", "HEAD", "GET", "GET"]


def test_fetch_goes_on_through_the_hub_when_the_signed_address_has_expired(
    hub: LoopbackHub, address: str, fetch: Fetch, target: Path, payload: bytes
) -> None:
    """Each address of the CDN serves once, so each range needs a new one."""
    hub.signed_uses = 1
    path = f"/repos/{hashlib.sha256(payload).hexdigest()}"
    hub.cdn.faults[path] = [cuts(100_000), answers(403), cuts(100_000), answers(410)]

    fetch(address)

    assert payload == target.read_bytes()
    assert [asked.start for asked in hub.cdn.asked] == [0, 100_000, 100_000, 200_000, 200_000]
    assert len(hub.asked) == 5


def test_fetch_when_the_hub_signs_addresses_that_never_work_gives_up(
    hub: LoopbackHub, address: str, fetch: Fetch
) -> None:
    hub.signed_s = -1

    with pytest.raises(DownloadError, match=r"redirects to an address that has expired \(403\)"):
        fetch(address)

    assert len(hub.asked) == 3


@pytest.mark.parametrize("place", ["variable", "file", "home"])
def test_token_goes_to_the_hub_and_nowhere_else(
    hub: LoopbackHub,
    fetch: Fetch,
    target: Path,
    payload: bytes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    place: str,
) -> None:
    """Neither to the CDN nor into the log or the note of an unfinished file."""
    commit = hub.add("acme/closed", {FILE: payload}, is_private=True)
    hub.tokens = {TOKEN: {"acme/closed"}}
    _give_token(monkeypatch, tmp_path, place)
    path = f"/repos/{hashlib.sha256(payload).hexdigest()}"
    hub.cdn.faults[path] = [cuts(100_000), answers(404)]
    address = f"hf://acme/closed@{commit}/{FILE}"

    with caplog.at_level(logging.DEBUG), pytest.raises(DownloadError) as raised:
        fetch(address)
    note = note_path(target).read_text()
    fetch(address)

    assert payload == target.read_bytes()
    assert _tokens(hub) == [f"Bearer {TOKEN}"] * 3
    assert _tokens(hub.cdn) == [None] * 3
    assert "Signature" not in note + str(raised.value)
    for text in (note, str(raised.value), caplog.text):
        assert TOKEN not in text


def _give_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, place: str) -> None:
    if place == "variable":
        monkeypatch.setenv("HF_TOKEN", f" {TOKEN}\n")
        return
    file = tmp_path / "hf_home" / "token"
    if place == "file":
        file = tmp_path / "my_token"
        monkeypatch.setenv("HF_TOKEN_PATH", str(file))
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{TOKEN}\n")


def test_token_follows_a_redirect_on_the_hub_and_none_from_elsewhere(
    hub: LoopbackHub,
    server: FaultyServer,
    fetch: Fetch,
    payload: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A renamed repository is on the same host; a mirror that redirects to the hub is not."""
    commit = hub.add("acme/closed", {FILE: payload}, is_private=True)
    hub.add("acme/old", {FILE: payload})
    hub.repositories["acme/old"].renamed_to = "acme/closed"
    hub.tokens = {TOKEN: {"acme/closed"}}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    resolve = f"{hub.endpoint}/acme/closed/resolve/{commit}/{FILE}"
    server.faults["/x"] = [answers(302, Location=resolve)]

    with pytest.raises(DownloadError, match=r"needs a login \(401\)"):
        fetch(f"{server.address}/x")
    assert _tokens(server) == _tokens(hub) == [None]
    fetch(f"hf://acme/old@{commit}/{FILE}")

    assert _tokens(hub)[1:] == [f"Bearer {TOKEN}"] * 2


@pytest.mark.parametrize("token", ["two words", "hf_\x01", "hf_ü", "x" * 5000])
def test_token_that_no_header_can_carry_is_refused_without_showing_it(
    address: str, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)

    with pytest.raises(DownloadError, match="cannot use the token for the hub") as raised:
        fetch(address)

    assert token not in str(raised.value)
    assert raised.value.where == "HF_TOKEN"


@pytest.mark.parametrize(
    "location",
    [
        "http://{other}\\@{hub}/x",
        "http://{other}@{hub}/x",
        "http://{hub}@{other}/x",
        "http://{hub}\\@{other}/x",
        "//{other}/x",
        "http://{hub}.{other}/x",
        "http://localhost:{port}/x",
    ],
)
def test_token_does_not_follow_a_redirect_that_only_looks_like_the_hub(
    hub: LoopbackHub,
    server: FaultyServer,
    address: str,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
    location: str,
) -> None:
    """Parsers differ over the host of some of these; whoever is asked gets no token."""
    hub.tokens = {TOKEN: set()}
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    host, other = hub.endpoint.removeprefix("http://"), server.address.removeprefix("http://")
    text = location.format(hub=host, other=other, port=host.partition(":")[2])
    hub.refusals = [(302, {"Location": text})]

    with pytest.raises(DownloadError):
        fetch(address)

    assert _tokens(hub)[0] == f"Bearer {TOKEN}"
    told = [*_tokens(server), *_tokens(hub)[1:]]
    assert f"Bearer {TOKEN}" not in told


@pytest.mark.parametrize(
    "named",
    [
        *("huggingface.co", "ftp://a", "https://", "https://a?b", "x", "https://a\\@b"),
        *("https://a:99999", "https://me:pw@a", "https://a b"),
    ],
)
def test_hub_that_is_none_is_refused(
    fetch: Fetch, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", named)

    with pytest.raises(DownloadError, match="cannot use the hub") as raised:
        fetch(f"hf://acme/unet@{NOBODY}/{FILE}")

    assert "pw" not in str(raised.value)

    assert raised.value.where == "HF_ENDPOINT"


@pytest.mark.parametrize(
    ("address", "token", "reason", "hint"),
    [
        (
            "acme/none@main/x",
            None,
            "there is no repository acme/none, or it is private (401)",
            "acme/none; for a private one, set HF_TOKEN",
        ),
        (
            "acme/none@main/x",
            TOKEN,
            "there is no repository acme/none that your token may read (404)",
            "check",
        ),
        (
            "acme/unet@dev/x",
            None,
            "the repository acme/unet has no revision 'dev' (404)",
            "acme/unet/commits/main.",
        ),
        (
            f"acme/unet@{NOBODY}/x",
            None,
            f"the repository acme/unet has no revision '{NOBODY}' (404)",
            "commits",
        ),
        (
            "acme/unet@main/x",
            None,
            "the repository acme/unet has no file 'x' at revision 'main' (404)",
            "acme/unet/tree/main.",
        ),
        (
            "acme/gated@main/x",
            None,
            "the repository acme/gated is gated (401)",
            "acme/gated, then set HF_TOKEN",
        ),
        (
            "acme/gated@main/x",
            TOKEN,
            "the repository acme/gated is gated, and your token has no access (403)",
            "ask for access at",
        ),
        (
            "acme/closed@main/x",
            None,
            "there is no repository acme/closed, or it is private (401)",
            "HF_TOKEN",
        ),
        ("acme/unet@main/x", "hf_old", "the hub does not know your token (401)", "settings/tokens"),
        (
            "datasets/acme/d@main/x",
            None,
            "there is no repository acme/d, or it is private (401)",
            "/datasets/acme/d; for",
        ),
    ],
)
def test_fetch_of_what_the_hub_refuses_says_what_and_how_on(
    hub: LoopbackHub,
    commit: str,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    token: str | None,
    reason: str,
    hint: str,
) -> None:
    """The repository, the revision and the file are told apart; the hint has the page."""
    hub.add("acme/gated", {"x": b"1"}, is_gated=True)
    hub.add("acme/closed", {"x": b"1"}, is_private=True)
    hub.tokens = {TOKEN: set()}
    if token is not None:
        monkeypatch.setenv("HF_TOKEN", token)

    for ask in (fetch, ask_host):
        with pytest.raises(DownloadError) as raised:
            ask(f"hf://{address}")
        assert raised.value.message.endswith(f"\n  hf://{address}: {reason}")
        assert hint in str(raised.value.hint)
        assert hub.endpoint in str(raised.value.hint)
        assert (token or TOKEN) not in str(raised.value)
    assert len(hub.asked) == 2


def test_fetch_with_a_token_of_access_gets_what_is_gated(
    hub: LoopbackHub, fetch: Fetch, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = hub.add("acme/gated", {FILE: payload}, is_gated=True)
    hub.tokens = {TOKEN: {"acme/gated"}}
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    assert fetch(f"hf://acme/gated@{commit}/{FILE}").read_bytes() == payload


@pytest.mark.parametrize(
    "headers",
    [{"Retry-After": "1"}, {"RateLimit": '"a";r=0;t=0'}],
    ids=["Retry-After", "RateLimit"],
)
def test_fetch_waits_as_long_as_a_busy_hub_asks(
    hub: LoopbackHub,
    address: str,
    fetch: Fetch,
    caplog: pytest.LogCaptureFixture,
    headers: dict[str, str],
) -> None:
    hub.refusals = [(429, headers)]

    fetch(address)

    assert "answers 429; retrying in 1.0 s" in caplog.text


@pytest.mark.parametrize(
    ("stated", "reason"),
    [
        ({"X-Linked-Etag": f'"{"1" * 64}"'}, f"the hub states the sha256 {'1' * 64}, expected "),
        ({"X-Linked-Size": "7"}, "the hub states 7 bytes, expected 300000"),
        ({"X-Repo-Commit": NOBODY}, f"the hub states the commit {NOBODY}, expected "),
    ],
)
def test_fetch_of_what_the_hub_states_otherwise_fetches_no_byte(
    hub: LoopbackHub, address: str, fetch: Fetch, stated: dict[str, str], reason: str
) -> None:
    hub.stated = stated

    with pytest.raises(DownloadError) as raised:
        fetch(address)

    assert f"\n  {address}: {reason}" in raised.value.message
    assert hub.cdn.asked == []
    assert isinstance(raised.value, HashMismatchError) == ("X-Linked-Etag" in stated)


@pytest.mark.parametrize(
    "stated",
    [
        {"X-Linked-Etag": '"abc"', "X-Linked-Size": "many", "X-Repo-Commit": "main"},
        {"X-Linked-Etag": "", "X-Linked-Size": "9" * 5000, "X-Repo-Commit": ""},
    ],
)
def test_fetch_from_a_hub_that_states_nonsense_lets_the_digest_decide(
    hub: LoopbackHub, address: str, fetch: Fetch, stated: dict[str, str]
) -> None:
    hub.stated = stated

    assert fetch(address).exists()


def test_fetch_address_of_a_branch_reports_its_commit_and_asks_for_that(
    hub: LoopbackHub,
    commit: str,
    address: str,
    payload: bytes,
    brisk: Patience,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The branch is looked up once: the file comes from the commit even if the branch moves."""
    sha256 = hashlib.sha256(payload).hexdigest()
    branch = f"hf://acme/unet@main/{FILE}"

    with caplog.at_level(logging.INFO, "zoo"):
        path = fetch_address(branch, sha256, patience=brisk)

    assert path == cache_folder() / sha256 / FILE
    assert caplog.messages[0] == f"{branch} is now {address}"
    assert [re.search("resolve/([^/]+)", asked.path)[1] for asked in hub.asked] == ["main", commit]  # type: ignore[index]


def test_fetch_address_when_the_branch_has_moved_on_downloads_nothing(
    hub: LoopbackHub, commit: str, payload: bytes, brisk: Patience
) -> None:
    hub.add("acme/unet", {FILE: payload + b"1"})

    with pytest.raises(HashMismatchError, match="the hub states the sha256"):
        fetch_address(f"hf://acme/unet/{FILE}", hashlib.sha256(payload).hexdigest(), patience=brisk)

    assert hub.cdn.asked == []


@pytest.mark.parametrize(
    "address",
    ["hf://acme", "hf://acme/unet", "hf://acme/unet@main/../x", "hf://a/b@c/x?y", "github://a/b/c"],
)
def test_fetch_of_a_malformed_address_says_what_is_expected(
    hub: LoopbackHub, fetch: Fetch, address: str
) -> None:
    with pytest.raises(DownloadError, match=r"is malformed, expected (hf|github)://\w+/REPO@"):
        fetch(address)
