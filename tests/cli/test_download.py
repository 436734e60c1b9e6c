# SPDX-License-Identifier: Apache-2.0
"""``zoo download``, ``zoo verify`` and ``zoo cache`` as a user types them."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from faulty_server import FaultyServer
from http_faults import stalls
from weights_rows import weights_row

from zoo.cli import main


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    for name in ("ZOO_MIRRORS", "ZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def files(server: FaultyServer, write_plugin: Callable[..., Path]) -> dict[str, bytes]:
    """Write a plugin of two weights, and serve both; gives their bytes."""
    data = {name: random.Random(name).randbytes(20_000) for name in ("one", "two")}
    server.files |= {f"/{name}.safetensors": value for name, value in data.items()}
    write_plugin("pair", "".join(weights_row(name, value) for name, value in data.items()))
    return data


def _run(*words: str) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_download_prints_the_path_of_each_file_and_no_more(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    done = _run("download", "one", "pair.two", "--mirror", server.address)

    assert done.exit_code == 0, done.output
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.read_bytes() for path in paths] == [files["one"], files["two"]]


def test_download_from_the_server_of_python_is_enough(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    """A team's mirror: ``python -m http.server`` in a folder of files."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    (folder / "one.safetensors").write_bytes(files["one"])

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as plain:
        threading.Thread(target=plain.serve_forever, args=(0.05,), daemon=True).start()
        done = _run("download", "one", "--mirror", f"http://127.0.0.1:{plain.server_port}")
        plain.shutdown()

    assert done.exit_code == 0, done.output
    assert files["one"] == Path(done.stdout.strip()).read_bytes()


def test_download_when_one_of_two_fails_gets_the_other_and_exits_1(
    server: FaultyServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "two.safetensors").write_bytes(files["two"])

    done = _run("download", "one", "two", "--offline", "--mirror", str(tmp_path / "m"))

    assert done.exit_code == 1
    assert files["two"] == Path(done.stdout.strip()).read_bytes()
    assert "one: cannot download one.safetensors: all addresses failed." in done.stderr
    assert "error: cannot download 1 of 2." in done.stderr


def test_download_offline_of_what_is_not_here_exits_1_with_one_message(
    files: dict[str, bytes],
) -> None:
    done = _run("download", "one", "--offline")

    assert done.exit_code == 1
    assert done.stderr == (
        "error: cannot download 'one' offline: it is not on this machine.\n"
        "where: plugin pair, https://weights.example.invalid/v1/one.safetensors\n"
        "HINT: drop --offline and ZOO_OFFLINE, or name a folder that has it with --mirror.\n"
    )


