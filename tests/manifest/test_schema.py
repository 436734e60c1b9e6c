# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema of manifests, beside the reader: jsonschema is another implementation."""

from __future__ import annotations

import importlib.util
import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import pytest

from zoo.errors import PluginError
from zoo.manifest.kinds import KINDS
from zoo.manifest.reading import read_manifest

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "zoo" / "manifest" / "zoo_plugin.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
SHIPPED = sorted([*ROOT.glob("plugins/*/zoo_*/zoo_plugin.toml"), ROOT / "configs/zoo_plugin.toml"])

Write = Callable[..., Path]


def is_valid(values: Any) -> bool:
    return bool(VALIDATOR.is_valid(values))


def is_read(path: Path) -> bool:
    try:
        read_manifest(path)
    except PluginError:
        return False
    return True


def test_schema_is_one() -> None:
    """It holds its own meta-schema, and says what every key means."""
    jsonschema.Draft7Validator.check_schema(SCHEMA)

    assert set(KINDS) < set(SCHEMA["properties"])
    for name in SCHEMA["properties"]:
        table = SCHEMA["properties"][name]
        for key, value in table.get("items", table)["properties"].items():
            assert value["description"], (name, key)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.parent.name)
def test_shipped_manifest_is_valid(path: Path) -> None:
    errors = [error.message for error in VALIDATOR.iter_errors(tomllib.loads(path.read_text()))]

    assert errors == []


PLUGIN = {"name": "cells", "version": "1", "api": 1, "summary": "x", "license": "MIT"}
NET = {"name": "Net", "target": "zoo_cells.net:Net"}
WEIGHTS: dict[str, Any] = {
    "name": "net",
    "task": "semantic",
    "config": "net",
    "urls": ["https://example.org/net.pth"],
    "format": "pth",
    "licence": "MIT",
    "data_licence": "MIT",
    "parameters": 3,
}
MEASURED = {
    **dict.fromkeys(("name", "dataset", "split", "protocol"), "x"),
    "value": 1,
    "labels": "true",
}
SHA256, PINNED = "0" * 64, f"hf://acme/net@{'a' * 40}/net.pth"
DATASET = {**NET, "task": "semantic", "classes": ["a"], "licence": "MIT"}
OPTION = {"name": "size", "type": "int", "help": "x"}
# What a manifest holds beside [plugin], and whether both take it.
VARIANTS: list[tuple[dict[str, Any], bool]] = [
    ({}, True),
    ({"plugin": {**PLUGIN, "api": 99}}, False),
    ({"requires": {}}, True),
    ({"requires": {"distributions": []}}, True),
    ({"dataset": [{**DATASET, "classes": "from data"}]}, True),
    ({"dataset": [{**DATASET, "classes": "of data"}]}, False),
    ({"dataset": [{**DATASET, "shares": "0.5,0.5,0"}]}, True),
    ({"dataset": [{**DATASET, "shares": "0.5,0.5"}]}, False),
    ({"dataset": [{**DATASET, "option": []}]}, True),
    ({"dataset": [{**DATASET, "option": [OPTION]}]}, False),
    *(
        ({"dataset": [{**DATASET, "prepare": "zoo_cells.a:b", "option": [option]}]}, holds)
        for option, holds in (
            (OPTION, True),
            ({**OPTION, "default": 3}, True),
            ({**OPTION, "default": 3.5}, False),
            ({**OPTION, "default": True}, False),
            ({**OPTION, "type": "float", "default": 3}, True),
            ({**OPTION, "type": "bool", "default": False}, True),
            ({**OPTION, "type": "bool", "default": 0}, False),
            ({**OPTION, "type": "path", "default": "a/b"}, True),
            ({**OPTION, "multiple": True, "default": [1, 2]}, True),
            ({**OPTION, "multiple": True, "default": 1}, False),
            ({**OPTION, "multiple": True, "default": ["1"]}, False),
            ({**OPTION, "choices": []}, True),
            ({**OPTION, "type": "choice"}, False),
            ({**OPTION, "name": "progress"}, False),
        )
    ),
    *(({"weights": [row]}, False) for row in (WEIGHTS, {**WEIGHTS, "sha256": SHA256})),
    *(
        ({"weights": [{**WEIGHTS, **row}]}, holds)
        for row, holds in (
            ({"sha256": SHA256, "size_bytes": 3}, False),
            ({"sha256": SHA256, "size_bytes": 3, "metrics": []}, False),
            ({"sha256": SHA256, "size_bytes": 3, "metrics": [MEASURED]}, True),
            ({"sha256": SHA256, "md5_prefix": "0" * 8, "converter": "x"}, False),
            ({"sha256": SHA256, "converter": "x"}, True),
            ({"sha256": SHA256, "converter": "x", "format": "pkl"}, True),
            ({"sha256_prefix": "0" * 8}, True),
            ({"sha256_prefix": "0" * 7}, False),
            ({"md5_prefix": "0" * 6, "format": "pkl"}, False),
            ({"urls": [PINNED]}, True),
            ({"urls": [PINNED, "https://example.org/a"]}, False),
            ({"urls": ["hf://acme/net@main/net.pth"], "md5_prefix": "0" * 6}, False),
            ({"urls": ["github://acme/net@v1/net.pth"], "md5_prefix": "0" * 6}, True),
            ({"urls": ["package:a/../b"], "md5_prefix": "0" * 6}, False),
            ({"urls": ["package:a/..b"], "md5_prefix": "0" * 6}, True),
            ({"md5_prefix": "0" * 6, "metrics": [{**MEASURED, "unit": "percent"}]}, True),
            ({"md5_prefix": "0" * 6, "metrics": [{**MEASURED, "unit": "%"}]}, False),
            ({"md5_prefix": "0" * 6, "classes": "coco"}, False),
        )
    ),
    (
        {
            "weights": [
                {key: WEIGHTS[key] for key in WEIGHTS if key not in ("config", "parameters")}
                | {"task": "backbone", "sha256": SHA256, "size_bytes": 1}
            ]
        },
        True,
    ),
    *(
        ({"model": [{**NET, "record": {"x": form}}]}, holds)
        for form, holds in (
            ({"int": [0, 3]}, True),
            ({"int": [0, 3.5]}, False),
            ({"float": [0, 3.5], "none": True}, True),
            ({"none": False}, False),
            ({}, False),
            ({"list": {"words": ["a"]}, "most": 3}, True),
            ({"list": {"words": ["a"]}}, False),
            ({"table": {"y": {"type": ["layers"]}}}, True),
            ({"table": {"y": {"type": ["hooks"]}}}, False),
            ({"words": ["a/b"]}, False),
        )
    ),
    ({"hook": [{**NET, "record": {}}]}, False),
    ({"model": [{**NET, "record_like": "mmseg.FCNHead"}]}, True),
    ({"model": [{**NET, "record_like": "os.system"}]}, False),
    ({"converter": [{**NET, "version": 1}]}, True),
    ({"converter": [{**NET, "version": 0}]}, False),
    ({"command": [{**NET, "name": "a-b", "group": "data"}]}, True),
    ({"command": [{**NET, "name": "a_b"}]}, False),
    ({"command": [{**NET, "name": "a-b", "group": "train"}]}, False),
    ({"config": [{"name": "a", "file": "./configs/unet.py"}]}, False),
    ({"config": [{"name": "a", "file": "configs/unet.py"}]}, True),
]


