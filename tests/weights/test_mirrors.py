# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from zoo.errors import DownloadError
from zoo.weights.mirrors import mirror_addresses, shown_address, user_mirrors


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
    ["ftp://a/b", "https://", "nowhere", "https://a/b?c=d", "s3://bucket", "https:/a", "a\n"],
)
def test_mirror_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(DownloadError, match="cannot use the mirror") as raised:
        user_mirrors([text])

    assert raised.value.where == "--mirror or ZOO_MIRRORS"


def test_addresses_of_a_mirror_are_by_digest_then_by_name() -> None:
    assert mirror_addresses("http://b:8000/w", "0" * 64, "x.pth") == (
        f"http://b:8000/w/{'0' * 64}/x.pth",
        "http://b:8000/w/x.pth",
    )


def test_address_is_shown_without_what_is_secret() -> None:
    assert shown_address("https://me:pw@a.example:8/b?token=1#c") == "https://a.example:8/b"
