# SPDX-License-Identifier: Apache-2.0
"""Plugins in an index: read within limits, written by the publisher, found after an update."""

from __future__ import annotations

import json
import random
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import SourceError
from zoo.weights.sources.index import read_index
from zoo.weights.sources.plugin_listings import PluginListing, plugins_of_sources
from zoo.weights.sources.publishing import IndexChange, write_index
from zoo.weights.sources.row_addresses import AddressRule
from zoo.weights.sources.updating import add_source, update_source

Publisher = Any
RULE = AddressRule("https://weights.acme.example/zoo/", allows_private=False)
PLUGIN = {
    "name": "ponds",
    "distribution": "mmzoo-ponds",
    "version": "1.2.3",
    "summary": "Ponds in aerial tiles",
    "kinds": ["loss", "dataset"],
    "homepage": "https://ponds.example/x",
}


def read(document: Any) -> Any:
    return read_index(json.dumps(document).encode(), "https://weights.acme.example", RULE)


def validator() -> Any:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(files("zoo.weights.sources").joinpath("index.schema.json").read_text())
    return jsonschema.Draft202012Validator(schema)


def test_index_with_plugins_is_read_and_one_without_has_none(publisher: Publisher) -> None:
    """Kinds that this zoo does not know are kept: a newer one may."""
    plain = {**PLUGIN, "name": "x", "kinds": ["hologram"], "homepage": None}
    bare = {key: value for key, value in PLUGIN.items() if key != "homepage"} | {"name": "y"}

    found = read(publisher.document(plugins=[PLUGIN, plain, bare])).plugins

    assert found == (
        PluginListing(
            "ponds",
            "mmzoo-ponds",
            "1.2.3",
            "Ponds in aerial tiles",
            ("dataset", "loss"),
            "https://ponds.example/x",
        ),
        PluginListing("x", "mmzoo-ponds", "1.2.3", PLUGIN["summary"], ("hologram",)),
        PluginListing("y", "mmzoo-ponds", "1.2.3", PLUGIN["summary"], ("dataset", "loss")),
    )
    assert validator().is_valid(publisher.document(plugins=[PLUGIN, plain, bare]))
    assert read(publisher.document()).plugins == ()


BROKEN = [
    ({}, "plugins is {}"),
    (None, "plugins is None"),
    ([1], "plugins row 0 is 1, expected an object"),
    *[
        ([{key: value for key, value in PLUGIN.items() if key != lacking}], f"'{lacking}'")
        for lacking in ("name", "distribution", "version", "summary", "kinds")
    ],
    ([{**PLUGIN, "name": "Ponds"}], "name is 'Ponds'"),
    ([{**PLUGIN, "name": "../x"}], "name is '../x'"),
    ([{**PLUGIN, "distribution": "a b"}], "distribution is 'a b'"),
    ([{**PLUGIN, "distribution": "--index-url=x"}], "distribution is"),
    ([{**PLUGIN, "distribution": "x; rm -rf"}], "distribution is"),
    ([{**PLUGIN, "version": "latest"}], "version is 'latest'"),
    ([{**PLUGIN, "version": 1.2}], "version is 1.2"),
    ([{**PLUGIN, "summary": ""}], "summary is ''"),
    ([{**PLUGIN, "summary": "x" * 201}], "at most 200 characters"),
    ([{**PLUGIN, "kinds": "loss"}], "kinds is 'loss'"),
    ([{**PLUGIN, "kinds": ["a"] * 41}], "kinds is"),
    ([{**PLUGIN, "kinds": [1]}], "kinds is [1]"),
    ([{**PLUGIN, "kinds": ["Loss"]}], "kinds is"),
    ([{**PLUGIN, "homepage": "http://x.example"}], "homepage is"),
    ([{**PLUGIN, "url": "https://x"}], "unknown key 'url'"),
]


@pytest.mark.parametrize(("plugins", "part"), BROKEN)
def test_broken_listing_is_refused_by_the_reader_and_by_the_schema(
    publisher: Publisher, plugins: Any, part: str
) -> None:
    document = publisher.document(plugins=plugins)

    with pytest.raises(SourceError, match="cannot use the index") as caught:
        read(document)

    assert part in caught.value.message
    assert not validator().is_valid(document)


