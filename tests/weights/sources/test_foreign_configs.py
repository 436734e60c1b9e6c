# SPDX-License-Identifier: Apache-2.0
"""The config of a source's row is a name of an installed plugin's config, and never a path."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config_files.files import find_config_file
from zoo.engine.prediction.model_files import find_model_files
from zoo.errors import UnknownNameError
from zoo.weights.sources.updating import add_source

pytestmark = pytest.mark.mm

Publisher = Any


def _record_of(row: dict[str, Any]) -> dict[str, Any]:
    keys = ("name", "task", "licence", "data_licence", "parameters")
    metrics = [{**each, "images": 7} for each in row["metrics"]]
    more = {"trained_with": row["config"], "classes": {"$tuple": ["ground", "road"]}}
    return {**{key: row[key] for key in keys}, "metrics": metrics, **more}


def _publish(publisher: Publisher, config: str) -> None:
    """Publish a file whose record names the config, and a row that agrees with it."""
    record = _record_of(publisher.row("unet_road", config=config))
    header = json.dumps({"__metadata__": {"zoo": json.dumps(record)}}).encode()
    publisher.files["unet_road"] = struct.pack("<Q", len(header)) + header
    publisher.publish(publisher.row("unet_road", config=config))
    add_source(publisher.address)


def _config_to_measure() -> str:
    """Return what `zoo test acme/unet_road` and `zoo.measure` read as its config."""
    files = find_model_files("acme/unet_road")
    assert files.config is None
    assert files.trained_with is not None
    return files.trained_with


@pytest.mark.parametrize("form", ["{}", "./{}", "{folder}/{}", "mmseg::{folder}/{}", "zoo::{}"])
def test_config_of_a_source_row_is_no_file_of_this_machine(
    publisher: Publisher,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    """Such as one that came with a data set: `zoo test SOURCE/NAME` would run it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs.py").write_text("model = dict(type='A')\n")
    _publish(publisher, form.format("theirs.py", folder=tmp_path))

    with pytest.raises(UnknownNameError, match=r"no config named|no plugin"):
        find_config_file(_config_to_measure())


def test_config_of_a_source_row_is_that_of_an_installed_plugin(
    publisher: Publisher, write_plugin: Callable[..., Path]
) -> None:
    package = write_plugin("mine", '[[config]]\nname = "unet_small"\nfile = "unet.py"\n')
    (package / "unet.py").write_text("model = dict(type='A')\n")
    _publish(publisher, "unet_small")

    assert find_config_file(_config_to_measure()) == package / "unet.py"
