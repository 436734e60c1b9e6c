# SPDX-License-Identifier: Apache-2.0
"""A plugin's notice reaches every result of its models, however a config names the plugin."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from zoo.catalog import forget_catalog
from zoo.engine.prediction.notices import join_notices, notices_of_config

pytestmark = pytest.mark.mm

MANIFEST = """
[plugin]
name = "{name}"
version = "1.0"
api = 1
summary = "a plugin"
license = "MIT"
{notice}

[[loss]]
name = "{row}"
target = "zoo_{name}.parts:{row}"
"""


@pytest.fixture(autouse=True)
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Write two plugins with a notice and one without."""
    for name, row, notice in (
        ("marked", "MarkedLoss", 'notice = "Not for diagnosis."'),
        ("other", "OtherLoss", 'notice = "Not for navigation."'),
        ("plain", "PlainLoss", ""),
    ):
        package = tmp_path / "plugins" / f"zoo_{name}"
        package.mkdir(parents=True)
        text = MANIFEST.format(name=name, row=row, notice=notice)
        (package / "zoo_plugin.toml").write_text(text)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", str(tmp_path / "plugins"))
    forget_catalog()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"model": {"loss": {"type": "zoo.marked.MarkedLoss"}}}, ["Not for diagnosis."]),
        ({"pipeline": [{"type": "Resize"}, {"type": "zoo.MarkedLoss"}]}, ["Not for diagnosis."]),
        ({"a": [({"type": "zoo.marked.MarkedLoss"},)] * 2}, ["Not for diagnosis."]),
        (
            {"a": {"type": "zoo.other.OtherLoss"}, "b": {"type": "zoo.MarkedLoss"}},
            ["Not for diagnosis.", "Not for navigation."],
        ),
        ({"a": {"type": "zoo.plain.PlainLoss"}}, []),
        ({"a": {"type": "MarkedLoss"}, "b": {"type": ["zoo.marked.MarkedLoss"]}}, []),
        ({"name": "zoo.marked.MarkedLoss"}, []),
    ],
)
def test_notices_are_those_of_the_plugins_that_types_name(
    config: dict[str, Any], expected: list[str]
) -> None:
    """Anywhere in it, by the long or the short name, each once."""
    assert notices_of_config(config) == expected


def test_joined_notices_stand_once_each() -> None:
    """None of nothing."""
    assert join_notices(["a.", None, "b.", "a."]) == "a. b."
    assert join_notices([None, ""]) is None


def test_notice_stays_in_a_record_and_is_left_out_where_there_is_none() -> None:
    """So that records of old, and their digests, are as they were."""
    from zoo.engine.records.record import ModelRecord, parse_record

    values: dict[str, Any] = {
        "name": "x",
        "task": "semantic",
        "scope": "mmseg",
        "model": {"type": "EncoderDecoder"},
        "pipeline": [{"type": "PackSegInputs"}],
        "classes": ("a",),
        "palette": ((1, 2, 3),),
        "labels": "true",
        "licence": "MIT",
        "data_licence": "CC0-1.0",
        "trained_with": "c",
        "parameters": 1,
        "metrics": (),
        "provenance": {},
    }
    plain, marked = ModelRecord(**values), ModelRecord(**values, notice="Not for diagnosis.")

    assert "notice" not in plain.to_json()
    assert parse_record(plain.to_json(), "x").notice is None
    assert parse_record(marked.to_json(), "x").notice == "Not for diagnosis."
