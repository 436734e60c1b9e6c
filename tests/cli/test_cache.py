# SPDX-License-Identifier: Apache-2.0
"""``zoo cache prune`` keeps what anybody names, and clears away what killed work left."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from weights_rows import weights_row

from zoo.catalog import forget_catalog
from zoo.cli import main

COLUMNS = "name task tasks config architecture datasets metrics memory_gb url sha256_prefix note"
NAMED, UNNAMED, PINNED = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache of the test's own with three files."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("ZOO_LOCK", raising=False)
    folder = tmp_path / "cache" / "weights"
    for digest in (NAMED, UNNAMED, PINNED):
        (folder / digest).mkdir(parents=True)
        (folder / digest / "x.safetensors").write_bytes(b"x")
    return folder


def _run(*words: str) -> Result:
    forget_catalog()
    return CliRunner().invoke(main, list(words))


def _kept(weights: Path) -> set[str]:
    return {path.name for path in weights.iterdir()}


def _pin(path: Path | None = None) -> None:
    from zoo.weights.lock import Pin, add_pins

    add_pins([Pin("old", "p", PINNED, 1, "d" * 64, 1, 1)], path)


def test_prune_while_a_plugin_is_broken_is_refused(
    weights: Path, write_plugin: Callable[..., Path]
) -> None:
    write_plugin("good", weights_row(sha256=NAMED))
    manifest = write_plugin("bad") / "zoo_plugin.toml"
    manifest.write_text(manifest.read_text() + "\n[[")

    for words in (("prune",), ("prune", "--dry-run")):
        done = _run("cache", *words)

        assert done.exit_code == 1
        assert (
            "error: cannot prune while a plugin that may name weights cannot be read: "
            in done.stderr
        )
        assert "cannot use plugin 'bad': its manifest is not valid TOML" in done.stderr
        assert f"where: {manifest}\nHINT: fix or uninstall it" in done.stderr
    assert _kept(weights) == {NAMED, UNNAMED, PINNED}
    listed = _run("cache", "ls")
    assert listed.exit_code == 0
    assert "note: names may be missing: cannot use plugin 'bad'" in listed.stderr


def test_prune_keeps_what_hidden_plugins_name(
    weights: Path, write_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_plugin("good", weights_row(sha256=NAMED))
    monkeypatch.setenv("ZOO_PLUGINS", "other")
    _pin()

    done = _run("cache", "prune")

    assert done.exit_code == 0, done.output
    assert _kept(weights) == {NAMED, PINNED}


def test_prune_keeps_what_either_lock_names(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's own is in use again as soon as ZOO_LOCK is not set any more."""
    _pin()
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "team.lock"))

    done = _run("cache", "prune")

    assert done.exit_code == 0, done.output
    assert _kept(weights) == {PINNED}
    assert os.environ["ZOO_LOCK"] == str(tmp_path / "team.lock")


def test_prune_while_a_folder_of_plugins_is_gone_is_refused(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a network's disk is not mounted."""
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "gone"))

    done = _run("cache", "prune")

    assert done.exit_code == 1
    assert f"ZOO_PLUGIN_PATH names {str(tmp_path / 'gone')!r}" in done.stderr
    assert len(_kept(weights)) == 3


