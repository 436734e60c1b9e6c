# SPDX-License-Identifier: Apache-2.0
"""Sources come and go whole: cheap updates, offline use, interruption, several processes."""

from __future__ import annotations

import hashlib
import json
import os
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
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_faults import answers, cuts, redirects, sends_a_page, stalls

from zoo.errors import ConflictError, SourceError, UnknownNameError
from zoo.weights.sources import book, lookup, updating
from zoo.weights.sources.book import Source, read_book
from zoo.weights.sources.lookup import find_scoped, rows_of_source
from zoo.weights.sources.requesting import index_address
from zoo.weights.sources.updating import add_source, remove_source, update_source

Publisher = Any
State = Callable[[], dict[str, bytes]]


def test_update_of_an_unchanged_index_fetches_no_bytes(added: Publisher) -> None:
    """The validator of the server is sent back, and its 304 is believed."""
    added.server.faults[added.index_path] = [answers(304)]
    asked = len(added.server.asked)
    before = read_book()["acme"]

    result = update_source("acme")

    request = added.server.asked[asked]
    assert request.headers["if-none-match"] == before.etag
    assert len(added.server.asked) == asked + 1  # not even the signature
    assert not result.is_changed
    assert result.source.digest == before.digest


def test_update_from_the_server_of_python_asks_by_date(
    publisher: Publisher, tmp_path: Path
) -> None:
    """It knows no ETags; the date of the file is enough."""
    site = tmp_path / "site"
    site.mkdir()
    data = json.dumps(publisher.document(publisher.row("unet_road"))).encode()
    (site / "index.json").write_bytes(data)
    (site / "index.json.sig").write_bytes(publisher.signature(data))
    statuses: list[int] = []

    class Noting(SimpleHTTPRequestHandler):
        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            statuses.append(int(code))

    handler = partial(Noting, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        add_source(f"http://127.0.0.1:{server.server_port}")
        statuses.clear()
        result = update_source("acme")
        server.shutdown()

    assert statuses == [304]
    assert not result.is_changed


def test_index_that_is_served_anew_unchanged_is_no_change(added: Publisher) -> None:
    """A server without validators sends the same bytes again."""
    result = update_source("acme")

    assert not result.is_changed


def test_unasked_304_is_refused(publisher: Publisher) -> None:
    """A server cannot answer "not changed" to someone who knows nothing."""
    publisher.publish()
    publisher.server.faults[publisher.index_path] = [answers(304)] * 5

    with pytest.raises(SourceError, match="304"):
        add_source(publisher.address)


@pytest.mark.parametrize(
    ("faults", "match"),
    [
        ([answers(404)] * 2, "there is none"),
        ([answers(401)] * 2, "needs a login"),
        ([answers(403)] * 2, "refuses access"),
        ([sends_a_page] * 2, "web page"),
        ([redirects("ftp://acme.example/index.json")] * 2, "not safe"),
        ([redirects("file:///etc/passwd")] * 2, "not safe"),
        ([redirects("/zoo/index.json")] * 9, "circle"),
    ],
)
def test_server_without_the_index_is_named_with_the_reason(
    added: Publisher, state: State, faults: list[Any], match: str
) -> None:
    """The index that was kept stays in use."""
    before = state()
    added.server.faults[added.index_path] = faults

    with pytest.raises(SourceError, match=match) as caught:
        update_source("acme")

    assert caught.value.hint
    assert state() == before
    assert [found.row.name for found in find_scoped("acme/unet_road")] == ["acme/unet_road"]


def test_broken_connection_is_tried_again(added: Publisher) -> None:
    """As downloads are."""
    added.publish(added.row("unet_field"))
    added.server.faults[added.index_path] = [answers(503, Retry_After="0"), cuts(100)]

    assert update_source("acme").source.sequence == 2


def test_truncated_index_is_never_taken(added: Publisher, state: State) -> None:
    """A server that always hangs up half-way leaves the old index."""
    added.publish(added.row("unet_field"))
    added.server.faults[added.index_path] = [cuts(100)] * 9
    before = state()

    with pytest.raises(SourceError, match="closed the connection after 100 of"):
        update_source("acme")

    assert state() == before


@pytest.mark.parametrize("tells", [True, False])
def test_too_large_index_is_refused_before_it_is_read(publisher: Publisher, tells: bool) -> None:
    """By the length that the server states, or once it sends more."""
    sent: list[int] = []

    def floods(handler: Any) -> None:
        length = {"Content-Length": str(10**12)} if tells else {}
        handler.head(200, {"Content-Type": "application/json", **length})
        try:
            for _ in range(200):
                handler.wfile.write(b" " * 2**20)
                sent.append(1)
        except OSError:
            pass

    publisher.server.faults[publisher.index_path] = [floods]
    publisher.publish()

    with pytest.raises(SourceError, match="expected at most 33,554,432"):
        add_source(publisher.address)

    assert len(sent) < 60


def test_added_source_works_offline(added: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking up needs neither server nor network."""
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    asked = len(added.server.asked)

    names = [found.row.name for found in rows_of_source("acme")]

    assert names == ["acme/unet_road"]
    assert len(added.server.asked) == asked


def test_nothing_is_asked_for_offline(
    added: Publisher, other_publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither to add nor to update; an index on a disk can be added."""
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    asked = len(added.server.asked)

    for act in (lambda: update_source("acme"), lambda: add_source(other_publisher.address)):
        with pytest.raises(SourceError, match=r"cannot fetch the index .* offline"):
            act()

    assert len(added.server.asked) == asked


def test_second_source_of_one_name_is_refused_unless_renamed(
    added: Publisher, other_publisher: Publisher, state: State
) -> None:
    """Nobody takes another's name; the hint gives it another one."""
    other_publisher.publish()
    before = state()

    with pytest.raises(ConflictError, match="has that name") as caught:
        add_source(other_publisher.address)
    assert state() == before
    assert "--as NAME" in str(caught.value.hint)
    source = add_source(other_publisher.address, name="beta")

    assert sorted(read_book()) == ["acme", "beta"]
    assert source.declared == "acme"
    assert [found.row.name for found in rows_of_source("beta")] == ["beta/unet_road"]


def test_source_is_added_once(added: Publisher) -> None:
    """The hint says how to update it."""
    with pytest.raises(ConflictError, match="'acme' is that source") as caught:
        add_source(added.address, name="again")

    assert caught.value.hint == "zoo source update acme"


@pytest.mark.parametrize("name", ["loss", "weights", "config", "plugin", "legacy", "zoo"])
def test_name_with_a_meaning_of_its_own_is_refused(publisher: Publisher, name: str) -> None:
    """`zoo info loss/DiceLoss` stays what it is."""
    publisher.publish(name=name)

    with pytest.raises(SourceError, match="meaning of its own"):
        add_source(publisher.address)
    assert add_source(publisher.address, name="acme").name == "acme"


def test_name_of_a_plugin_is_refused(publisher: Publisher) -> None:
    """Messages and the lock tell sources from plugins by their names."""
    publisher.publish()

    with pytest.raises(ConflictError, match="a plugin has that name"):
        add_source(publisher.address, taken=["acme"])


@pytest.mark.parametrize(
    ("location", "match"),
    [
        ("http://acme.example/zoo/", "http can be altered"),
        ("https://user:secret@acme.example/zoo/", "holds a login"),
        ("https://acme.example/zoo/?token=1", "expected https"),
        ("ftp://acme.example/zoo/", "expected https"),
        ("https://", "expected https"),
        ("https://acme.example:port/", "expected https"),
        ("hf://acme", "expected hf"),
        ("github://acme/zoo@v1/index.json", "expected https"),
        ("/no/such/folder", "no such file"),
        ("", "no such file"),
        ("a\0b", "no such file"),
    ],
)
def test_location_that_is_none_is_refused(location: str, match: str) -> None:
    """No secret is shown, and nothing is asked for."""
    with pytest.raises(SourceError, match=match) as caught:
        add_source(location)

    assert "secret" not in str(caught.value)
    assert "token" not in caught.value.message


@pytest.mark.parametrize(
    ("location", "address"),
    [
        ("https://acme.example", "https://acme.example/index.json"),
        ("https://acme.example/zoo/", "https://acme.example/zoo/index.json"),
        ("https://acme.example/zoo.json", "https://acme.example/zoo.json"),
        ("http://127.0.0.1:8000/zoo", "http://127.0.0.1:8000/zoo/index.json"),
        ("hf://acme/zoo", "hf://acme/zoo@main/index.json"),
        ("hf://acme/zoo@v2", "hf://acme/zoo@v2/index.json"),
        ("hf://datasets/acme/zoo@v2/a", "hf://datasets/acme/zoo@v2/a/index.json"),
        ("hf://acme/zoo/roads.json", "hf://acme/zoo@main/roads.json"),
    ],
)
def test_address_of_the_index_is_found(location: str, address: str) -> None:
    """A folder means its ``index.json``."""
    assert index_address(location) == address


@pytest.mark.parametrize("form", ["folder", "file", "uri"])
def test_source_on_a_disk_finds_files_beside_it_alone(
    publisher: Publisher, tmp_path: Path, form: str
) -> None:
    """As on a share of a team; a ``file:`` address in a row is refused even there."""
    data = json.dumps(publisher.document(publisher.row("unet_road"))).encode()
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.json").write_bytes(data)
    (site / "index.json.sig").write_bytes(publisher.signature(data))
    location = {"folder": site, "file": site / "index.json"}.get(form, site.as_uri())

    add_source(str(location))

    (found,) = find_scoped("acme/unet_road")
    assert found.row.urls == ((site / "files" / "unet_road.safetensors").as_uri(),)


def test_source_in_a_hub_is_pinned_to_its_commit(publisher: Publisher, hub: Any) -> None:
    """Index, signature and relative addresses are of one commit, though the branch moves."""
    first = json.dumps(publisher.document(publisher.row("unet_road"))).encode()
    commit = hub.add(
        "acme/zoo", {"index.json": first, "index.json.sig": publisher.signature(first)}
    )

    add_source("hf://acme/zoo")

    (found,) = find_scoped("acme/unet_road")
    assert found.row.urls == (f"hf://acme/zoo@{commit}/files/unet_road.safetensors",)
    second = json.dumps(publisher.document(publisher.row("unet_field"))).encode()
    commit = hub.add(
        "acme/zoo", {"index.json": second, "index.json.sig": publisher.signature(second)}
    )
    assert update_source("acme").is_changed
    (found,) = find_scoped("acme/unet_field")
    assert found.row.urls == (f"hf://acme/zoo@{commit}/files/unet_field.safetensors",)


def test_removed_source_leaves_nothing(added: Publisher, state: State) -> None:
    """Its rows are unknown from then on."""
    remove_source("acme")

    assert read_book() == {}
    assert list(state()) == ["sources.json"]
    with pytest.raises(UnknownNameError, match="no source named 'acme'"):
        rows_of_source("acme")


def test_updated_source_leaves_no_old_files(added: Publisher, state: State) -> None:
    """One index and one file of rows for each source."""
    for _ in range(3):
        added.publish()
        update_source("acme")

    assert len([name for name in state() if name.startswith("acme/")]) == 2


@pytest.mark.parametrize("act", ["update", "remove", "add"])
def test_read_only_state_is_one_message(
    added: Publisher, other_publisher: Publisher, tmp_path: Path, act: str
) -> None:
    """What is there can be used; what would change it says where it cannot write."""
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    added.publish(added.row("unet_field"))
    other_publisher.publish(name="beta")
    folder = tmp_path / "state" / "zoo" / "sources"
    places = [folder, folder / "acme"]
    acts = {
        "update": lambda: update_source("acme"),
        "remove": lambda: remove_source("acme"),
        "add": lambda: add_source(other_publisher.address),
    }
    for place in places:
        place.chmod(0o555)
    try:
        with pytest.raises(SourceError, match="cannot write the sources") as caught:
            acts[act]()
        assert [found.row.name for found in rows_of_source("acme")] == ["acme/unet_road"]
    finally:
        for place in places:
            place.chmod(0o755)
    assert "XDG_STATE_HOME" in str(caught.value.hint)


def test_state_that_is_a_file_is_one_message(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever the user is."""
    publisher.publish()
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "blocked"))

    with pytest.raises(SourceError, match="cannot write the sources"):
        add_source(publisher.address)
    assert read_book() == {}


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("harm", [_flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damaged_rows_are_one_message(
    added: Publisher, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    """The hint leads out."""
    (path,) = (tmp_path / "state" / "zoo" / "sources" / "acme").glob("*.rows.json")
    lookup._rows.cache_clear()
    harm(path)

    with pytest.raises(SourceError, match="cannot read the rows of the source 'acme'") as caught:
        rows_of_source("acme")

    assert "zoo source remove acme" in str(caught.value.hint)
    remove_source("acme")
    assert add_source(added.address).rows == 1
    assert len(list(rows_of_source("acme"))) == 1


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"format": 2, "sources": []}', '{"format": 1, "sources": [{}]}', "\0"],
)
def test_damaged_book_is_one_message(added: Publisher, tmp_path: Path, text: str) -> None:
    """It is named, with what to do."""
    path = tmp_path / "state" / "zoo" / "sources" / "sources.json"
    path.write_text(text)

    with pytest.raises(SourceError, match="cannot read the sources of weights") as caught:
        read_book()

    assert str(caught.value.where) == str(path)


def test_rows_that_another_version_of_zoo_wrote_are_read_from_the_index(
    added: Publisher, tmp_path: Path
) -> None:
    """After an update of zoo whose rows have other fields, nothing is to be added again."""
    folder = tmp_path / "state" / "zoo" / "sources"
    (path,) = (folder / "acme").glob("*.rows.json")
    before = list(rows_of_source("acme"))
    lookup._rows.cache_clear()
    document = json.loads(path.read_bytes())
    document["fields"]["WeightsRow"].append("more")
    data = json.dumps(document).encode()
    path.write_bytes(data)
    text = (folder / "sources.json").read_text()
    old = json.loads(text)["sources"][0]["rows_digest"]
    (folder / "sources.json").write_text(text.replace(old, hashlib.sha256(data).hexdigest()))

    assert list(rows_of_source("acme")) == before


_UPDATE = """
import sys
from zoo.weights.sources.updating import update_source
print(update_source("acme").source.sequence)
"""


def _start(code: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_update_leaves_the_old_index(added: Publisher, state: State) -> None:
    """A process that is killed while the server stalls changes nothing, and blocks nobody."""
    before = state()
    added.publish(added.row("unet_field"))
    added.server.faults[f"{added.index_path}.sig"] = [stalls(0)]
    asked = len(added.server.asked)
    process = _start(_UPDATE)
    while len(added.server.asked) < asked + 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)

    process.send_signal(signal.SIGKILL)
    process.wait()

    assert state() == before
    assert update_source("acme").source.sequence == 2


def test_killed_between_the_files_and_the_book_leaves_the_old_index(
    added: Publisher, state: State
) -> None:
    """The book is replaced last."""
    before = read_book()
    added.publish(added.row("unet_field"))
    code = "import os, zoo.weights.sources.updating as u\n"
    code += "u.change_book = lambda change: os._exit(9)\nu.update_source('acme')"

    assert _start(code).wait() == 9

    assert read_book() == before
    assert [found.row.name for found in rows_of_source("acme")] == ["acme/unet_road"]
    assert update_source("acme").source.sequence == 2
    assert len([name for name in state() if name.startswith("acme/")]) == 2


def test_updates_at_the_same_time_end_with_one_whole_index(added: Publisher, state: State) -> None:
    """All succeed, and readers meanwhile see the old or the new rows."""
    added.publish(*(added.row(f"unet_{number}") for number in range(300)))
    processes = [_start(_UPDATE) for _ in range(4)]
    seen: set[int] = set()
    while any(process.poll() is None for process in processes):
        seen.add(len(list(rows_of_source("acme"))))

    assert [process.communicate() for process in processes] == [("2\n", "")] * 4
    assert seen <= {1, 300}
    assert read_book()["acme"].rows == len(list(rows_of_source("acme"))) == 300
    assert len([name for name in state() if name.startswith("acme/")]) == 2


def test_slower_process_does_not_bring_an_older_index_back(
    added: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fetched number 2 before another process took number 3."""
    from zoo.weights.sources import updating

    second = added.publish(added.row("second"))
    real = updating.fetch_changed

    def slow(source: Any) -> Any:
        fetched = real(source)
        monkeypatch.setattr(updating, "fetch_changed", real)
        added.publish(added.row("third"))
        update_source("acme")
        return fetched

    monkeypatch.setattr(updating, "fetch_changed", slow)

    result = update_source("acme")

    assert second
    assert result.source.sequence == read_book()["acme"].sequence == 3


def test_book_without_sources_needs_no_json(tmp_path: Path) -> None:
    """Most users have none, and a listing stays fast."""
    code = "import sys; sys.modules['json'] = None; from zoo.weights.sources.book import read_book"
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}

    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print(read_book())"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "{}\n"), done.stderr
    assert book.sources_folder() is not None


def test_update_that_began_before_the_source_got_another_key_changes_nothing(
    added: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user removes the source and adds it with a new key, while an update is under way."""
    fetch = updating.fetch_changed
    added.sequence = 7
    added.publish()

    def fetch_slowly(source: Source) -> Any:
        signed = fetch(source)
        added.key, added.sequence = Ed25519PrivateKey.generate(), 0
        added.publish()
        updating.remove_source("acme")
        updating.add_source(added.address)
        return signed

    monkeypatch.setattr(updating, "fetch_changed", fetch_slowly)

    updating.update_source("acme")

    assert read_book()["acme"].key == added.fingerprint
