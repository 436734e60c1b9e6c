# SPDX-License-Identifier: Apache-2.0
"""What an index may say: its envelope, its limits, its addresses; the schema says the same."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import SourceError
from zoo.weights.sources.index import read_index
from zoo.weights.sources.row_addresses import AddressRule, is_private_host
from zoo.weights.sources.updating import add_source

Publisher = Any
RULE = AddressRule("https://weights.acme.example/zoo/", allows_private=False)


def _read(document: Any, rule: AddressRule = RULE) -> Any:
    return read_index(json.dumps(document).encode(), "https://weights.acme.example", rule)


def _at(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change that sets the value at a path, or removes it if the value is ``...``."""

    def change(document: dict[str, Any]) -> None:
        node: Any = document
        *parents, last = path.split(".")
        for part in parents:
            node = node[int(part) if isinstance(node, list) else part]
        key: Any = int(last) if isinstance(node, list) else last
        if value is ...:
            del node[key]
        else:
            node[key] = value

    return change


_ROW = "shelf.weights.0"
_BROKEN = [
    ("index", 0, "index is 0"),
    ("index", ..., "lacks the key 'index'"),
    ("index", True, "index is True"),
    ("index", "1", "index is '1'"),
    ("index", 2, "it has the schema 2, expected 1"),
    ("name", "Acme", "name is 'Acme'"),
    ("name", "../acme", "name is"),
    ("name", "a" * 41, "name is"),
    ("name", ..., "lacks the key 'name'"),
    ("sequence", 0, "sequence is 0"),
    ("sequence", 1.5, "sequence is 1.5"),
    ("sequence", True, "sequence is True"),
    ("created", "yesterday", "created is 'yesterday'"),
    ("created", "2024-13-01T00:00:00Z", "created is"),
    ("expires", "2024-01-01T00:00:00", "expires is"),
    ("expires", "2023-01-01T00:00:00Z", "before it was created"),
    ("expires", ..., "lacks the key 'expires'"),
    ("homepage", "http://acme.example", "homepage is"),
    ("licence", " ", "licence is"),
    ("key", "sha256:1234", "key is"),
    ("more", 1, "unknown key 'more'"),
    ("shelf", [], "shelf is"),
    ("shelf.format", 2, "has format 2, expected 1"),
    ("shelf.weights", {}, "expected a list"),
    (_ROW, "unet", "weights holds 'unet'"),
    (f"{_ROW}.name", "../unet", "name is"),
    (f"{_ROW}.name", "a/b", "name is"),
    (f"{_ROW}.name", "unet@2", "name is"),
    (f"{_ROW}.sha256", "12", "sha256 is '12'"),
    (f"{_ROW}.sha256", ..., "states no digest"),
    (f"{_ROW}.size_bytes", ..., "lacks the key 'size_bytes'"),
    (f"{_ROW}.urls", [], "urls is"),
    (f"{_ROW}.code", "os.system", "unknown key 'code'"),
    (f"{_ROW}.version", 0, "version is 0"),
    (f"{_ROW}.format", "pickle", "format is 'pickle'"),
]


@pytest.mark.parametrize(("path", "value", "match"), _BROKEN)
def test_broken_index_is_refused_with_its_key(
    publisher: Publisher, path: str, value: Any, match: str
) -> None:
    """One change each; the message names the key, and no Python internals."""
    document = publisher.document()
    _read(document)
    _at(path, value)(document)

    with pytest.raises(SourceError, match="cannot use the index") as caught:
        _read(document)

    assert match in caught.value.message
    assert caught.value.hint
    assert "Error" not in caught.value.message


_SCHEMA_IS_SILENT = {
    # Rules between two keys, which the schema leaves to the reader.
    ("expires", "2023-01-01T00:00:00Z"),
    ("created", "2024-13-01T00:00:00Z"),
    (f"{_ROW}.sha256", ...),
    (f"{_ROW}.size_bytes", ...),
}


