# SPDX-License-Identifier: Apache-2.0
"""``zoo list`` of a shelf: filters by class, licence, size and unit, and legacy rows that live."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from zoo.catalog import forget_catalog
from zoo.cli import main

OLD = "https://old.example.invalid/net_2020-5daf6d3b.pth"
OTHER = "https://old.example.invalid/yolo_2021-d3bd2b23.pth"


def _metric(value: float, unit: str, **more: str) -> dict[str, Any]:
    common = {"name": "mIoU", "dataset": "ADE20K", "split": "val", "labels": "true"}
    return {**common, "value": value, "unit": unit, "protocol": "single scale", **more}


def _row(name: str, **changes: Any) -> dict[str, Any]:
    row = {
        "name": name,
        "task": "semantic",
        "config": name,
        "urls": [f"https://weights.example.invalid/{name}.pth"],
        "sha256_prefix": "01234567",
        "format": "pth",
        "licence": "MIT",
        "data_licence": "unknown",
        "parameters": 3_000_000,
        "metrics": [_metric(41.0, "percent", published="a paper")],
        **changes,
    }
    return {key: value for key, value in row.items() if value is not None}


ROWS = [
    _row("percent", classes="street", size_bytes=200_000_000),
    _row("fraction", metrics=[_metric(0.5, "fraction")], parameters=40_000_000, classes=["car"]),
    _row("research", licence="LicenseRef-Research", non_commercial=True, metrics=[]),
    _row("free", non_commercial=False, metrics=[_metric(9.5, "percent")], replaces=[OLD]),
    _row("body", task="backbone", config=None, metrics=[], replaces=["torchvision://resnet50"]),
]
LEGACY_COLUMNS = (
    *("name", "task", "tasks", "config", "architecture", "datasets", "metrics", "memory_gb"),
    *("url", "sha256_prefix", "note"),
)


def _legacy(name: str, url: str, prefix: str) -> list[Any]:
    measured = [["mIoU", 45.0, "ADE20K"], ["RMSE", 0.3, "NYU"]]
    return [name, "semantic", ["semantic"], None, [], ["ADE20K"], measured, None, url, prefix, None]


@pytest.fixture
def plugin(write_plugin: Callable[..., Path]) -> Path:
    return write_plugin("shelves", __init__="raise RuntimeError('a listing imported this')")


@pytest.fixture
def put(plugin: Path) -> Callable[[list[dict[str, Any]]], None]:
    def put(rows: list[dict[str, Any]]) -> None:
        shelf = {"format": 1, "class_lists": {"street": ["road", "car"]}, "weights": rows}
        (plugin / "shelf.json").write_text(json.dumps(shelf))
        index = {
            "format": 1,
            "licence": "Apache-2.0",
            "data_licence": "not stated",
            "units": {"mIoU": "percent"},
            "columns": LEGACY_COLUMNS,
            "rows": [_legacy("old", OLD, "5daf6d3b"), _legacy("yolo", OTHER, "d3bd2b23")],
        }
        (plugin / "index.json").write_text(json.dumps(index))
        manifest = plugin / "zoo_plugin.toml"
        tables = '[[shelf]]\nfile = "shelf.json"\n[[legacy_index]]\nfile = "index.json"\n'
        manifest.write_text(f"{manifest.read_text()}\n{tables}")
        forget_catalog()

    return put


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["list", "--plugin", "shelves", *words], catch_exceptions=False)


def names_of(*words: str) -> list[str]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return [row["name"] for row in json.loads(result.stdout)]


MODELS = ["percent", "fraction", "research", "free"]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--has", "car"], ["percent", "fraction"]),
        (["--has", "car", "--has", "road"], ["percent"]),
        (["--licence", "research"], ["research"]),
        (["--commercial", "--task", "semantic"], ["percent", "fraction", "free"]),
        (["--max-size", "250MB"], ["percent"]),
        (["--max-size", "0.2GB"], ["percent"]),
        (["--max-size", "199M"], []),
        (["--max-parameters", "3M", "--task", "semantic"], ["percent", "research", "free"]),
        (["--here"], []),
        (["--metric", "mIoU"], ["fraction", "percent", "free"]),
        (["--metric", "mIoU>=41"], ["fraction", "percent"]),
        (["--metric", "mIoU>=41%"], ["fraction", "percent"]),
        (["--metric", "mIoU>=0.41"], ["fraction", "percent"]),
        (["--metric", "mIoU<=0.41"], ["percent", "free"]),
        (["--metric", "mIoU>=0.5"], ["fraction"]),
        (["--metric", "mIoU<=9.5%"], ["free"]),
        (["--sort", "mIoU", "--task", "semantic"], ["fraction", "percent", "free", "research"]),
        (["--sort", "size", "--task", "semantic"], MODELS),
        (["--sort", "name", "--task", "semantic"], sorted(MODELS)),
        (["--task", "backbone"], ["body"]),
        (["torchvision://resnet50"], ["body"]),
        (["--legacy", "--metric", "mIoU>=44%"], ["fraction", "old", "yolo"]),
        (["--legacy", "--metric", "RMSE<=0.3"], ["old", "yolo"]),
        (["--legacy", "--metric", "RMSE<=30%"], []),
    ],
)
def test_list_filters_and_sorts_on_one_scale(
    put: Callable[[list[dict[str, Any]]], None], words: list[str], expected: list[str]
) -> None:
    """Percent and fractions are compared as shares, and never with plain numbers."""
    put(ROWS)

    assert names_of(*words) == expected


def test_list_hides_backbones_and_says_so(put: Callable[[list[dict[str, Any]]], None]) -> None:
    put(ROWS)

    result = run()

    assert "body" not in result.stdout
    assert "(1 backbones: zoo list --task backbone)" in result.stderr
    assert "mIoU 41% (ADE20K, val, published)" in result.stdout


@pytest.mark.parametrize("words", [["--max-size", "big"], ["--max-parameters", "-3"]])
def test_list_when_an_amount_cannot_be_read_is_wrong_usage(
    put: Callable[[list[dict[str, Any]]], None], words: list[str]
) -> None:
    put(ROWS)

    result = CliRunner().invoke(main, ["list", *words])

    assert result.exit_code == 2
    assert "200MB" in result.output


@pytest.mark.parametrize(
    ("digest", "converter", "state"),
    [
        ({"sha256": "5daf6d3b" + "0" * 56, "size_bytes": 1}, None, "living"),
        ({"sha256_prefix": "5daf6d3b"}, None, "living"),
        ({"sha256_prefix": "d3bd2b23"}, None, "legacy"),
        ({"sha256": "0" * 64, "size_bytes": 1}, None, "legacy"),
        ({"sha256": "0" * 64, "size_bytes": 1}, "permute", "living"),
    ],
)
def test_legacy_row_lives_if_the_digits_of_its_name_say_so(
    put: Callable[[list[dict[str, Any]]], None],
    digest: dict[str, Any],
    converter: str | None,
    state: str,
) -> None:
    """The right name with other bytes is a false friend; a converted file has other bytes."""
    row = _row("copy", sha256_prefix=None, converter=converter, replaces=[OLD])
    put([{**{key: value for key, value in row.items() if value is not None}, **digest}])

    rows = {row["name"]: row for row in json.loads(run("--legacy", "--json").stdout)}

    assert rows["old"]["state"] == state
    assert rows["old"]["successor"] == ("shelves.copy" if state == "living" else None)
    assert rows["yolo"]["state"] == "legacy"
