# SPDX-License-Identifier: Apache-2.0
"""``zoo.lock``: whole or as it was, and never two digests for one name."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ConflictError, DownloadError
from zoo.weights.lock import Pin, add_pins, lock_file, read_pins

PIN = Pin(
    name="unet_old",
    plugin="openmmlab_index",
    sha256="ab" * 32,
    size_bytes=8,
    source_sha256="cd" * 32,
    source_size_bytes=16,
    parameters=2,
)


@pytest.fixture(autouse=True)
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "settings" / "zoo.lock"))
    return tmp_path / "settings" / "zoo.lock"


def test_pins_that_were_added_are_read(lock: Path) -> None:
    other = dataclasses.replace(PIN, name="fcn_old")

    add_pins([PIN])
    add_pins([other])

    assert lock_file() == lock
    assert read_pins() == {"unet_old": PIN, "fcn_old": other}
    assert [row["name"] for row in json.loads(lock.read_text())["weights"]] == [
        "fcn_old",
        "unet_old",
    ]


@pytest.mark.parametrize("settings", ["", "set"])
def test_lock_lies_where_platformdirs_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    """On Linux the place is worked out without importing it."""
    from platformdirs import user_config_path

    monkeypatch.delenv("ZOO_LOCK")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / settings) if settings else "")

    assert lock_file() == user_config_path("zoo") / "zoo.lock"


def test_lock_in_the_home_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_LOCK", "~nosuch/zoo.lock")

    with pytest.raises(DownloadError, match=r"cannot use the path '~nosuch/zoo\.lock'") as raised:
        read_pins()

    assert raised.value.where == "ZOO_LOCK"


def test_pins_without_a_lock_are_none(lock: Path) -> None:
    assert read_pins() == {}
    assert not lock.parent.exists()


def test_pin_of_the_same_bytes_leaves_the_file_alone(lock: Path) -> None:
    add_pins([PIN])
    before = lock.stat().st_mtime_ns, lock.stat().st_ino

    add_pins([PIN])

    assert before == (lock.stat().st_mtime_ns, lock.stat().st_ino)


def test_pin_of_other_bytes_is_refused_and_nothing_added(lock: Path) -> None:
    add_pins([PIN])
    text = lock.read_text()
    forged = dataclasses.replace(PIN, sha256="ef" * 32)

    with pytest.raises(ConflictError) as raised:
        add_pins([dataclasses.replace(PIN, name="new"), forged])

    assert f"cannot pin 'unet_old' to sha256 {'ef' * 32}" in raised.value.message
    assert "ab" * 32 in raised.value.message
    assert lock.read_text() == text


def _add(number: int) -> None:
    add_pins([dataclasses.replace(PIN, name=f"old_{number:02}")])


def test_pins_of_many_processes_are_all_kept() -> None:
    """Each reads, changes and replaces the file while no other does."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_add, range(12))

    assert sorted(read_pins()) == [f"old_{number:02}" for number in range(12)]


def _changed(**over: Any) -> str:
    row = {**dataclasses.asdict(PIN), **over}
    return json.dumps({"format": 1, "weights": [row]})


BAD = {
    "no JSON": ("{", "it is not JSON"),
    "a list": ("[]", "its format is 'list', expected 1 or 2"),
    "newer": ('{"format": 3}', "its format is 3, expected 1 or 2"),
    "no rows": ('{"format": 1}', "it has no list of weights"),
    "short digest": (_changed(sha256="ab"), "row 1: sha256 is 'ab'"),
    "upper case": (_changed(source_sha256="AB" * 32), "row 1: source_sha256 is 'ABAB"),
    "no size": (_changed(size_bytes=0), "row 1: size_bytes is 0"),
    "size as a bool": (_changed(size_bytes=True), "row 1: size_bytes is True"),
    "a surrogate": (_changed(name="\ud800"), r"row 1: name is '\ud800'"),
    "a line": (_changed(plugin="a\nb"), r"row 1: plugin is 'a\nb'"),
    "too deep": ("[" * 100_000, "it is nested too deeply"),
    "no name": (_changed(name=""), "row 1: name is ''"),
    "unknown key": (_changed(url="x"), "row 1 has not the keys name, parameters"),
}


@pytest.mark.parametrize("case", BAD)
def test_lock_that_is_none_is_refused(lock: Path, case: str) -> None:
    text, message = BAD[case]
    lock.parent.mkdir()
    lock.write_text(text)

    with pytest.raises(DownloadError) as raised:
        read_pins()
    with pytest.raises(DownloadError):
        add_pins([PIN])

    assert f"cannot use zoo.lock: {message}" in raised.value.message
    assert raised.value.where == str(lock)
    assert lock.read_text() == text


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_lock_that_cannot_be_written_is_told(lock: Path) -> None:
    lock.parent.mkdir(mode=0o500)

    with pytest.raises(DownloadError, match=r"cannot write zoo\.lock: Permission denied"):
        add_pins([PIN])


def test_lock_below_a_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "file" / "zoo.lock"))

    with pytest.raises(DownloadError, match=r"cannot (write|use) zoo\.lock: "):
        add_pins([PIN])
