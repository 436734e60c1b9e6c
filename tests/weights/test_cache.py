# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from zoo.errors import DownloadError
from zoo.manifest.rows import WeightsRow
from zoo.weights.cache import (
    cache_folder,
    cached_file,
    find_cached,
    lock_path,
    note_path,
    part_path,
    remove_cached,
    weights_filename,
)

A, B = "a" * 64, "b" * 64


def _write(sha256: str, name: str, data: bytes = b"x") -> Path:
    path = cache_folder() / sha256 / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _row(*urls: str, form: str = "safetensors") -> WeightsRow:
    return WeightsRow(
        name="unet",
        task="semantic",
        config="c",
        urls=urls,
        sha256=A,
        size_bytes=1,
        format=form,
        licence="MIT",
        data_licence="CC0-1.0",
        parameters=1,
        metrics=(),
    )


def test_cache_folder_is_what_zoo_cache_names_else_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", "~/c")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "c" / "weights"

    monkeypatch.setenv("ZOO_CACHE", "")
    assert cache_folder() == tmp_path / "x" / "zoo" / "weights"


def test_cache_in_the_home_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", "~nosuch/x")

    with pytest.raises(DownloadError, match="cannot use the path '~nosuch/x'") as raised:
        cache_folder()

    assert raised.value.where == "ZOO_CACHE"


def test_files_of_equal_names_lie_apart() -> None:
    first, second = _write(A, "unet.pth", b"1"), _write(B, "unet.pth", b"2")

    assert (first, second) == (cached_file(A), cached_file(B))


def test_cached_file_is_never_a_part() -> None:
    target = _write(A, "unet.pth").with_name("unet.pth")
    target.rename(part_path(target))
    note_path(target).write_text("{}")
    lock_path(target).write_text("")

    assert cached_file(A) is None
    assert [(found.name, found.is_part) for found in find_cached()] == [("unet.pth", True)]


def test_find_in_a_cache_that_is_not_there_is_empty() -> None:
    assert find_cached() == ()
    assert cached_file(A) is None


def test_find_leaves_out_what_the_cache_did_not_put_there() -> None:
    _write("notes", "readme.txt")
    (cache_folder() / A).write_text("a file where a folder should be")

    assert find_cached() == ()
    assert cached_file(A) is None


def test_remove_takes_the_folder_when_nothing_is_left() -> None:
    path = _write(A, "unet.pth")
    lock_path(path).write_text("")

    remove_cached(find_cached()[0])

    assert os.listdir(cache_folder()) == []


def test_remove_leaves_what_is_not_its_own() -> None:
    _write(A, "unet.pth")
    other = _write(A, "other.pth")

    remove_cached(next(found for found in find_cached() if found.name == "unet.pth"))

    assert [found.path for found in find_cached()] == [other]


def test_remove_of_a_part_that_is_being_fetched_is_refused() -> None:
    target = _write(A, "unet.pth.part").with_name("unet.pth")

    with FileLock(lock_path(target)), pytest.raises(DownloadError, match="another process"):
        remove_cached(find_cached()[0])

    assert part_path(target).exists()
    remove_cached(find_cached()[0])
    assert os.listdir(cache_folder()) == []


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://a/b/unet-1.0_x.safetensors?v=2#y", "unet-1.0_x.safetensors"),
        ("package:weights/unet_lung.safetensors", "unet_lung.safetensors"),
        ("https://a/download?id=7", "unet.safetensors"),
        ("https://a/b/", "unet.safetensors"),
        ("https://[::1/b/x.safetensors", "unet.safetensors"),
        ("https://a/b/x.pth", "unet.safetensors"),
        ("https://a/b/..%2F..%2Fx.safetensors", "x.safetensors"),
        ("https://a/b/.hidden.safetensors", "unet.safetensors"),
        ("https://a/b/%2E%2E", "unet.safetensors"),
        ("https://a/b/a%20b.safetensors", "unet.safetensors"),
        ("https://a/b/a%00b.safetensors", "unet.safetensors"),
        (f"https://a/{'x' * 300}.safetensors", "unet.safetensors"),
    ],
)
def test_file_name_is_plain_whatever_the_address(url: str, name: str) -> None:
    assert weights_filename(_row(url)) == name


def test_file_name_of_a_row_without_an_address_is_that_of_the_row() -> None:
    assert weights_filename(_row(form="pth")) == "unet.pth"
