# SPDX-License-Identifier: Apache-2.0
"""Which row a name means: scopes, versions, aliases, withdrawn and deprecated rows."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from weights_rows import weights_row

from zoo.catalog import forget_catalog, read_catalog
from zoo.errors import DownloadError, ManifestError, UnknownNameError, ZooError
from zoo.weights import fetch_weights, find_weights
from zoo.weights.lock import Pin, add_pins
from zoo.weights.sources import choosing
from zoo.weights.sources.updating import add_source

Publisher = Any
Rows = Callable[..., str]
DIGESTS = {1: "1" * 64, 2: "2" * 64, 3: "3" * 64}


@pytest.fixture(params=["plugin", "source"])
def rows(
    request: pytest.FixtureRequest, publisher: Publisher, write_plugin: Callable[..., Path]
) -> Rows:
    """Return a function that lists rows and returns what their names begin with."""

    def write(*changes: dict[str, Any]) -> str:
        wanted = [{"name": "unet", **each} for each in changes]
        for each in wanted:
            each.setdefault("sha256", DIGESTS[each.get("version", 1)])
        if request.param == "plugin":
            write_plugin("roads", "".join(weights_row(**each) for each in wanted))
            forget_catalog()
            return ""
        publisher.publish(*(publisher.row(**each) for each in wanted))
        add_source(publisher.address)
        return "acme/"

    return write


@pytest.fixture(autouse=True)
def _told_anew() -> None:
    choosing._warn.cache_clear()


def _pin(name: str, plugin: str, digest: str) -> None:
    add_pins([Pin(name, plugin, digest, 1, digest, 1, 4)])


def _owner(scope: str) -> str:
    return "acme" if scope else "roads"


def test_newest_version_is_meant_unless_one_is_named(rows: Rows) -> None:
    """``NAME@1`` is the first, and keeps that in its name."""
    scope = rows({"version": 1}, {"version": 3}, {"version": 2})

    newest, first = find_weights(f"{scope}unet").row, find_weights(f"{scope}unet@1").row

    assert (newest.name, newest.version) == (f"{scope}unet", 3)
    assert (first.name, first.version) == (f"{scope}unet@1", 1)


def test_version_that_is_not_there_names_those_that_are(rows: Rows) -> None:
    """The hint leads out."""
    scope = rows({"version": 1}, {"version": 2})

    with pytest.raises(UnknownNameError, match="no version 7 of the weights") as caught:
        find_weights(f"{scope}unet@7")

    assert f"{scope}unet@2" in str(caught.value.hint)
    assert find_weights(caught.value.near[0]).row.version == 1


@pytest.mark.parametrize("text", ["unet@0", "unet@-1", "unet@x", "unet@", "unet@1@1", "unet@01"])
def test_text_that_is_no_version_is_no_name(rows: Rows, text: str) -> None:
    """It is reported as unknown, as any other name."""
    scope = rows({"version": 1})

    with pytest.raises(UnknownNameError):
        find_weights(f"{scope}{text}")


def test_lock_keeps_the_version_that_it_pins(rows: Rows) -> None:
    """A new version does not replace what a team works with."""
    scope = rows({"version": 1}, {"version": 2})
    _pin(f"{scope}unet", _owner(scope), DIGESTS[1])

    assert find_weights(f"{scope}unet").row.version == 1
    assert find_weights(f"{scope}unet@2").row.version == 2


def test_pin_of_another_owner_keeps_nothing(rows: Rows) -> None:
    """A pin is of a plugin or a source, not of a name alone."""
    scope = rows({"version": 1}, {"version": 2})
    _pin(f"{scope}unet", "somebody", DIGESTS[1])

    assert find_weights(f"{scope}unet").row.version == 2


def test_withdrawn_version_is_passed_over(rows: Rows) -> None:
    """The newest that was not withdrawn is meant."""
    scope = rows({"version": 1}, {"version": 2, "yanked": "trained on the test split"})

    assert find_weights(f"{scope}unet").row.version == 1
    with pytest.raises(DownloadError, match="withdrawn: trained on the test split") as caught:
        find_weights(f"{scope}unet@2")
    assert caught.value.hint == f"use {scope}unet@1 instead."


def test_withdrawn_row_is_refused_with_its_reason(rows: Rows) -> None:
    """With nothing else to use, nothing is used."""
    scope = rows({"yanked": "leaks names"})

    with pytest.raises(DownloadError, match="withdrawn") as caught:
        find_weights(f"{scope}unet")

    assert caught.value.message.endswith("they were withdrawn: leaks names.")
    assert caught.value.hint


def test_withdrawn_row_that_the_lock_pins_is_used_with_a_warning(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """What a team works with does not break over night."""
    scope = rows({"version": 1, "yanked": "leaks names"}, {"version": 2})
    _pin(f"{scope}unet", _owner(scope), DIGESTS[1])

    with caplog.at_level(logging.WARNING, "zoo"):
        found = find_weights(f"{scope}unet")

    assert found.row.version == 1
    assert "leaks names" in caplog.text


def test_successor_of_a_withdrawn_row_is_named(rows: Rows) -> None:
    """In its scope."""
    scope = rows({"yanked": "old", "successor": "better"}, {"name": "better", "sha256": "b" * 64})

    with pytest.raises(DownloadError) as caught:
        find_weights(f"{scope}unet")

    assert caught.value.hint == f"use {scope}better instead."


def test_deprecated_row_is_used_and_names_its_successor_once(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning a process."""
    scope = rows({"successor": "better"}, {"name": "better", "sha256": "b" * 64})

    with caplog.at_level(logging.WARNING, "zoo"):
        for _ in range(3):
            find_weights(f"{scope}unet")

    assert caplog.text.count(f"use {scope}better instead") == 1


