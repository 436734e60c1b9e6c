# SPDX-License-Identifier: Apache-2.0
"""What `zoo.read_sources` returns: all versions, listed plugins, and a source's own error."""

from __future__ import annotations

from typing import Any

import zoo
from zoo.weights.sources.book import read_book, rows_path, sources_folder
from zoo.weights.sources.updating import add_source

Publisher = Any


def test_sources_are_read_with_every_version_and_their_plugins(publisher: Publisher) -> None:
    """Rows have their scope; the key is the one that signed the index."""
    listed = {"name": "x", "distribution": "mmzoo-x", "version": "1.0"}
    rows = [publisher.row("road"), publisher.row("road", version=2, sha256="1" * 64)]
    publisher.publish(*rows, plugins=[{**listed, "summary": "x", "kinds": ["loss"]}])
    add_source(publisher.address)

    (found,) = zoo.read_sources()

    assert [(row.name, row.version) for row in found.rows] == [("acme/road", 1), ("acme/road", 2)]
    assert [each.name for each in found.plugins] == ["x"]
    assert (found.name, found.key, found.error) == ("acme", publisher.fingerprint, None)
    assert found.address == f"{publisher.address}index.json"


def test_source_that_cannot_be_read_has_its_error_and_no_rows(added: Publisher) -> None:
    """The others are not affected, and nothing is fetched."""
    source = read_book()["acme"]
    folder = sources_folder()
    assert folder is not None
    rows_path(source, folder).write_bytes(b"{}")

    (found,) = zoo.read_sources()

    assert found.rows == ()
    assert found.error is not None
    assert "acme" in str(found.error)


def test_sources_when_none_was_added_are_empty() -> None:
    """A zoo without sources."""
    assert zoo.read_sources() == ()
