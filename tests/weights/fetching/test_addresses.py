# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import DownloadError
from zoo.weights.fetching.addresses import is_local, mirror_addresses, shown_address, user_mirrors
from zoo.weights.fetching.asking import find_place


def test_mirrors_of_the_command_line_come_before_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each once, and a folder as its address."""
    folder = tmp_path / "a folder"
    folder.mkdir()
    monkeypatch.setenv("ZOO_MIRRORS", f"https://a.example/w/, {folder} ,,http://b:8000")

    assert user_mirrors(["http://b:8000/", "file:///srv/w"]) == (
        "http://b:8000",
        "file:///srv/w",
        "https://a.example/w",
        folder.as_uri(),
    )


def test_mirrors_when_none_are_named_are_none() -> None:
    assert user_mirrors() == ()


def test_mirrors_in_the_home_folder_are_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "w").mkdir()

    assert user_mirrors(["~/w"]) == ((tmp_path / "w").as_uri(),)


@pytest.mark.parametrize(
    "text",
    [
        *("ftp://a/b", "https://", "nowhere", "https://a/b?c=d", "s3://bucket", "https:/a", "a\n"),
        *("http://[::1", "http://:80", "file://server/x", "FILE://server/x", "file:x", "file:"),
        *("x" * 5000, "a\0b", "hf://", "hf://acme", "hf://a/b?x", "hf://a/b/../c", "github://a/b"),
        "github://a/b@v1/folder/in",
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_mirror_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DownloadError, match="cannot use the mirror") as raised:
        user_mirrors([text])

    assert raised.value.where == "--mirror or ZOO_MIRRORS"


def test_mirror_that_is_malformed_is_refused_without_its_password() -> None:
    with pytest.raises(DownloadError) as raised:
        user_mirrors(["http://me:secret@[::1/w"])

    assert "cannot use the mirror 'http://...'" in raised.value.message
    assert "secret" not in str(raised.value)


def test_mirror_in_the_home_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_MIRRORS", "~nosuch/x")

    with pytest.raises(DownloadError) as raised:
        user_mirrors()

    assert str(raised.value).splitlines() == [
        "cannot use the path '~nosuch/x': no home folder is known for it.",
        "where: --mirror or ZOO_MIRRORS",
        "HINT: write the full path, without ~.",
    ]


def test_mirror_with_a_colon_in_its_folder_is_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "to:day").mkdir()

    assert user_mirrors(["to:day"]) == ((tmp_path / "to:day").as_uri(),)


@pytest.mark.parametrize("address", ["file:///a", "FILE:///a", "File:/a", "file://localhost/a"])
def test_address_of_a_file_is_local_in_any_case(address: str) -> None:
    assert is_local(address)
    assert user_mirrors([address]) == (address,)


def test_addresses_of_a_mirror_are_by_digest_then_by_name() -> None:
    assert mirror_addresses("http://b:8000/w", "0" * 64, "x.pth") == (
        f"http://b:8000/w/{'0' * 64}/x.pth",
        "http://b:8000/w/x.pth",
    )


def test_address_is_shown_without_what_is_secret() -> None:
    assert shown_address("https://me:pw@a.example:8/b?token=1#c") == "https://a.example:8/b"


@pytest.mark.parametrize(
    ("mirror", "base"),
    [
        ("hf://acme/unet", "hf://acme/unet@main"),
        ("hf://acme/unet@main/", "hf://acme/unet@main"),
        ("hf://datasets/acme/unet@v1/weights/", "hf://datasets/acme/unet@v1/weights"),
        ("HF://spaces/a/b@refs/pr/1", "hf://spaces/a/b@refs/pr/1"),
    ],
)
def test_mirror_on_a_hub_is_a_folder_of_it(mirror: str, base: str) -> None:
    assert user_mirrors([mirror]) == (base,)
    assert mirror_addresses(base, "0" * 64, "x.pth") == (
        f"{base}/{'0' * 64}/x.pth",
        f"{base}/x.pth",
    )


def test_mirror_that_is_a_release_has_no_folders() -> None:
    assert user_mirrors(["github://a/b@v1"]) == ("github://a/b@v1",)
    assert mirror_addresses("github://a/b@v1", "0" * 64, "x.pth") == ("github://a/b@v1/x.pth",)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (
            "github://acme/unet@v1.0/x y+z.pth",
            "https://github.com/acme/unet/releases/download/v1.0/x%20y%2Bz.pth",
        ),
        (
            "github://acme/unet@weights%2F2026/x.pth",
            "https://github.com/acme/unet/releases/download/weights%2F2026/x.pth",
        ),
        (
            "hf://datasets/acme/unet@refs/pr/3/a/x y.pth",
            "https://hub.example.org/hf/datasets/acme/unet/resolve/refs%2Fpr%2F3/a/x%20y.pth",
        ),
        ("hf://acme/unet/x.pth", "https://hub.example.org/hf/acme/unet/resolve/main/x.pth"),
        ("https://a.example/x?y=z", "https://a.example/x?y=z"),
    ],
)
def test_address_leads_to_the_url_of_its_host(
    monkeypatch: pytest.MonkeyPatch, address: str, url: str
) -> None:
    """HF_ENDPOINT may have a path and end with a slash."""
    monkeypatch.setenv("HF_ENDPOINT", "https://hub.example.org/hf/")

    assert find_place(address).url == url


@pytest.mark.parametrize("endpoint", [None, "", "https://huggingface.co/"])
def test_hub_is_the_public_one_if_none_is_named(
    monkeypatch: pytest.MonkeyPatch, endpoint: str | None
) -> None:
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    if endpoint is not None:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)

    assert find_place("hf://a/b@v/c").url == "https://huggingface.co/a/b/resolve/v/c"