@pytest.mark.parametrize(("values", "holds"), VARIANTS)
def test_schema_and_reader_agree(
    mutator: ModuleType, write_manifest: Write, values: dict[str, Any], holds: bool
) -> None:
    """Each variant is taken by both or refused by both."""
    document = {"plugin": PLUGIN, **values}
    path = write_manifest(mutator.write_toml(document).decode())

    assert is_read(path) is holds
    assert is_valid(document) is holds


@pytest.fixture(scope="module")
def mutator() -> ModuleType:
    """Return the tool that breaks documents."""
    place = ROOT / "tools" / "document_mutator.py"
    spec = importlib.util.spec_from_file_location("document_mutator", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", range(4))
def test_what_the_schema_refuses_the_reader_refuses(
    mutator: ModuleType, write_manifest: Write, good: str, seed: int
) -> None:
    """300 broken manifests: editors underline no manifest that zoo takes."""
    chance = random.Random(seed)
    seeds = [tomllib.loads(good), *({"plugin": PLUGIN, **values} for values, _ in VARIANTS)]
    path = write_manifest(good)
    refused = found = 0

    for _ in range(300):
        try:
            broken = mutator.write_toml(mutator.mutate_value(chance.choice(seeds), chance))
            document = tomllib.loads(broken.decode())
        except (ValueError, RecursionError):
            continue
        path.write_bytes(broken)
        taken = is_read(path)
        valid = is_valid(document)
        assert valid or not taken, path.read_text()
        refused += not taken
        found += not valid

    assert refused > 100
    assert found > 0.95 * refused