@pytest.mark.parametrize(("path", "value"), [case[:2] for case in _BROKEN])
def test_schema_refuses_what_the_reader_refuses(
    publisher: Publisher, path: str, value: Any
) -> None:
    """The schema that is shipped states the same rules for other tools."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("zoo.weights.sources").joinpath("index.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    document = publisher.document()
    assert validator.is_valid(document)
    _at(path, value)(document)

    is_silent = any(path == known and value is found for known, found in _SCHEMA_IS_SILENT)

    assert validator.is_valid(document) == (is_silent or value in ("2023-01-01T00:00:00Z",))


def test_schema_takes_every_key_that_the_reader_takes(publisher: Publisher) -> None:
    """A row with every key of `WeightsFacts` is taken by both."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("zoo.weights.sources").joinpath("index.schema.json").read_text())
    row = publisher.row("unet_road")
    row |= {"classes": "roads", "aliases": ["road"], "version": 2, "yanked": "x", "successor": "y"}
    row |= {"replaces": ["torchvision://x"], "source": "https://x.example", "non_commercial": True}
    row["metrics"] = [{**row["metrics"][0], "unit": "percent", "published": "https://x.example"}]
    living = {**publisher.row("living"), "converter": "tool.convert", "format": "pth"}
    del living["sha256"], living["size_bytes"], living["metrics"]
    living["urls"] = [f"hf://acme/unet@{'a' * 40}/unet.pth"]
    shelf = {"format": 1, "class_lists": {"roads": ["a", "b"]}, "weights": [row, living]}
    document = publisher.document(shelf=shelf)

    index = _read(document)

    assert jsonschema.Draft202012Validator(schema).is_valid(document)
    assert index.rows[0].classes == ("a", "b")
    assert index.rows[1].digest.kind == "revision"


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "package:weights/x.safetensors",
        "ftp://weights.example/x.safetensors",
        "javascript:alert(1)",
        "http://weights.example/x.safetensors",
        "https://user:secret@weights.example/x.safetensors",
        "https://localhost/x.safetensors",
        "https://LOCALHOST./x.safetensors",
        "https://a.localhost/x.safetensors",
        "https://127.0.0.1/x.safetensors",
        "https://127.1/x.safetensors",
        "https://2130706433/x.safetensors",
        "https://0x7f000001/x.safetensors",
        "https://0177.0.0.1/x.safetensors",
        "https://0.0.0.0/x.safetensors",
        "https://10.0.0.7:8443/x.safetensors",
        "https://172.16.3.4/x.safetensors",
        "https://192.168.1.1/x.safetensors",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/x.safetensors",
        "https://[::1]/x.safetensors",
        "https://[::]/x.safetensors",
        "https://[fe80::1]/x.safetensors",
        "https://[fd00::1]/x.safetensors",
        "https://[::ffff:127.0.0.1]/x.safetensors",
        "https://[::127.0.0.1]/x.safetensors",
        "https://[64:ff9b::7f00:1]/x.safetensors",
        "https://[2002:7f00:1::]/x.safetensors",
        "https://224.0.0.1/x.safetensors",
        "https://nas/x.safetensors",
        "https://nas.local/x.safetensors",
        "https://git.internal/x.safetensors",
        "https://router.home.arpa/x.safetensors",
        "https://１２７.0.0.1/x.safetensors",
        "https://example.org\\@127.0.0.1/x.safetensors",
        "https://example.org:80a/x.safetensors",
        "https:///x.safetensors",
        "https://",
        "//127.0.0.1/x.safetensors",
        "../x.safetensors",
        "a/../../x.safetensors",
        "a//x.safetensors",
        "/etc/passwd",
        "%2e%2e/x.safetensors",
        "a\\..\\x.safetensors",
        "x.safetensors?token=1",
        "hf://acme/unet@main/x.safetensors",
        "hf://acme/unet@" + "a" * 40 + "/../x.safetensors",
        "github://acme@v1/x.safetensors",
    ],
)
def test_address_that_no_row_may_name_is_refused(publisher: Publisher, url: str) -> None:
    """Nothing of this machine, nothing of a private network, in any spelling."""
    document = publisher.document(publisher.row("unet_road", urls=[url]))

    with pytest.raises(SourceError, match="urls holds"):
        _read(document)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://weights.example/x.safetensors", None),
        ("https://8.8.8.8/x.safetensors", None),
        ("https://[2606:4700::1]/x.safetensors", None),
        ("hf://acme/unet@" + "a" * 40 + "/x.safetensors", None),
        ("github://acme/unet@v1/x.safetensors", None),
        ("x.safetensors", "https://weights.acme.example/zoo/x.safetensors"),
        ("a/b c.safetensors", "https://weights.acme.example/zoo/a/b%20c.safetensors"),
        ("a/b%20c.safetensors", "https://weights.acme.example/zoo/a/b%20c.safetensors"),
    ],
)
def test_public_address_and_file_beside_the_index_are_taken(
    publisher: Publisher, url: str, whole: str | None
) -> None:
    """Relative ones start at the index."""
    index = _read(publisher.document(publisher.row("unet_road", urls=[url])))

    assert index.rows[0].urls == (whole or url,)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "nas", "nas.local", "[fd00::1]"])
