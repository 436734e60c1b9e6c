# SPDX-License-Identifier: Apache-2.0
"""Rows of weights: used as they are, or living and adopted first; in TOML and on shelves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ManifestError
from zoo.manifest.rows import Digest, LivingRow, WeightsRow
from zoo.manifest.shelf import read_shelf
from zoo.manifest.table import Table
from zoo.manifest.weights_reading import read_weights

SHA, COMMIT = "ab" * 32, "0123456789abcdef" * 2 + "01234567"
METRIC = {
    "name": "mIoU",
    "value": 41.0,
    "dataset": "ADE20K",
    "split": "val",
    "labels": "true",
    "protocol": "as published",
    "unit": "percent",
    "published": "the paper, table 1",
}
ROW: dict[str, Any] = {
    "name": "net",
    "task": "semantic",
    "config": "net",
    "urls": ["https://host/net.pth"],
    "format": "pth",
    "licence": "MIT",
    "data_licence": "unknown",
    "parameters": 5,
    "metrics": [METRIC],
}


def read(**changes: Any) -> WeightsRow | LivingRow:
    values = {key: value for key, value in {**ROW, **changes}.items() if value is not None}
    return read_weights(Table(values, label="[[weights]] 'net'", path=Path("x"), plugin="p"))


def test_row_with_a_full_digest_and_no_converter_is_used_as_it_is() -> None:
    row = read(sha256=SHA, size_bytes=7)

    assert isinstance(row, WeightsRow)
    assert (row.sha256, row.size_bytes, row.metrics[0].unit) == (SHA, 7, "percent")


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({"sha256": SHA, "converter": "net"}, Digest("sha256", SHA)),
        ({"sha256_prefix": "ab" * 4}, Digest("sha256_prefix", "ab" * 4)),
        ({"md5_prefix": "f10217"}, Digest("md5_prefix", "f10217")),
        ({"urls": [f"hf://org/repo@{COMMIT}/a/b.bin"]}, Digest("revision")),
        ({"urls": [f"hf://spaces/org/repo@{COMMIT}/b.pth"]}, Digest("revision")),
    ],
)
def test_row_that_must_be_adopted_is_living(changes: dict[str, Any], digest: Digest) -> None:
    """A converter, or a digest that does not identify the file, makes a row living."""
    row = read(**changes)

    assert isinstance(row, LivingRow)
    assert row.digest == digest
    assert row.size_bytes is None
    assert digest.is_full == (digest.kind == "sha256")


def test_backbone_needs_no_config_and_no_metrics() -> None:
    row = read(sha256_prefix="0" * 8, task="backbone", config=None, metrics=None)

    assert (row.task, row.config, row.metrics) == ("backbone", "", ())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, "states no digest"),
        ({"sha256": SHA}, "size_bytes"),
        ({"sha256": SHA, "md5_prefix": "f10217"}, "one digest"),
        ({"sha256": SHA.upper(), "size_bytes": 7}, "lower case"),
        ({"sha256_prefix": "abcd"}, "8 or more"),
        ({"md5_prefix": "abcd"}, "6 or more"),
        ({"urls": ["hf://org/repo@main/b.bin"]}, "40 hex digits"),
        ({"urls": ["hf://org/b.bin"], "md5_prefix": "f10217"}, "hf://ORG/REPO"),
        ({"urls": ["http://host/net.pth"], "md5_prefix": "f10217"}, "https"),
        ({"urls": ["github://org@v1/a"], "md5_prefix": "f10217"}, "github://OWNER"),
        ({"sha256": SHA, "size_bytes": 7, "format": "pkl"}, "no converter"),
        ({"sha256": SHA, "size_bytes": 7, "task": "segmentation"}, "one of semantic, instance"),
        ({"sha256": SHA, "size_bytes": 7, "metrics": None}, "no metrics"),
        ({"sha256_prefix": "0" * 8, "converter": "a.b.c"}, "plugin.name"),
        ({"sha256_prefix": "0" * 8, "classes": "coco"}, "class_lists"),
        ({"sha256_prefix": "0" * 8, "metrics": [{**METRIC, "unit": "points"}]}, "percent"),
        ({"sha256_prefix": "0" * 8, "version": 0}, "above 0"),
        ({"sha256_prefix": "0" * 8, "non_commercial": "no"}, "true or false"),
    ],
)
def test_row_that_breaks_a_rule_is_refused(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read(**changes)

    assert named in str(caught.value)


def test_shelf_when_a_row_names_a_class_list_gets_its_classes(tmp_path: Path) -> None:
    """Many rows share long lists of classes."""
    path = tmp_path / "shelf.json"
    row = {**ROW, "sha256_prefix": "0" * 8, "classes": "two"}
    lists = {"two": ["road", "sky"]}
    path.write_text(json.dumps({"format": 1, "class_lists": lists, "weights": [row]}))

    (read_row,) = read_shelf(path, "p")

    assert read_row.classes == ("road", "sky")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[]", "format"),
        ("{", "JSON"),
        ('{"format": 2}', "expected 1"),
        ('{"format": 1, "wieghts": []}', "wieghts"),
        ('{"format": 1, "weights": [1]}', "tables"),
    ],
)
def test_shelf_that_breaks_a_rule_is_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "shelf.json"
    path.write_text(text)

    with pytest.raises(ManifestError) as caught:
        read_shelf(path, "p")

    assert named in str(caught.value)