def test_download_dry_says_what_it_would_do(
    server: FaultyServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    done = _run("download", "one", "--dry-run", "--dest", str(tmp_path / "d"))

    digest = hashlib.sha256(files["one"]).hexdigest()
    assert done.stdout.splitlines() == [
        f"one: 0.0 MB, sha256 {digest}",
        f"  would write: {tmp_path / 'd' / 'one.safetensors'}",
        "  would try: https://weights.example.invalid/v1/one.safetensors",
    ]
    assert not (tmp_path / "d").exists()
    assert server.asked == []


def test_download_as_json_lists_what_was_fetched_and_what_failed(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    """One object a name in the order of the line, also where one of them fails."""
    done = _run("download", "one", "nothing", "pair.two", "--mirror", server.address, "--json")

    one, nothing, two = json.loads(done.stdout)
    assert done.exit_code == 1
    for name, entry in (("one", one), ("two", two)):
        assert Path(entry["path"]).read_bytes() == files[name]
        assert entry["sha256"] == hashlib.sha256(files[name]).hexdigest()
        assert (entry["plugin"], entry["size_bytes"], entry["error"]) == ("pair", 20_000, None)
    assert nothing["error"].startswith("no weights named 'nothing'.")
    assert "path" not in nothing
    assert "error: cannot download 1 of 3." in done.stderr


def test_download_as_json_of_one_that_fails_is_json_and_a_message(files: dict[str, bytes]) -> None:
    done = _run("download", "one", "--offline", "--json")

    (entry,) = json.loads(done.stdout)
    assert done.exit_code == 1
    assert entry["error"].startswith("cannot download 'one' offline")
    assert done.stderr.startswith("error: cannot download 'one' offline")


def test_download_dry_as_json_gives_the_plan(
    server: FaultyServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    """The same facts as the lines, each under its key."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "two.safetensors").write_bytes(files["two"])
    words = ["one", "two", "--dry-run", "--mirror", str(tmp_path / "m"), "--json"]

    one, two = json.loads(_run("download", *words).stdout)

    cache = tmp_path / "cache" / "weights"
    assert one["asks"] == ["https://weights.example.invalid/v1/one.safetensors"]
    assert one["writes"] == str(cache / one["sha256"] / "one.safetensors")
    assert (one["here"], one["copies"], one["problem"], one["kept_bytes"]) == (None, None, None, 0)
    assert (two["asks"], two["copies"]) == ([], str(tmp_path / "m" / "two.safetensors"))
    assert server.asked == []


def test_download_dry_shows_no_password(files: dict[str, bytes]) -> None:
    done = _run("download", "one", "--dry-run", "--mirror", "http://me:secret@a.example/w")

    assert done.exit_code == 0, done.output
    assert "secret" not in done.output
    assert "  would try: http://a.example/w/one.safetensors" in done.stdout.splitlines()


def test_download_dry_names_no_mirror_after_a_folder_that_has_it(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    """A folder that lacks the file, or has another by its name, ends nothing."""
    for folder, data in (("lacks", None), ("other", b"x"), ("has", files["one"])):
        (tmp_path / folder).mkdir()
        if data is not None:
            (tmp_path / folder / "one.safetensors").write_bytes(data)
    folders = [str(tmp_path / folder) for folder in ("lacks", "other", "has")]
    words = [word for place in (*folders, "http://b.example") for word in ("--mirror", place)]
    digest = _digest(files["one"])

    alone = _run("download", "one", "--dry-run", *words)
    after = _run("download", "one", "--dry-run", "--mirror", "http://a.example", *words)

    target = tmp_path / "cache" / "weights" / digest / "one.safetensors"
    source = tmp_path / "has" / "one.safetensors"
    assert alone.stdout.splitlines()[1:] == [
        f"  would write: {target}",
        f"  would copy: {source}",
    ]
    assert after.stdout.splitlines()[1:] == [
        f"  would write: {target}",
        f"  would try: http://a.example/{digest}/one.safetensors",
        "  would try: http://a.example/one.safetensors",
        f"  would else copy: {source}",
    ]


def test_download_dry_of_what_is_here_asks_nobody(
    server: FaultyServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    """Into a folder it would be copied; where that has it, nothing would be done."""
    path = _run("download", "one", "--mirror", server.address).stdout.strip()
    into = ["download", "one", "--mirror", server.address, "--dest", str(tmp_path / "d")]
    target = tmp_path / "d" / "one.safetensors"

    assert _run("download", "one", "--dry-run").stdout.splitlines()[1:] == [f"  is here: {path}"]
    assert _run(*into, "--dry-run").stdout.splitlines()[1:] == [
        f"  would write: {target}",
        f"  would copy: {path}",
    ]
    _run(*into)
    assert _run(*into, "--dry-run").stdout.splitlines()[1:] == [f"  is here: {target}"]
    target.write_bytes(b"mine")
    assert _run(*into, "--dry-run").stdout.splitlines()[1:] == [
        "  would fail: cannot accept one.safetensors: it has 4 bytes, expected 20000."
    ]


def test_download_of_a_damaged_file_tells_of_it_once(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    path = Path(_run("download", "one", "--mirror", server.address).stdout.strip())
    path.write_bytes(files["one"][::-1])
    told = f"sha256 is {_digest(files['one'][::-1])}, expected {_digest(files['one'])}."

    offline = _run("download", "one", "--offline")
    dry = _run("download", "one", "--dry-run")
    mended = _run("download", "one", "--mirror", server.address)

    assert offline.exit_code == 1
    assert offline.stderr.count(told) == mended.stderr.count(told) == 1
    assert dry.stdout.splitlines()[1] == f"  is damaged: {path}"
    assert files["one"] == path.read_bytes()


def test_download_dry_offline_without_a_folder_has_nothing_to_ask(files: dict[str, bytes]) -> None:
    done = _run("download", "one", "--dry-run", "--offline", "--mirror", "http://a.example")

    assert done.stdout.splitlines()[1:] == ["  has no address to try"]


@pytest.mark.parametrize("name", ["ZOO_MIRRORS", "ZOO_CACHE"])
@pytest.mark.parametrize("value", ["http://[::1", "~nosuch/x"])
def test_download_with_odd_values_in_the_environment_is_one_message(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    """As the name of a folder, the first would do."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(name, value)

    done = _run("download", "one", "--offline")

    assert done.exit_code == 1
    assert done.stderr.startswith("error: cannot ")
    assert done.stderr.count("\n") == 3
    assert isinstance(done.exception, SystemExit)


def test_download_offline_takes_a_file_address_in_upper_case(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "one.safetensors").write_bytes(files["one"])

    done = _run("download", "one", "--offline", "--mirror", f"FILE://{tmp_path}")

    assert files["one"] == Path(done.stdout.strip()).read_bytes()


def test_download_of_an_unknown_name_alone_asks_nobody(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    done = _run("download", "tow", "--mirror", server.address)

    assert done.exit_code == 1
    assert "did you mean two?" in done.stderr
    assert server.asked == []


@pytest.mark.parametrize("place", [0, 1, 2])
def test_download_of_an_unknown_name_among_others_fetches_the_others(
    server: FaultyServer, files: dict[str, bytes], place: int
) -> None:
    """As the help says: where one name fails, the others are still fetched; exit 1."""
    names = ["one", "two"]
    names.insert(place, "nope")

    done = _run("download", *names, "--mirror", server.address)

    assert done.exit_code == 1
    found = [Path(line).read_bytes() for line in done.stdout.splitlines()]
    assert [files["one"], files["two"]] == found
    assert "nope: no weights named 'nope'" in done.stderr
    assert "error: cannot download 1 of 3." in done.stderr


def test_download_dry_of_an_unknown_name_among_others_tells_of_the_others(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    done = _run("download", "one", "nope", "two", "--mirror", server.address, "--dry-run")

    assert done.exit_code == 1
    assert done.stdout.count("  would write: ") == 2
    assert "nope: no weights named 'nope'" in done.stderr
    assert server.asked == []


def test_download_when_stopped_by_ctrl_c_says_that_it_can_go_on(
    server: FaultyServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    server.faults["/one.safetensors"] = [stalls(8000)]
    part = tmp_path / "cache" / "weights" / _digest(files["one"]) / "one.safetensors.part"
    words = [sys.executable, "-m", "zoo", "download", "one", "--mirror", server.address]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    end_s = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size) and time.monotonic() < end_s:
        time.sleep(0.05)

    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=120)

    assert process.returncode == 130, told
    assert (
        told == "interrupted; the bytes received are kept, the same command resumes the download\n"
    )
    assert part.stat().st_size == 8000


def test_verify_of_whole_files_exits_0(server: FaultyServer, files: dict[str, bytes]) -> None:
    _run("download", "one", "two", "--mirror", server.address)

    for words in (["verify"], ["verify", "one"]):
        done = _run(*words, "--json")
        assert done.exit_code == 0, done.output
        assert {row["state"] for row in json.loads(done.stdout)} == {"ok"}


def test_verify_of_changed_bytes_exits_1_and_names_the_file(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    path = Path(_run("download", "one", "two", "--mirror", server.address).stdout.split()[0])
    path.write_bytes(files["one"][::-1])

    done = _run("verify")

    assert done.exit_code == 1
    assert "one.safetensors  other bytes" in done.stdout
    assert "two.safetensors  ok" in done.stdout
    assert f"cannot accept one.safetensors: sha256 is {_digest(files['one'][::-1])}" in done.stderr
    assert files["one"][::-1] == path.read_bytes()


def test_verify_of_what_is_not_here_exits_1(files: dict[str, bytes]) -> None:
    done = _run("verify", "one")

    assert done.exit_code == 1
    assert "cannot verify 'one': it is not on this machine." in done.stderr
    assert "HINT: zoo download one" in done.stderr


def test_verify_of_several_of_which_some_are_not_here_has_a_row_for_each(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    """A name that is unknown, or whose file is not here, hides nothing of the others."""
    path = Path(_run("download", "one", "--mirror", server.address).stdout.split()[0])

    done = _run("verify", "nope", "one", "two", "--json")

    states = {row["name"]: (row["state"], row["path"]) for row in json.loads(done.stdout)}
    assert done.exit_code == 1
    assert states == {"one": ("ok", str(path)), "nope": ("not here", ""), "two": ("not here", "")}
    assert "no weights named 'nope'" in done.stderr
    assert "cannot verify 'two': it is not on this machine." in done.stderr


def test_cache_lists_files_with_the_names_of_their_weights(
    server: FaultyServer, files: dict[str, bytes]
) -> None:
    _run("download", "one", "--mirror", server.address)

    (row,) = json.loads(_run("cache", "ls", "--json").stdout)

    assert (row["name"], row["file"], row["state"]) == (["one"], "one.safetensors", "whole")
    assert (row["size_bytes"], row["sha256"]) == (20_000, _digest(files["one"]))


@pytest.mark.parametrize("size_bytes", [0, 100, 19_999, 20_001])
def test_cache_lists_a_file_of_another_size_as_damaged(
    server: FaultyServer, files: dict[str, bytes], size_bytes: int
) -> None:
    """The row knows the size; a file that nobody names is not called whole either."""
    path = Path(_run("download", "one", "--mirror", server.address).stdout.strip())
    path.write_bytes(files["one"].ljust(size_bytes, b"x")[:size_bytes])
    unnamed = path.parent.with_name("e" * 64) / "other.safetensors"
    unnamed.parent.mkdir()
    unnamed.write_bytes(b"x" * 100)

    rows = json.loads(_run("cache", "ls", "--json").stdout)

    states = {row["file"]: row["state"] for row in rows}
    assert states == {"one.safetensors": "damaged", "other.safetensors": "unchecked"}


@pytest.mark.parametrize("by", ["name", "file", "digest"])
def test_cache_rm_takes_a_name_a_file_or_digits(
    server: FaultyServer, files: dict[str, bytes], by: str
) -> None:
    _run("download", "one", "two", "--mirror", server.address)
    called = {"name": "one", "file": "one.safetensors", "digest": _digest(files["one"])[:8]}

    done = _run("cache", "rm", called[by])

    assert done.exit_code == 0, done.output
    assert [row["name"] for row in json.loads(_run("cache", "ls", "--json").stdout)] == [["two"]]


def test_cache_rm_of_an_ambiguous_name_removes_nothing(
    files: dict[str, bytes], tmp_path: Path
) -> None:
    for digest in ("a" * 64, "b" * 64):
        folder = tmp_path / "cache" / "weights" / digest
        folder.mkdir(parents=True)
        (folder / "unet.pth").write_bytes(b"x")

    done = _run("cache", "rm", "unet.pth")

    assert done.exit_code == 1
    assert "'unet.pth' names 2 files" in done.stderr
    assert f"HINT: give digits of the sha256: {'a' * 12}, {'b' * 12}." in done.stderr
    assert len(json.loads(_run("cache", "ls", "--json").stdout)) == 2


def test_cache_prune_removes_parts_and_what_nothing_names(
    server: FaultyServer, files: dict[str, bytes], tmp_path: Path
) -> None:
    """What a plugin names stays, and so does what zoo.lock pins."""
    _run("download", "one", "--mirror", server.address)
    weights = tmp_path / "cache" / "weights"
    for digest, name in (("a" * 64, "old.pth"), ("b" * 64, "x.pth.part"), ("c" * 64, "pin.pth")):
        (weights / digest).mkdir()
        (weights / digest / name).write_bytes(b"x")
    pin = {"sha256": "c" * 64, "source_sha256": "d" * 64, "plugin": "p", "name": "pinned"}
    _pin(tmp_path / "zoo.lock", **pin)

    dry = _run("cache", "prune", "--dry-run")
    assert dry.stdout.splitlines() == [
        f"would remove {weights / ('a' * 64) / 'old.pth'}",
        f"would remove {weights / ('b' * 64) / 'x.pth.part'}",
    ]
    done = _run("cache", "prune")

    assert done.exit_code == 0, done.output
    kept = [row["file"] for row in json.loads(_run("cache", "ls", "--json").stdout)]
    assert sorted(kept) == ["one.safetensors", "pin.pth"]


def _pin(path: Path, **facts: Any) -> None:
    from zoo.weights.lock import Pin, add_pins

    add_pins([Pin(size_bytes=1, source_size_bytes=1, parameters=1, **facts)], path)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