def test_what_a_killed_rescue_left_is_listed_and_pruned(weights: Path) -> None:
    """The folder of a process that lives is told from it, and stays."""
    code = (
        "import os, signal, sys\n"
        "from zoo.weights.staging import staging_folder\n"
        "with staging_folder() as folder:\n"
        "    (folder / 'converted.safetensors').write_bytes(b'x' * 2_000_000)\n"
        "    print(folder, flush=True)\n"
        "    if sys.argv[1] == 'die':\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code]
    killed = subprocess.run([*command, "die"], capture_output=True, text=True, check=False)
    dead = Path(killed.stdout.strip())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    (weights / ".rescue-elder").mkdir()  # of before they had locks

    assert dead.is_dir()
    with subprocess.Popen([*command, "live"], text=True, **pipes) as living:  # type: ignore[call-overload]
        live = Path(living.stdout.readline().strip())
        dead.mkdir(exist_ok=True)  # the living one has cleared it away
        (dead / "converted.safetensors").write_bytes(b"x" * 2_000_000)
        (weights / ".rescue-elder").mkdir(exist_ok=True)
        rows = {row["file"]: row for row in json.loads(_run("cache", "ls", "--json").stdout)}
        dry = _run("cache", "prune", "--dry-run")
        there = dead.is_dir()
        done = _run("cache", "prune")
        kept = _kept(weights)
        living.communicate("")

    assert (rows[dead.name]["state"], rows[dead.name]["size_bytes"]) == ("left over", 2_000_000)
    assert (rows[live.name]["state"], rows[".rescue-elder"]["state"]) == ("in use", "left over")
    assert f"would remove {dead}\n" in dry.stdout
    assert str(live) not in dry.stdout
    assert there
    assert f"removed {dead}\n" in done.stdout
    assert kept == {NAMED, UNNAMED, PINNED, live.name, f"{live.name}.lock"}
    for text in (dry.stderr, done.stderr):
        assert f"kept 3 files without a name: a rescue is running in {live} and may " in text
    assert _kept(weights) == {NAMED, UNNAMED, PINNED}
    _run("cache", "prune")
    assert _kept(weights) == set()


@pytest.mark.parametrize("looks", [0, 1])
def test_listing_skips_a_file_of_a_rescue_that_goes_away(
    weights: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    """It is gone before it is looked at, or after the first look."""
    (weights / ".rescue-a").mkdir()
    gone = weights / ".rescue-a" / "converted.safetensors"
    gone.write_bytes(b"x")
    (weights / ".rescue-a" / "other").write_bytes(b"xx")
    seen = []
    stat = Path.stat

    def stat_once(path: Path, **options: bool) -> os.stat_result:
        if path == gone:
            seen.append(path)
            if len(seen) > looks:
                path.unlink(missing_ok=True)
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", stat_once)

    done = _run("cache", "ls", "--json")

    assert done.exit_code == 0, done.output
    rows = {row["file"]: row for row in json.loads(done.stdout)}
    assert rows[".rescue-a"]["size_bytes"] == 2 + looks


@pytest.mark.mm
def test_prune_during_a_rescue_leaves_what_is_being_adopted(
    weights: Path,
    tmp_path: Path,
    write_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file lies in the cache before the copy for the mirror is done, and is pinned after."""
    import torch

    from zoo.engine.adoption import rescue as rescuing
    from zoo.weights.lock import read_pins

    old = tmp_path / "disk" / "a.pth"
    old.parent.mkdir()
    torch.save({"state_dict": {"a.weight": torch.ones(2, 3)}}, old)
    digits = hashlib.sha256(old.read_bytes()).hexdigest()[:8]
    url = f"https://example.org/unet-{digits}.pth"
    row = ["unet_old", "semantic", ["semantic"], "c.py", [], [], [], None, url, digits, None]
    index = {"format": 1, "licence": "MIT", "data_licence": "not stated"}
    index |= {"columns": COLUMNS.split(), "rows": [row]}  # type: ignore[dict-item]
    package = write_plugin("olds", '[[legacy_index]]\nfile = "__init__.py"\n')
    (package / "__init__.py").write_text(json.dumps(index))
    write_mirror = rescuing._write_mirror

    def prune_first(*args: Any) -> None:
        assert _run("cache", "prune").exit_code == 0
        write_mirror(*args)

    monkeypatch.setattr(rescuing, "_write_mirror", prune_first)

    done = _run("rescue", str(old), "--mirror-out", str(tmp_path / "mirror"))

    assert done.exit_code == 0, done.output
    assert (weights / read_pins()["unet_old"].sha256).is_dir()
    assert list((tmp_path / "mirror").rglob("*.safetensors"))


def test_prune_removes_readings_of_manifests_that_are_gone(
    weights: Path, write_plugin: Callable[..., Path]
) -> None:
    """What serves a manifest stays."""
    write_plugin("stays", weights_row("of_stays", sha256=NAMED))
    changed = write_plugin("changes", weights_row("of_changes", sha256=NAMED)) / "zoo_plugin.toml"
    _run("list")
    changed.write_text(changed.read_text() + "# of other bytes\n")
    _run("list")
    readings = weights.parent / "manifests"
    before = {*readings.glob("*/*")}

    tried = _run("cache", "prune", "--dry-run").output
    assert before == {*readings.glob("*/*")}
    done = _run("cache", "prune").output

    assert f"would remove 1 reading of manifests in {readings}" in tried
    assert f"removed 1 reading of manifests in {readings}" in done
    assert (len(before), len({*readings.glob("*/*")})) == (3, 2)


def test_prune_without_the_key_of_readings_removes_none(
    weights: Path,
    write_plugin: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It cannot tell which of them serve; with a key again, what no key of today sealed goes."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    write_plugin("stays", weights_row("of_stays", sha256=NAMED))
    _run("list")
    readings = weights.parent / "manifests"
    before = {*readings.glob("*/*")}
    (tmp_path / "state/zoo/readings.key").unlink()

    assert "manifests" not in _run("cache", "prune").output
    assert before == {*readings.glob("*/*")}
    _run("list")
    after = {*readings.glob("*/*")} - before
    assert f"of manifests in {readings}" in _run("cache", "prune").output
    assert after == {*readings.glob("*/*")}
