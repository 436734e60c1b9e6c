# SPDX-License-Identifier: Apache-2.0
"""What listings, ``zoo verify`` and ``zoo cache`` say of living weights."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import zoo
from zoo.cli import main
from zoo.weights.lock import Pin, add_pins, pin_of, read_pins


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def state(name: str = "tiny_other") -> str:
    """Return the state of the file in ``zoo list``, and check that ``zoo info`` says the same."""
    rows = json.loads(run("list", "--json").stdout)
    listed = next(row["file"] for row in rows if row["name"] == name)
    assert json.loads(run("info", name, "--json").stdout)[0]["file"] == listed
    return str(listed)


@pytest.mark.mm
@pytest.mark.parametrize("kind", ["sha256", "sha256_prefix"])
def test_state_of_living_weights_follows_what_is_here(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, kind: str
) -> None:
    data = source_bytes("pth")
    digits = hashlib.sha256(data).hexdigest()
    known = {"sha256": digits} if kind == "sha256" else {"sha256": None, kind: digits[:8]}
    foreign.list(foreign.row(data, **known))

    before = state()
    path = Path(run("download", "tiny_other", "--pin").stdout.strip())
    adopted = state()
    verified = run("verify"), run("verify", "tiny_other")
    path.write_bytes(path.read_bytes()[:-1] + b"\0")
    broken = run("verify", "tiny_other")
    path.write_bytes(b"short")
    damaged = state()
    shutil.rmtree(tmp_path / "cache")

    assert before == ("to fetch" if kind == "sha256" else "to pin")
    assert adopted == "adopted"
    assert [each.exit_code for each in verified] == [0, 0]
    assert "ok" in verified[0].stdout
    assert broken.exit_code == 1
    assert damaged == "damaged"
    assert state() == "to fetch"


@pytest.mark.mm
def test_cache_lists_removes_and_keeps_adopted_files(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    foreign.list(foreign.row(source_bytes("pth")))
    path = zoo.download("tiny_other")
    left = tmp_path / "cache" / "weights" / ".source-0123456789abcdef"
    left.mkdir()
    (left / "model.pth.part").write_bytes(b"12345")

    listed = json.loads(run("cache", "ls", "--json").stdout)
    pruned = run("cache", "prune")

    assert {(row["file"], row["state"]) for row in listed} == {
        ("tiny_other.safetensors", "whole"),
        (left.name, "left over"),
    }
    assert listed[0]["name"] == ["tiny_other"]
    assert pruned.exit_code == 0, pruned.output
    assert path.is_file()
    assert not left.exists()
    assert run("cache", "rm", "tiny_other").exit_code == 0
    assert not path.exists()


@pytest.mark.mm
@pytest.mark.parametrize("words", [(), ("--pin",)])
def test_dry_run_says_what_would_be_done_and_asks_nobody(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, words: tuple[str, ...]
) -> None:
    data = source_bytes("pth")
    row = foreign.row(data, sha256=None, sha256_prefix=hashlib.sha256(data).hexdigest()[:8])
    foreign.list(row)

    result = run("download", "tiny_other", "--dry-run", *words)
    entry = json.loads(run("download", "tiny_other", "--dry-run", "--json", *words).stdout)[0]

    assert foreign.hub.asked == []
    assert not (tmp_path / "cache").exists()
    assert entry["digest"] == "sha256_prefix"
    if words:
        assert f"would try: {row['urls'][0]}" in result.stdout
        assert "would convert with other_unet and pin it in zoo.lock" in result.stdout
        assert entry["problem"] is None
    else:
        assert "needs --pin once" in result.stdout
        assert entry["problem"] is not None


@pytest.mark.mm
def test_pin_shows_who_states_what(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path
) -> None:
    data = source_bytes("pth")
    digest = hashlib.sha256(data).hexdigest()
    foreign.list(foreign.row(data, sha256=None, sha256_prefix=digest[:8]))

    result = run("download", "tiny_other", "--pin")
    again = run("download", "tiny_other", "--pin")

    pin = read_pins()["tiny_other"]
    told = [line.strip() for line in result.stderr.splitlines()]
    commit = pin.address.partition("@")[2].partition("/")[0] if pin.address else ""
    for line in (
        "licence: Apache-2.0",
        "licence of the data: CC-BY-4.0",
        "facts seen in: the card of acme/unet",
        f"the row states: sha256 one that starts with {digest[:8]}, {len(data):,} bytes",
        f"the host states: sha256 {digest}, {len(data):,} bytes, commit {commit}",
        f"computed: sha256 {digest}, {len(data):,} bytes",
        f"pinned in {tmp_path / 'zoo.lock'}",
    ):
        assert line in told
    entry = json.loads(run("download", "tiny_other", "--json").stdout)[0]
    assert (entry["sha256"], entry["source_sha256"]) == (pin.sha256, digest)
    assert (entry["licence"], entry["data_licence"]) == ("Apache-2.0", "CC-BY-4.0")
    assert entry["judge"] == "sha256_prefix"
    assert result.stdout == again.stdout
    assert f"tiny_other is pinned already: sha256 {pin.sha256}" in again.stderr


@pytest.mark.mm
@pytest.mark.parametrize("what", ["source", "converted"])
def test_mirror_without_a_network_has_the_source_or_the_converted_file(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, what: str
) -> None:
    foreign.list(foreign.row(source_bytes("pth")))
    mirror = tmp_path / "mirror"
    first = zoo.download("tiny_other", dest=mirror)
    shutil.rmtree(tmp_path / "cache")
    content = first.read_bytes()
    if what == "source":
        first.unlink()
        (tmp_path / "zoo.lock").unlink()
        (mirror / "model.pth").write_bytes(source_bytes("pth"))

    path = zoo.download("tiny_other", mirrors=[str(mirror)], offline=True)

    assert path.read_bytes() == content


@pytest.mark.mm
@pytest.mark.parametrize("has_it", [False, True])
def test_damaged_file_is_made_anew_whether_a_mirror_has_it_or_not(
    foreign: Any, source_bytes: Callable[[str], bytes], tmp_path: Path, has_it: bool
) -> None:
    foreign.list(foreign.row(source_bytes("pth")))
    path = zoo.download("tiny_other")
    content = path.read_bytes()
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    if has_it:
        (mirror / path.name).write_bytes(content)
    path.write_bytes(content[:-1])

    again = zoo.download("tiny_other", mirrors=[str(mirror)])

    assert (again, again.read_bytes()) == (path, content)


def test_pins_of_one_name_in_two_plugins_are_kept_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    pins = [Pin("unet", plugin, digit * 64, 1, "e" * 64, 1, 1) for plugin, digit in ("aa", "bb")]

    add_pins(pins[:1])
    add_pins(pins[1:])

    found = read_pins()
    assert [pin_of(found, "unet", plugin) for plugin in "ab"] == pins
    assert pin_of(found, "unet", "c") is None
