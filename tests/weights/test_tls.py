# SPDX-License-Identifier: Apache-2.0
"""https with certificates that are made here: trusted when named, refused when not."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from faulty_server import FaultyServer
from http_faults import cuts, redirects

from zoo.errors import DownloadError

Fetch = Callable[..., Path]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path


def _serve(authority: trustme.CA, payload: bytes, *names: str) -> FaultyServer:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return FaultyServer(files={"/unet.safetensors": payload}, context=context)


@pytest.fixture
def secure(authority: trustme.CA, payload: bytes) -> Iterator[FaultyServer]:
    with _serve(authority, payload, "127.0.0.1") as started:
        yield started


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_fetch_by_https_with_a_named_bundle_gives_the_file(
    secure: FaultyServer, bundle: Path, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, str(bundle))
    secure.faults["/unet.safetensors"] = [cuts(100_000)]

    assert fetch(f"{secure.address}/unet.safetensors").stat().st_size == 300_000
    assert [asked.start for asked in secure.asked] == [0, 100_000]


def test_fetch_by_https_of_an_unknown_authority_is_refused_once(
    secure: FaultyServer, fetch: Fetch
) -> None:
    """Nothing is asked over such a connection, and no other try is made."""
    with pytest.raises(DownloadError, match=r"cannot be trusted .*certificate verify failed"):
        fetch(f"{secure.address}/unet.safetensors")

    assert secure.asked == []


def test_fetch_by_https_of_a_certificate_for_another_name_is_refused(
    authority: trustme.CA,
    payload: bytes,
    bundle: Path,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))

    with (
        _serve(authority, payload, "example.org") as other,
        pytest.raises(DownloadError, match="cannot be trusted"),
    ):
        fetch(f"{other.address}/unet.safetensors")

    assert other.asked == []


def test_fetch_when_the_named_bundle_is_missing_says_so(
    secure: FaultyServer, fetch: Fetch, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))

    with pytest.raises(DownloadError, match=r"gone\.pem"):
        fetch(f"{secure.address}/unet.safetensors")


def test_fetch_by_https_that_redirects_to_http_is_refused(
    secure: FaultyServer,
    server: FaultyServer,
    bundle: Path,
    payload: bytes,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The http server has the right bytes, and is not asked for them."""
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    server.files["/unet.safetensors"] = payload
    plain = f"{server.address}/unet.safetensors"
    secure.faults["/unet.safetensors"] = [redirects(plain)]

    with pytest.raises(DownloadError, match=f"redirects from https to {plain}, which is not safe"):
        fetch(f"{secure.address}/unet.safetensors")

    assert server.asked == []


def test_fetch_by_http_that_redirects_to_https_gives_the_file(
    secure: FaultyServer,
    server: FaultyServer,
    bundle: Path,
    fetch: Fetch,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    server.faults["/moved"] = [redirects(f"{secure.address}/unet.safetensors", 301)]

    assert fetch(f"{server.address}/moved").stat().st_size == 300_000


def test_nothing_in_zoo_turns_the_check_of_certificates_off() -> None:
    """No switch: the words that would do it stand nowhere."""
    root = Path(__file__).resolve().parent.parent.parent / "zoo"
    words = (
        "verify=False",
        "verify = False",
        "CERT_NONE",
        "_create_unverified",
        "disable_warnings",
    )
    found = [
        f"{path}: {word}"
        for path in root.rglob("*.py")
        for word in words
        if word in path.read_text("utf-8")
    ]

    assert found == []
