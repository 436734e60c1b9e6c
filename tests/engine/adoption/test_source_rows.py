# SPDX-License-Identifier: Apache-2.0
"""Living rows that a source lists: adopted by the converter and config of an installed plugin."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.adoption.adopting import Way
from zoo.engine.adoption.obtaining import obtain_weights
from zoo.errors import DownloadError
from zoo.weights.lock import read_pins
from zoo.weights.sources.updating import add_source, update_source

pytestmark = pytest.mark.mm

List = Callable[..., None]


@pytest.fixture
def list_rows(foreign: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> List:
    """Return a function that lists rows in a source ``acme`` instead of in the plugin."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "site" / "index.json"
    path.parent.mkdir()
    numbers = iter(range(1, 9))

    def write(*rows: dict[str, Any]) -> None:
        number = next(numbers)
        document = {"index": 1, "name": "acme", "sequence": number, "licence": "CC0-1.0"}
        document |= {"created": "2024-01-01T00:00:00Z", "expires": "2124-01-01T00:00:00Z"}
        path.write_text(json.dumps({**document, "shelf": {"format": 1, "weights": list(rows)}}))
        if number == 1:
            add_source(str(path), tolerates=True)
        else:
            update_source("acme")

    return write


def test_row_of_a_source_is_adopted_by_an_installed_converter(
    foreign: Any, list_rows: List, source_bytes: Callable[[str], bytes]
) -> None:
    """The pin carries the scope, the file does not."""
    list_rows(foreign.row(source_bytes("pth")))

    obtained = obtain_weights("acme/tiny_other")

    pin = read_pins()["acme/tiny_other"]
    assert (pin.plugin, pin.sha256) == ("acme", obtained.row.sha256)
    assert pin.converter == f"{foreign.name}.other_unet"
    assert obtained.path.name == "tiny_other.safetensors"


def test_row_without_a_digest_is_pinned_once(
    foreign: Any, list_rows: List, source_bytes: Callable[[str], bytes]
) -> None:
    """As a plugin's row is; the hint names it with its scope."""
    list_rows(foreign.row(source_bytes("pth"), sha256=None, size_bytes=None))

    with pytest.raises(DownloadError) as caught:
        obtain_weights("acme/tiny_other")
    assert "zoo download acme/tiny_other --pin" in str(caught.value.hint)

    obtain_weights("acme/tiny_other", Way(pins=True))
    assert obtain_weights("acme/tiny_other").path.is_file()


def test_pin_keeps_the_version_that_was_adopted(
    foreign: Any, list_rows: List, source_bytes: Callable[[str], bytes]
) -> None:
    """Also when a newer one is listed, and when the adopted one is withdrawn."""
    row = foreign.row(source_bytes("pth"))
    list_rows(row)
    first = obtain_weights("acme/tiny_other").row.sha256

    list_rows({**row, "yanked": "wrong labels"}, {**row, "version": 2, "sha256": "2" * 64})

    assert obtain_weights("acme/tiny_other").row.sha256 == first


@pytest.mark.parametrize("kind", ["converter", "config"])
def test_row_that_needs_a_plugin_which_is_not_installed_is_refused(
    foreign: Any, list_rows: List, source_bytes: Callable[[str], bytes], kind: str
) -> None:
    """Before any byte is fetched."""
    list_rows(foreign.row(source_bytes("pth"), **{kind: "nobody.unet"}))
    asked = len(foreign.hub.asked)

    with pytest.raises(DownloadError, match=f"no installed plugin has the {kind}") as caught:
        obtain_weights("acme/tiny_other")

    assert "install the plugin 'nobody'" in str(caught.value.hint)

    assert len(foreign.hub.asked) == asked


def test_training_starts_from_the_row_of_a_source(
    foreign: Any, list_rows: List, source_bytes: Callable[[str], bytes]
) -> None:
    """A name with a scope is no path, where there is none of that name."""
    from zoo.engine.config.pretrained import map_pretrained

    list_rows(foreign.row(source_bytes("pth")))
    config: dict[str, Any] = {"model": {}}

    map_pretrained(config, "acme/tiny_other", obtain=lambda name: obtain_weights(name).path)

    assert config["load_from"] == str(obtain_weights("acme/tiny_other").path)