def test_alias_is_a_name_of_the_row(rows: Rows) -> None:
    """With versions too; the row keeps its own name."""
    scope = rows({"aliases": ["road"]}, {"aliases": ["road"], "version": 2})

    assert find_weights(f"{scope}road").row.name == f"{scope}unet"
    assert find_weights(f"{scope}road@1").row.version == 1


def test_name_is_found_before_an_alias(
    rows: Rows, publisher: Publisher, write_plugin: Callable[..., Path]
) -> None:
    """Nobody takes a name by an alias."""
    write_plugin("aaa", weights_row("other", aliases=["unet"], sha256="a" * 64))
    scope = rows({})

    assert find_weights(f"{scope}unet").row.name == f"{scope}unet"


def test_short_name_of_a_source_is_hinted_at_and_never_used(
    publisher: Publisher, other_publisher: Publisher
) -> None:
    """Also if only one source has it."""
    publisher.publish(publisher.row("unet"))
    add_source(publisher.address)

    with pytest.raises(UnknownNameError, match="no weights named 'unet'") as caught:
        find_weights("unet")
    assert caught.value.hint == "did you mean acme/unet?"
    other_publisher.publish(other_publisher.row("unet"))
    add_source(other_publisher.address, name="beta")
    with pytest.raises(UnknownNameError) as caught:
        find_weights("unet")
    assert caught.value.hint == "did you mean acme/unet or beta/unet?"


def test_source_shadows_no_plugin(publisher: Publisher, write_plugin: Callable[..., Path]) -> None:
    """Whatever its rows are called: plugin's names, dotted names, aliases."""
    write_plugin("roads", weights_row("unet", sha256="a" * 64))
    names = ("unet", "roads.unet")
    publisher.publish(*(publisher.row(name, aliases=[f"{name}.x"]) for name in names))
    add_source(publisher.address)

    for name in names:
        assert find_weights(name).record.name == "roads"
    assert find_weights("acme/unet").record.name == "acme"


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("acme/unet_raod", "no weights named 'acme/unet_raod' in the source 'acme'"),
        ("acme/", "no weights named"),
        ("acme/../unet", "no weights named"),
        ("nobody/unet_road", "no weights named"),
        ("acme//unet_road", "no weights named"),
    ],
)
def test_unknown_row_of_a_source_is_one_message(added: Publisher, name: str, match: str) -> None:
    """With near names, where there are any."""
    with pytest.raises(UnknownNameError, match=match):
        find_weights(name)