def test_private_address_is_taken_where_the_source_is_private(
    publisher: Publisher, host: str
) -> None:
    """As in an intranet; http is enough there, and `file:` still is not."""
    rule = AddressRule("http://nas/zoo/", allows_private=True)
    url = f"http://{host}:8000/x.safetensors"

    index = _read(publisher.document(publisher.row("unet_road", urls=[url])), rule)

    assert index.rows[0].urls == (url,)
    with pytest.raises(SourceError, match="urls holds"):
        _read(publisher.document(publisher.row("unet_road", urls=["file:///x"])), rule)


@pytest.mark.parametrize(
    "host", ["example.org", "8.8.8.8", "xn--bcher-kva.example", "2606:4700::1"]
)
def test_public_host_is_no_private_one(host: str) -> None:
    """The rule refuses no host that everybody can reach."""
    assert not is_private_host(host)


def test_two_rows_of_one_name_and_version_are_refused(publisher: Publisher) -> None:
    """Which of them would be meant?"""
    row = publisher.row("unet_road")

    with pytest.raises(SourceError, match="'unet_road' twice with the version 1"):
        _read(publisher.document(row, {**row, "sha256": "0" * 64}))


@pytest.mark.parametrize("alias", ["unet_road", "street"])
def test_alias_that_means_two_rows_is_refused(publisher: Publisher, alias: str) -> None:
    """Neither the name of another row nor its alias."""
    rows = [publisher.row("unet_road", aliases=["street"])]
    rows.append(publisher.row("unet_field", aliases=[alias]))

    with pytest.raises(SourceError, match=f"the name '{alias}' means both"):
        _read(publisher.document(*rows))


def _deep(document: dict[str, Any]) -> bytes:
    nested: Any = 1
    for _ in range(40):
        nested = [nested]
    return json.dumps({**document, "homepage": nested}).encode()


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda document: b" " * (2**25 + 1) + json.dumps(document).encode(), "expected at most"),
        (_deep, "nested too deeply"),
        (lambda _: b'{"index": 1, "index": 1}', "twice in the same table"),
        (lambda _: b'{"index": ' + b"9" * 5000 + b"}", "integer beyond"),
        (lambda _: b"<html></html>", "it is not JSON"),
        (lambda _: b"", "it is not JSON"),
        (lambda _: b"[]", "expected an object"),
        (lambda _: b"null", "expected an object"),
        (lambda _: b'"\x00"', "NUL"),
    ],
)
def test_hostile_document_is_refused_within_the_limits(
    publisher: Publisher, make: Callable[[Any], bytes], match: str
) -> None:
    """A signed index may still be hostile or broken: it is read within limits."""
    publisher.put(make(publisher.document()))

    with pytest.raises(SourceError, match=match):
        add_source(publisher.address)


def test_too_many_rows_are_refused(publisher: Publisher) -> None:
    """The count is checked before the rows are."""
    document = publisher.document()
    document["shelf"]["weights"] = [{}] * 50_001

    with pytest.raises(SourceError, match="50,001 rows, expected at most 50,000"):
        _read(document)