def test_plugin_listed_twice_and_too_many_are_refused(publisher: Publisher) -> None:
    many = [{**PLUGIN, "name": f"p{number}"} for number in range(5001)]

    for plugins, part in (([PLUGIN, PLUGIN], "'ponds' twice"), (many, "lists 5,001 plugins")):
        with pytest.raises(SourceError) as caught:
            read(publisher.document(plugins=plugins))
        assert part in caught.value.message
    assert len(read(publisher.document(plugins=many[1:])).plugins) == 5000


def test_mutated_listing_is_read_or_refused_with_one_message(publisher: Publisher) -> None:
    """Five hundred changes of values: the reader takes what the schema takes, and nothing else."""
    values = [None, True, -1, 10**40, "", "x" * 300, "\u202e", [], {}, ["a"], 1.5, "1.0", "a_b"]
    check = validator()
    refused: list[str | None] = []
    for seed in range(500):
        draw = random.Random(seed)
        row = dict(PLUGIN)
        for key in draw.sample(sorted(row), draw.randint(1, 2)):
            row[key] = draw.choice(values)
        document = publisher.document(plugins=[row])

        try:
            read(document)
        except SourceError as error:
            refused.append(error.hint)
            is_taken = False
        else:
            is_taken = True
        assert check.is_valid(document) is is_taken, row
    assert all(refused)
    assert 0 < len(refused) < 500


def test_plugins_of_added_sources_are_found_and_an_update_brings_more(
    publisher: Publisher, other_publisher: Publisher
) -> None:
    publisher.publish(plugins=[PLUGIN])
    add_source(publisher.address)
    other_publisher.publish(name="other")
    add_source(other_publisher.address)

    first, problems = plugins_of_sources()
    publisher.publish(plugins=[PLUGIN, {**PLUGIN, "name": "lakes"}])
    update_source("acme")
    second, _ = plugins_of_sources()

    assert problems == []
    assert [(source.name, each.name) for source, each in first] == [("acme", "ponds")]
    assert [each.name for _, each in second] == ["ponds", "lakes"]


def test_altered_index_is_a_problem_and_hides_no_other(
    tmp_path: Path, publisher: Publisher, other_publisher: Publisher
) -> None:
    """What was verified when it was fetched is verified again when it is read."""
    publisher.publish(plugins=[PLUGIN])
    add_source(publisher.address)
    other_publisher.publish(name="other", plugins=[{**PLUGIN, "name": "lakes"}])
    add_source(other_publisher.address)
    (kept,) = (tmp_path / "state").rglob("acme/*.index.json")
    kept.write_bytes(kept.read_bytes().replace(b"mmzoo-ponds", b"mmzoo-p0nds"))

    found, problems = plugins_of_sources()

    assert [each.name for _, each in found] == ["lakes"]
    assert len(problems) == 1
    assert "cannot read the index of the source 'acme': it was altered." in problems[0]
    assert "HINT: zoo source remove acme" in problems[0]


def test_write_index_lists_plugins_sorted_and_replaces_by_name(tmp_path: Path) -> None:
    """Without any, the index has no such key, so that older readers take it."""
    plain = write_index(tmp_path, IndexChange(name="acme"), None)
    assert "plugins" not in json.loads((tmp_path / "index.json").read_text())

    write_index(tmp_path, IndexChange(plugins=[PLUGIN, {**PLUGIN, "name": "lakes"}]), None)
    newer = {**PLUGIN, "version": "2.0"}
    last = write_index(tmp_path, IndexChange(plugins=[newer]), None)

    assert plain.plugins == ()
    assert [(each.name, each.version) for each in last.plugins] == [
        ("lakes", "1.2.3"),
        ("ponds", "2.0"),
    ]
    with pytest.raises(SourceError, match="summary is"):
        write_index(tmp_path, IndexChange(plugins=[{**PLUGIN, "summary": "x" * 999}]), None)
    assert json.loads((tmp_path / "index.json").read_text())["sequence"] == 3
