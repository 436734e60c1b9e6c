# SPDX-License-Identifier: Apache-2.0
"""``zoo info FILE``: what a file of weights says of itself, whoever made it; nothing is run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from weights_rows import METRIC, weights_row

from zoo.cli import main

RECORD: dict[str, Any] = {
    "schema": 1,
    "name": "unet_ponds",
    "task": "semantic",
    "trained_with": "unet_small",
    "licence": "MIT",
    "data_licence": "CC0-1.0",
    "labels": "derived",
    "parameters": 4,
    "classes": {"$tuple": ["ground", "pond"]},
    "metrics": {"$tuple": [dict(sorted(METRIC.items()))]},
    "model": {"type": "EncoderDecoder"},
    "provenance": {"iter": 20, "seed": 0, "data": {"name": "ponds", "splits": {"train": 3}}},
}


def published(record: Any) -> bytes:
    """Return the bytes of a .safetensors with one tensor, and a record where there is one."""
    header: dict[str, Any] = {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}
    if record is not None:
        header["__metadata__"] = {"zoo": json.dumps(record)}
    raw = json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + bytes(4)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["info", *map(str, words)])


def facts_of(path: Path) -> dict[str, Any]:
    (facts,) = json.loads(run(path, "--json").stdout)
    assert isinstance(facts, dict)
    return facts


def test_info_of_a_published_file_shows_its_record(tmp_path: Path) -> None:
    data = published(RECORD)
    path = tmp_path / "any_name.safetensors"
    path.write_bytes(data)

    facts, text = facts_of(path), run(path).stdout

    assert (facts["kind"], facts["path"]) == ("file", str(path))
    assert (facts["size_bytes"], facts["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    for key in ("name", "task", "trained_with", "licence", "data_licence", "labels", "parameters"):
        assert facts[key] == RECORD[key]
        assert f"{key}: {RECORD[key]}\n" in text
    assert facts["classes"] == ["ground", "pond"]
    assert "classes: ground, pond\n" in text
    assert facts["metrics"] == [METRIC]
    assert "  - name=dice, value=0.9, " in text
    assert facts["provenance"] == RECORD["provenance"]
    assert "provenance:\n  iter: 20\n  seed: 0\n" in text


def test_info_of_a_file_names_the_rows_that_promise_its_bytes(
    tmp_path: Path, write_plugin: Callable[..., Path]
) -> None:
    data = published(RECORD)
    write_plugin("ponds", weights_row("one", data) + weights_row("two", b"other"))
    (tmp_path / "x.safetensors").write_bytes(data)

    assert facts_of(tmp_path / "x.safetensors")["weights"] == ["ponds.one"]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("plain.safetensors", published(None)),
        ("empty.safetensors", b""),
        ("short.safetensors", published(RECORD)[:40]),
        ("list.safetensors", published([1, 2])),
        ("old.pth", b"\x80\x02}q\x00."),
        ("old.pt", b"PK\x03\x04"),
    ],
)
def test_info_of_a_file_without_a_record_says_so(tmp_path: Path, name: str, data: bytes) -> None:
    """Its size and digest are facts all the same."""
    (tmp_path / name).write_bytes(data)

    facts = facts_of(tmp_path / name)

    assert facts["record"].startswith("none: only files that")
    assert facts["size_bytes"] == len(data)
    assert "record: none" in run(tmp_path / name).stdout


def test_info_of_a_hostile_record_moves_no_cursor(tmp_path: Path) -> None:
    """Whatever its fields are: texts that forge lines, lists in place of texts, numbers."""
    hostile = {**RECORD, "name": "a\x1b[2Jb\nkind: trusted", "classes": 5, "metrics": "none"}
    hostile |= {"licence": ["x", {"y": 1}], "provenance": ["\u202e"], "parameters": {"a": [1]}}
    (tmp_path / "x.safetensors").write_bytes(published(hostile))

    done = run(tmp_path / "x.safetensors")

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
    assert "\nkind: trusted" not in done.stdout


def test_info_of_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    done = run(tmp_path / "gone.safetensors")

    assert done.exit_code == 1
    assert done.stderr.startswith("error: no file named ")
    assert "HINT: give the file's path, or the name that zoo list shows." in done.stderr