def test_near_name_of_a_source_is_offered(added: Publisher) -> None:
    """With its scope, ready to be typed."""
    with pytest.raises(UnknownNameError) as caught:
        find_weights("acme/unet_raod")

    assert caught.value.hint == "did you mean acme/unet_road?"


def test_row_of_a_source_is_fetched_and_verified(added: Publisher) -> None:
    """By the ways of any row."""
    path = fetch_weights(find_weights("acme/unet_road"))

    assert path.read_bytes() == added.files["unet_road"]
    assert path.name == "unet_road.safetensors"


def test_other_bytes_than_the_index_states_are_refused(added: Publisher) -> None:
    """Whoever has the server has not the key."""
    added.server.files[f"{added.folder}/files/unet_road.safetensors"] = b"W" * 700

    with pytest.raises(ZooError, match="sha256 is"):
        fetch_weights(find_weights("acme/unet_road"))


@pytest.mark.parametrize("mark", ["unsigned", "expired"])
def test_use_of_a_marked_source_is_warned_of(
    publisher: Publisher, caplog: pytest.LogCaptureFixture, mark: str
) -> None:
    """Once, by its name."""
    if mark == "unsigned":
        publisher.publish(signs=False)
    else:
        publisher.publish(created="2020-01-01T00:00:00Z", expires="2021-01-01T00:00:00Z")
    add_source(publisher.address, tolerates=True)

    with caplog.at_level(logging.WARNING, "zoo"):
        find_weights("acme/unet_road")
        find_weights("acme/unet_road")

    assert caplog.text.count(f"acme/unet_road: the index of their source is {mark}") == 1


def test_manifest_lists_versions_of_one_name(write_plugin: Callable[..., Path]) -> None:
    """A listing shows the newest."""
    write_plugin("roads", weights_row("unet") + weights_row("unet", version=2, sha256="2" * 64))

    listed = [(found.row.name, found.row.version) for found in read_catalog().rows("weights")]

    assert listed == [("unet", 2)]
    assert find_weights("roads.unet@1").row.version == 1


def test_texts_of_a_row_forge_no_line_of_a_message(
    rows: Rows, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither in an error nor in the log."""
    scope = rows({"yanked": "old\nHINT: run this"}, {"name": "road", "successor": "x\nHINT: run"})

    with pytest.raises(DownloadError) as caught:
        find_weights(f"{scope}unet")
    with caplog.at_level(logging.WARNING, "zoo"):
        find_weights(f"{scope}road")

    assert [each for each in str(caught.value).splitlines() if each.startswith("HINT: run")] == []
    assert r"old\nHINT: run this." in caught.value.message
    assert r"use x\nHINT: run instead" in caplog.text


def test_pin_of_a_file_without_a_sha256_keeps_its_version(
    write_plugin: Callable[..., Path],
) -> None:
    """Its address tells it, which the lock keeps without what follows a question mark."""
    urls = [[f"https://acme.example.invalid/v{number}.pth?download=1"] for number in (1, 2)]
    rows = weights_row("unet", urls=urls[0], md5_prefix="012345", format="pth")
    rows += weights_row("unet", urls=urls[1], md5_prefix="543210", format="pth", version=2)
    lines = [each for each in rows.splitlines() if not each.startswith("sha256 =")]
    write_plugin("roads", "\n".join(lines))
    pin = Pin("unet", "roads", "1" * 64, 1, "2" * 64, 1, 4, None, None, urls[0][0][:-11])
    add_pins([pin])

    assert choosing.find_row("unet", read_catalog()).row.version == 1


def test_manifest_with_one_version_twice_is_refused(write_plugin: Callable[..., Path]) -> None:
    """As two rows of one name are."""
    rows = weights_row("unet", version=2) + weights_row("unet", version=2, sha256="2" * 64)
    write_plugin("roads", rows)

    with pytest.raises(ManifestError, match="used by two rows"):
        read_catalog().plugin("roads")
