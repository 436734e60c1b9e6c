# SPDX-License-Identifier: Apache-2.0
"""``zoo source``, ``zoo search`` and ``zoo publish --source`` as users type them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from faulty_server import FaultyServer
from weights_rows import weights_row

from zoo.cli import main

Site = tuple[Path, str]


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "zoo.lock"))
    for name in ("ZOO_MIRRORS", "ZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def _zoo(*words: object, code: int = 0) -> Result:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, f"{done.stdout}\n{done.stderr}\n{done.exception!r}"
    return done


DATA = b"weights" * 100


@pytest.fixture
def site(tmp_path: Path, server: FaultyServer) -> Callable[..., str]:
    """Return a function that publishes rows with a key, serves them, and returns the address."""
    _zoo("source", "key", "new", "--out", tmp_path / "acme")
    folder = tmp_path / "site"

    def publish(*rows: str, signs: bool = True) -> str:
        words: list[object] = ["--key", tmp_path / "acme"] if signs else []
        files = []
        for number, row in enumerate(rows):
            file = tmp_path / f"row_{number}.toml"
            file.write_text(row)
            files.append(file)
        _zoo("publish", *files, "--source", folder, "--scope", "acme", *words)
        for path in folder.glob("index*"):
            server.files[f"/{path.name}"] = path.read_bytes()
        server.files["/one.safetensors"] = DATA
        return f"{server.address}/"

    return publish


def _fingerprint(done: Result) -> str:
    return str(json.loads(done.stdout)["key"])


def _road(**changes: object) -> str:
    return weights_row("one", DATA, **{"urls": ["one.safetensors"], **changes})


def test_source_is_published_added_found_and_used(site: Callable[..., str]) -> None:
    """The whole way of a user, with what is printed where."""
    address = site(_road())

    added = _zoo("source", "add", address)
    listed = _zoo("list")
    rows = _zoo("list", "--source", "acme")
    found = _zoo("search", "one")
    path = _zoo("download", "acme/one").stdout.strip()
    again = _zoo("list", "--source", "acme", "--json")

    assert added.stdout == "added acme: 1 row; zoo list --source acme\n"
    assert "trusting the key sha256:" in added.stderr
    assert "acme/one" not in listed.stdout
    assert "source acme: 1 row; zoo list --source acme" in listed.stderr
    assert rows.stdout == found.stdout
    assert "acme/one" in rows.stdout
    assert Path(path).read_bytes() == DATA
    assert [row["file"] for row in json.loads(again.stdout)] == ["cached"]


def test_key_that_is_given_is_not_called_trusted_on_first_use(
    site: Callable[..., str], tmp_path: Path
) -> None:
    """Nothing is to be compared then; another key is refused."""
    address = site(_road())
    _zoo("source", "key", "new", "--out", tmp_path / "other")

    refused = _zoo("source", "add", address, "--key", tmp_path / "other.pub", code=1)
    added = _zoo("source", "add", address, "--key", tmp_path / "acme.pub", "--json")

    assert "cannot trust the index: it is signed by" in refused.stderr
    assert added.stderr == ""
    assert json.loads(added.stdout)["state"] == "ok"


def test_fingerprint_is_printed_by_who_makes_and_who_adds(
    site: Callable[..., str], tmp_path: Path
) -> None:
    """So that two people can compare it."""
    address = site(_road())
    made = _zoo("source", "key", "new", "--out", tmp_path / "new").stdout.strip()

    assert made.startswith("sha256:")
    assert _fingerprint(_zoo("source", "add", address, "--json")) != made


def test_unsigned_rows_are_marked_everywhere(site: Callable[..., str]) -> None:
    """In every listing, on the card, and when they are used."""
    address = site(_road(), signs=False)

    refused = _zoo("source", "add", address, code=1)
    added = _zoo("source", "add", address, "--unsigned")
    told = [
        _zoo("source", "list").stdout,
        _zoo("list").stderr,
        _zoo("list", "--source", "acme").stdout,
        _zoo("search", "one").stdout,
        _zoo("info", "acme/one").stdout,
        json.dumps(json.loads(_zoo("info", "acme/one", "--json").stdout)),
        _zoo("source", "update").stderr,
    ]

    assert "HINT: zoo source add --unsigned" in refused.stderr
    assert "warning: the index is unsigned" in added.stderr
    assert [text for text in told if "unsigned" not in text] == []


def test_update_tells_what_changed(site: Callable[..., str]) -> None:
    """And that nothing did."""
    _zoo("source", "add", site(_road()))

    same = _zoo("source", "update")
    site(_road(), weights_row("two"))
    new = _zoo("source", "update", "acme")

    assert same.stdout == "acme: not changed, 1 row\n"
    assert new.stdout == "acme: index 1 -> 2, 1 -> 2 rows\n"


def test_update_of_all_goes_on_after_one_that_fails(
    site: Callable[..., str], server: FaultyServer
) -> None:
    """Exit 1, the reason of the one, the new index of the other."""
    address = site(_road())
    _zoo("source", "add", address, "--as", "first")
    server.files |= {f"/b{path}": data for path, data in server.files.items()}
    _zoo("source", "add", f"{server.address}/b/", "--as", "second")
    site(_road(), weights_row("two"))
    del server.files["/b/index.json"]

    done = _zoo("source", "update", code=1)
    told = _zoo("source", "update", "--json", code=1)

    assert "first: index 1 -> 2" in done.stdout
    assert "second: cannot fetch the index" in done.stderr
    assert "error: cannot update 1 of 2 sources." in done.stderr
    errors = {each["name"]: each["error"] for each in json.loads(told.stdout)}
    assert errors["first"] is None
    assert "there is none" in errors["second"]


def test_removed_source_is_forgotten(site: Callable[..., str]) -> None:
    """With near names for one that never was."""
    _zoo("source", "add", site(_road()))

    assert "did you mean acme?" in _zoo("source", "remove", "acm", code=1).stderr
    assert _zoo("source", "remove", "acme").stdout == "removed acme: 1 row\n"
    assert _zoo("source", "list", "--json").stdout == "[]\n"
    assert "no sources" in _zoo("source", "list").stderr
    assert "no such weights" in _zoo("search", "one").stderr


def test_search_filters_as_list_does(
    site: Callable[..., str], write_plugin: Callable[..., Path]
) -> None:
    """Over plugins and sources; the newest version of each."""
    write_plugin("roads", weights_row("own", licence="MIT"))
    rows = [_road(), weights_row("two", task="instance"), weights_row("three", licence="MIT")]
    _zoo("source", "add", site(*rows))

    def names(*words: str) -> list[str]:
        return [row["name"] for row in json.loads(_zoo("search", *words, "--json").stdout)]

    assert names() == ["own", "acme/one", "acme/two", "acme/three"]
    assert names("acme") == ["acme/one", "acme/two", "acme/three"]
    assert names("--licence", "MIT") == ["own", "acme/three"]
    assert names("--task", "instance") == ["acme/two"]
    assert names("acme", "three", "semantic") == ["acme/three"]
    assert names("nothing like it") == []


def test_search_goes_on_beside_a_damaged_source(site: Callable[..., str], tmp_path: Path) -> None:
    """Its rows are missing, and the reason is told."""
    _zoo("source", "add", site(weights_row("damaged_one")))
    (rows,) = (tmp_path / "state" / "zoo" / "sources" / "acme").glob("*.rows.json")
    rows.write_text("{}")
    from zoo.weights.sources import lookup

    lookup._rows.cache_clear()

    done = _zoo("search")

    assert "cannot read the rows of the source 'acme'" in done.stderr
    assert "source acme: 1 row" in _zoo("list").stderr


def test_info_shows_versions_and_the_index(site: Callable[..., str]) -> None:
    """Also withdrawn ones, which cannot be used."""
    _zoo("source", "add", site(_road(), weights_row("one", version=2, yanked="wrong labels")))

    newest = json.loads(_zoo("info", "acme/one", "--json").stdout)[0]
    first = json.loads(_zoo("info", "acme/one@1", "--json").stdout)[0]
    card = _zoo("info", "acme/one").stdout
    refused = _zoo("download", "acme/one@2", code=1)

    assert (newest["version"], newest["yanked"], newest["versions"]) == (2, "wrong labels", [1, 2])
    assert (first["version"], first["yanked"], first["state"]) == (1, None, "ok")
    assert "acme/one (source acme)" in card
    assert "yanked: wrong labels" in card
    assert "HINT: use acme/one@1 instead." in refused.stderr


def test_prune_keeps_what_a_source_names(site: Callable[..., str], tmp_path: Path) -> None:
    """Until the source is removed; a source that cannot be read stops it."""
    _zoo("source", "add", site(_road()))
    path = Path(_zoo("download", "acme/one").stdout.strip())

    _zoo("cache", "prune")
    assert path.is_file()
    assert "acme/one" in _zoo("cache", "ls").stdout
    book = tmp_path / "state" / "zoo" / "sources" / "sources.json"
    text = book.read_text()
    book.write_text("{")
    assert "cannot prune" in _zoo("cache", "prune", code=1).stderr
    book.write_text(text)
    _zoo("source", "remove", "acme")
    _zoo("cache", "prune")
    assert not path.exists()


def test_completion_offers_sources_and_their_rows(site: Callable[..., str]) -> None:
    """Once a scope is typed."""
    from zoo.cli.options.completion import complete_source, complete_weights

    _zoo("source", "add", site(_road()))
    context, parameter = main.make_context("zoo", ["list"]), main.params[0]

    offered = [
        [item.value for item in complete(context, parameter, typed)]
        for complete, typed in ((complete_source, "a"), (complete_weights, "acme/"))
    ]

    assert offered == [["acme"], ["acme/one"]]


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["--yank", "one"], "expected NAME=TEXT"),
        (["--yank", "one="], "expected NAME=TEXT"),
        (["--days", "0"], "0 is not in the range"),
        (["--key", "FOLDER"], "is a directory"),
    ],
)
def test_wrong_option_of_an_index_is_wrong_usage(
    tmp_path: Path, words: list[str], match: str
) -> None:
    """Exit 2, nothing written."""
    given = [str(tmp_path) if word == "FOLDER" else word for word in words]

    done = _zoo("publish", "--source", tmp_path / "site", "--scope", "acme", *given, code=2)

    assert match in done.stderr
    assert not (tmp_path / "site").exists()


def test_publish_without_index_still_wants_one_run(tmp_path: Path) -> None:
    """Its usage errors are those of before."""
    assert "Missing argument" in _zoo("publish", code=2).stderr
    assert "unexpected extra argument (b)" in _zoo("publish", "a", "b", code=2).stderr
    assert "Missing option '--name'" in _zoo("publish", "a", "--out", tmp_path, code=2).stderr
    assert "Missing option '--out'" in _zoo("publish", "a", "--name", "n", code=2).stderr


def test_publish_to_an_index_is_told_as_json(tmp_path: Path) -> None:
    """And warns on stderr if it is not signed."""
    (tmp_path / "row.toml").write_text(weights_row("one"))
    words = ["publish", tmp_path / "row.toml", "--source", tmp_path / "site", "--scope", "acme"]

    told = json.loads(_zoo(*words, "--json").stdout)
    warned = _zoo(*words)

    assert (told["name"], told["sequence"], told["rows"], told["key"]) == ("acme", 1, 1, None)
    assert "warning: it is not signed" in warned.stderr


def test_publish_warns_of_what_users_would_not_find(tmp_path: Path) -> None:
    """A file that is not in the folder, and a successor that the index lacks."""
    (tmp_path / "row.toml").write_text(_road())
    words = ["publish", tmp_path / "row.toml", "--source", tmp_path / "site", "--scope", "acme"]

    warned = _zoo(*words, "--deprecate", "one=two").stderr
    (tmp_path / "site" / "one.safetensors").write_bytes(DATA)
    whole = _zoo(*words, "--deprecate", "one=one").stderr
    misnamed = _zoo(*words[:-1], "Acme", code=1).stderr

    assert "warning: one lists a file beside the index that is not there: file:" in warned
    assert "warning: the successor of one is not in the index: two" in warned
    assert "lists a file" not in whole
    assert "successor" not in whole
    assert "--as" not in misnamed


@pytest.mark.slow
def test_doctor_tells_the_state_of_each_source(site: Callable[..., str], tmp_path: Path) -> None:
    """An expired index is a warning with the command that mends it; a damaged book is broken."""
    _zoo("source", "add", site(_road()))
    book = tmp_path / "state" / "zoo" / "sources" / "sources.json"

    def found() -> dict[str, dict[str, str]]:
        done = CliRunner().invoke(main, ["doctor", "--json"])
        return {row["name"]: row for row in json.loads(done.stdout)}

    assert found()["source acme"]["state"] == "ok"
    document = json.loads(book.read_text())
    document["sources"][0]["expires"] = "2021-01-01T00:00:00Z"
    book.write_text(json.dumps(document))
    assert found()["source acme"]["state"] == "warning"
    assert found()["source acme"]["fix"] == "zoo source update acme"
    book.write_text("{")
    assert found()["sources"]["state"] == "broken"


def test_name_of_a_source_that_was_not_added_says_so(site: Callable[..., str]) -> None:
    """Whatever asks for it."""
    told = [_zoo(word, "nobody/unet", code=1).stderr for word in ("download", "info")]

    assert "no source is called 'nobody': zoo source list shows all, zoo source add" in told[0]
    assert "'nobody' is neither a kind nor a source" in told[1]