def test_config_of_a_row_is_never_a_path_that_is_opened(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source cannot make zoo run a file that happens to lie somewhere."""
    from zoo.catalog import Catalog
    from zoo.errors import DownloadError
    from zoo.weights import find_weights

    trap = tmp_path / "trap.py"
    trap.write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    row = publisher.row("unet_road", config=str(trap), format="pth")
    row["urls"] = ["files/unet_road.pth"]
    publisher.publish(row, publisher.row("b", config="trap.py", format="pth"))
    add_source(publisher.address)

    for name in ("acme/unet_road", "acme/b"):
        with pytest.raises(DownloadError, match="no installed plugin has the config"):
            find_weights(name, Catalog(()))


def test_read_index_is_a_copy_of_nothing(publisher: Publisher) -> None:
    """Reading changes neither the document nor what a second reading finds."""
    document = publisher.document()
    before = copy.deepcopy(document)

    assert _read(document) == _read(document)
    assert document == before


_ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**70, 1.5, "", " ", "x", "\x1b[2J", "\u202e", "a" * 3000, [], {}),
    *([[]], {"x": {}}, "../x", "file:///x", "sha256", "99999-01-01T00:00:00Z"),
)


def _mutated(value: Any, chance: random.Random) -> Any:
    """Return a value with something in it replaced, removed, added or repeated."""
    if isinstance(value, dict) and value and chance.random() < 0.85:
        key = chance.choice(list(value))
        if chance.random() < 0.1:
            return {name: each for name, each in value.items() if name != key}
        if chance.random() < 0.1:
            return {**value, chance.choice(("x", key.upper(), f"{key} ")): chance.choice(_ODD)}
        return {**value, key: _mutated(value[key], chance)}
    if isinstance(value, list) and value and chance.random() < 0.85:
        place = chance.randrange(len(value))
        if chance.random() < 0.2:
            return [*value, value[place]]
        return [_mutated(each, chance) if at == place else each for at, each in enumerate(value)]
    return chance.choice(_ODD)


@pytest.mark.parametrize("seed", range(8))
def test_mutated_index_is_read_or_refused_with_one_message(publisher: Publisher, seed: int) -> None:
    """Never another error, never a message that controls a terminal or fills it."""
    chance = random.Random(seed)
    rows = [publisher.row("a", aliases=["b"], version=2, classes=["x", "y"]), publisher.row("c")]
    good = publisher.document(*rows)

    messages: list[str] = []
    for _ in range(250):
        try:
            _read(_mutated(good, chance))
        except SourceError as error:
            messages.append(str(error))

    assert 100 < len(messages) < 250
    assert max(map(len, messages)) < 20_000
    assert [text for text in messages if not text.replace("\n", "").isprintable()] == []


@pytest.mark.parametrize("key", ["licence", "data_licence"])
def test_half_a_character_is_refused_and_a_whole_one_taken(publisher: Publisher, key: str) -> None:
    """JSON can spell half of a pair, which no file of the sources could keep."""
    row = publisher.row("unet_road", **({key: "x"} if key == "data_licence" else {}))
    document = publisher.document(row, **({key: "x"} if key == "licence" else {}))
    pair = "\\ud83d\\ude00"
    text = json.dumps(document).replace('"x"', f'"{pair}"')

    assert read_index(text.encode(), "x", RULE).rows
    with pytest.raises(SourceError, match="half a character"):
        read_index(
            text.replace(pair, pair[:6]).encode(), "x", AddressRule("https://x.example/", False)
        )


def test_row_without_a_digest_beside_an_index_on_a_branch_is_refused(publisher: Publisher) -> None:
    """A branch moves; of a hub that states its commit, the address has it."""
    row = publisher.row("unet_road")
    del row["sha256"]
    document = publisher.document(row)

    assert _read(document, AddressRule(f"hf://acme/zoo@{'0' * 40}/", allows_private=False)).rows
    with pytest.raises(SourceError, match="states no digest"):
        _read(document, AddressRule("hf://acme/zoo@main/", allows_private=False))
