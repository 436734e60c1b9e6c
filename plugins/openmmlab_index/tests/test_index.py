# SPDX-License-Identifier: Apache-2.0
"""The index holds what the wheels hold, and says where they are wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent.parent
INDEX = FOLDER / "zoo_openmmlab_index" / "openmmlab.json"


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    document = json.loads(INDEX.read_text("utf-8"))
    return [dict(zip(document["columns"], row, strict=True)) for row in document["rows"]]


def _entries(package: str) -> list[dict[str, Any]]:
    """Return upstream's entries that have weights, read here in another way than the tool's."""
    import yaml

    root = Path(find_spec(package).submodule_search_locations[0]) / ".mim"  # type: ignore[union-attr, index]
    metafiles = yaml.safe_load((root / "model-index.yml").read_text("utf-8"))["Import"]
    documents = [yaml.safe_load((root / name).read_text("utf-8")) for name in metafiles]
    models = [m for d in documents for m in (d if isinstance(d, list) else d.get("Models", []))]
    return [model for model in models if model.get("Weights")]


@pytest.mark.mm
def test_index_has_every_published_file_of_both_wheels(rows: list[dict[str, Any]]) -> None:
    """1,206 entries: one appears twice, and three trackers have eight files in all."""
    if (version("mmdet"), version("mmsegmentation")) != ("3.3.0", "1.2.2"):
        pytest.skip("the index is that of mmdet 3.3.0 and mmsegmentation 1.2.2")
    entries = _entries("mmdet") + _entries("mmseg")
    urls: list[str] = []
    for entry in entries:
        urls += [entry["Weights"]] if isinstance(entry["Weights"], str) else entry["Weights"]

    assert len(entries) == 1206
    assert {row["url"] for row in rows} == set(urls)
    assert len(rows) == len(urls) - 1 == 1210


@pytest.mark.mm
def test_index_is_what_the_tool_writes_today() -> None:
    """Equal wheels, equal bytes: the file was not edited by hand."""
    if (version("mmdet"), version("mmsegmentation")) != ("3.3.0", "1.2.2"):
        pytest.skip("the index is that of mmdet 3.3.0 and mmsegmentation 1.2.2")

    done = subprocess.run(
        [sys.executable, str(FOLDER / "generate.py"), "--check"], capture_output=True, text=True
    )

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.mm
def test_config_of_every_row_is_in_its_wheel(rows: list[dict[str, Any]]) -> None:
    """Those that upstream's index misspells too."""
    roots = {
        name: Path(find_spec(name).submodule_search_locations[0]) / ".mim" / "configs"  # type: ignore[union-attr, index]
        for name in ("mmdet", "mmseg")
    }

    lost = []
    for row in rows:
        package, _, inside = row["config"].partition("::")
        if not (roots[package] / inside).is_file():
            lost.append(row["config"])

    assert lost == []


def test_metrics_of_a_known_row_are_upstreams(rows: list[dict[str, Any]]) -> None:
    """One row of each package, copied by eye from the metafiles."""
    by_name = {row["name"]: row for row in rows}

    unet = by_name["unet-s5-d16_fcn_4xb4-160k_cityscapes-512x1024"]
    mask_rcnn = by_name["mask-rcnn_r50_fpn_1x_coco"]

    assert unet["metrics"] == [["mIoU", 69.1, "Cityscapes"], ["mIoU(ms+flip)", 71.05, "Cityscapes"]]
    assert (unet["memory_gb"], unet["sha256_prefix"]) == (17.91, "6860854e")
    assert unet["architecture"] == ["UNet", "UNet-S5-D16", "FCN"]
    assert mask_rcnn["metrics"] == [["box AP", 38.2, "COCO"], ["mask AP", 34.7, "COCO"]]
    assert (mask_rcnn["task"], mask_rcnn["tasks"]) == ("instance", ["instance", "detection"])
    assert mask_rcnn["sha256_prefix"] == "d4b0c5d6"


def test_row_that_upstream_left_wrong_has_a_note(rows: list[dict[str, Any]]) -> None:
    """Two files without digits, one corrupt address, 12 headings in place of a data set."""
    bare = [row["name"] for row in rows if row["sha256_prefix"] is None]
    corrupt = [row for row in rows if "oz1z1penmmlab" in row["url"]]
    headings = [row for row in rows if "HRNet backbone" in (row["note"] or "")]

    assert bare == ["ddq-detr-4scale_swinl_8xb2-30e_coco", "ddq-detr-5scale_r50_8xb2-12e_coco"]
    assert all("without digits" in row["note"] for row in rows if row["name"] in bare)
    assert [row["sha256_prefix"] for row in corrupt] == ["dba412fa"]
    assert "no such host" in corrupt[0]["note"]
    assert {tuple(row["datasets"]) for row in headings} == {("Cityscapes",)}


def test_name_that_upstream_gives_twice_carries_the_digits(rows: list[dict[str, Any]]) -> None:
    """Every name means one file."""
    names = [row["name"] for row in rows]

    assert len(set(names)) == len(names)
    twice = [row for row in rows if "two files" in (row["note"] or "")]
    assert len(twice) == 18
    assert all(row["name"].endswith(f"-{row['sha256_prefix']}") for row in twice)


@pytest.mark.slow
def test_commands_find_what_the_index_lists(
    tmp_path: Path, run_zoo: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    """All rows, one row by name, and the message for a user who requests its file."""
    listed = run_zoo("list", "--legacy", "--json", plugins="openmmlab_index")
    named = run_zoo("info", "mask-rcnn_r50_fpn_1x_coco", "--json", plugins="openmmlab_index")
    wanted = run_zoo("download", "mask-rcnn_r50_fpn_1x_coco", plugins="openmmlab_index")

    whole = [row for row in json.loads(listed.stdout) if row["task"] != "backbone"]
    assert len(whole) == 1210
    assert json.loads(named.stdout)[0]["sha256_prefix"] == "d4b0c5d6"
    assert wanted.returncode == 1
    assert "mask_rcnn_r50_fpn_1x_coco_20200205-d4b0c5d6.pth" in wanted.stderr
    assert "HINT: run zoo rescue FOLDER" in wanted.stderr
