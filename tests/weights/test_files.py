# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from zoo.catalog import Found, PluginRecord
from zoo.errors import DownloadError, HashMismatchError
from zoo.manifest.rows import ConfigRow, Manifest, WeightsRow
from zoo.weights import find_weights_file

DATA = b"eight-by" * 4


def _found(folder: Path, *urls: str, data: bytes = DATA) -> Found:
    row = WeightsRow(
        name="unet_lung",
        task="semantic",
        config="unet_small",
        urls=urls,
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
        format="safetensors",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        parameters=4,
        metrics=(),
    )
    path = folder / "zoo_plugin.toml"
    manifest = Manifest.__new__(Manifest)
    object.__setattr__(manifest, "path", path)
    record = PluginRecord("lung", manifest, path, "checkout")
    return Found(record, row)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def test_find_in_the_package_returns_the_verified_file(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "a.safetensors").write_bytes(DATA)

    path = find_weights_file(_found(tmp_path, "package:weights/a.safetensors"))

    assert tmp_path / "weights" / "a.safetensors" == path


def test_find_of_changed_bytes_raises_with_both_digests(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(DATA[::-1])

    with pytest.raises(HashMismatchError) as raised:
        find_weights_file(_found(tmp_path, "package:a.safetensors"))

    expected, actual = (hashlib.sha256(data).hexdigest() for data in (DATA, DATA[::-1]))
    assert (expected, actual) == (raised.value.expected, raised.value.actual)
    assert f"cannot accept a.safetensors: sha256 is {actual}, expected {expected}." == (
        raised.value.message
    )
    assert (tmp_path / "a.safetensors").exists()


def test_find_of_a_truncated_file_names_both_sizes(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(DATA[:-1])

    with pytest.raises(HashMismatchError, match="it has 31 bytes, expected 32"):
        find_weights_file(_found(tmp_path, "package:a.safetensors"))


def test_find_of_a_damaged_package_takes_the_file_of_the_cache(
    tmp_path: Path, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There a download puts it when the package's is damaged."""
    (tmp_path / "a.safetensors").write_bytes(DATA[::-1])
    digest = hashlib.sha256(DATA).hexdigest()
    (cache / digest).mkdir(parents=True)
    (cache / digest / "a.safetensors").write_bytes(DATA)

    path = find_weights_file(_found(tmp_path, "package:a.safetensors"))

    assert cache / digest / "a.safetensors" == path
    assert caplog.text.count("cannot accept a.safetensors: sha256 is") == 1


def test_find_tries_every_file_of_the_digest(tmp_path: Path, cache: Path) -> None:
    """Two old names of one file lie in one folder."""
    folder = cache / hashlib.sha256(DATA).hexdigest()
    folder.mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(DATA[::-1])
    (folder / "b.safetensors").write_bytes(DATA)

    path = find_weights_file(_found(tmp_path, "https://example.org/a.safetensors"))

    assert folder / "b.safetensors" == path


def test_find_where_no_file_holds_raises(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(DATA[::-1])
    cached = cache / hashlib.sha256(DATA).hexdigest() / "a.safetensors"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(DATA[1:])

    with pytest.raises(HashMismatchError, match="it has 31 bytes, expected 32") as raised:
        find_weights_file(_found(tmp_path, "package:a.safetensors"))

    assert str(cached) == str(raised.value.where)


def test_find_of_an_address_takes_the_file_of_the_cache(tmp_path: Path, cache: Path) -> None:
    """It lies there by its digest, verified anew."""
    digest = hashlib.sha256(DATA).hexdigest()
    (cache / digest).mkdir(parents=True)
    (cache / digest / "a.safetensors").write_bytes(DATA)
    urls = ("package:weights/gone.safetensors", "https://example.org/v1/a.safetensors?x=1")

    assert cache / digest / "a.safetensors" == find_weights_file(_found(tmp_path, *urls))


def test_find_of_an_address_without_a_file_says_how_to_get_it(tmp_path: Path, cache: Path) -> None:
    """Nothing is fetched."""
    with pytest.raises(DownloadError) as raised:
        find_weights_file(_found(tmp_path, "https://example.org/a.safetensors"))

    text = str(raised.value)
    assert "cannot find the weights 'unet_lung': they are not on this machine." in text
    assert "where: plugin lung, https://example.org/a.safetensors" in text
    assert text.endswith("HINT: zoo download unet_lung")
    assert not cache.exists()


def test_find_of_a_package_without_its_file_names_it(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"the package lacks a\.safetensors"):
        find_weights_file(_found(tmp_path, "package:a.safetensors"))


def test_find_of_another_kind_of_row_is_refused(tmp_path: Path) -> None:
    found = Found(_found(tmp_path, "package:a").record, ConfigRow("unet", "unet.py"))

    with pytest.raises(DownloadError, match="'unet': it is a config, expected weights"):
        find_weights_file(found)
