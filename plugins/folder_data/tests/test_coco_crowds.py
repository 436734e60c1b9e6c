# SPDX-License-Identifier: Apache-2.0
"""What has ``iscrowd`` 1 is a region of objects, unless one says that it is an instance."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("cv2")

from zoo_folder_data.prepare_coco import prepare  # noqa: E402 (after the skip)

from zoo.data import Shares, check_prepared, read_prepared  # noqa: E402
from zoo.data.layout.prepared import digest_of_content  # noqa: E402
from zoo.errors import DataError  # noqa: E402

ALL = Shares(1, 0, 0)
MakeCoco = Callable[..., Path]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]
PREPARE = ("data", "prepare", "folder_data", "--task", "instance", "--shares", "1,0,0")


def mark(raw: Path, is_crowd: Callable[[dict[str, Any]], Any]) -> Path:
    content = json.loads((raw / "annotations.json").read_text())
    for row in content["annotations"]:
        row["iscrowd"] = is_crowd(row)
    (raw / "annotations.json").write_text(json.dumps(content))
    return raw


def rows_of(out: Path) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((out / "annotations/train.json").read_text())
    return list(content["annotations"])


def test_prepare_when_every_object_is_a_crowd_then_the_switch_is_named_and_leads_out(
    make_coco: MakeCoco, run_zoo: RunZoo, tmp_path: Path
) -> None:
    """As CVAT's brush writes all masks: no training would learn from one of them."""
    raw = mark(make_coco(), lambda row: 1)
    args = (*PREPARE, "--source", raw, "--out", "out")

    refused = run_zoo(*args, plugins="folder_data")
    option = next(word for word in refused.stderr.split("HINT: ")[1].split(" treats")).split()
    done = run_zoo(*args, *option, plugins="folder_data")

    assert refused.returncode == 1
    assert "each of its 40 objects has iscrowd 1" in refused.stderr
    assert option == ["--crowds", "instances"]
    assert done.returncode == 0, done.stderr
    assert "40 instances" in done.stdout
    assert "repaired 40: iscrowd 1 taken as one instance" in done.stdout
    assert {row["iscrowd"] for row in rows_of(tmp_path / "out")} == {0}


def test_prepare_when_some_are_crowds_then_counted_apart(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """In the counts, by class, and of scenes that have nothing else."""
    raw = mark(make_coco(), lambda row: int(row["category_id"] == 20 or row["image_id"] == 3))

    report = prepare(raw, tmp_path / "out", shares=ALL)

    found = json.loads((tmp_path / "out/report.json").read_text())
    assert found["instances"] == {"house": 19, "tree": 0}
    assert (found["counts"]["instances"], found["counts"]["crowds"]) == (19, 21)
    assert "21 crowds" in report.summary()
    notes = {(line.file, line.text) for line in report.notes}
    assert notes == {
        ("", "class 'tree' occurs only as crowds"),
        ("images/g1_0.png", "no instance in the scene, only crowds"),
    }
    assert sum(row.instances for row in read_prepared(tmp_path / "out").files) == 19
    assert check_prepared(tmp_path / "out") == []


def test_check_when_an_earlier_version_counted_crowds_too_then_it_holds(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """Folders that were prepared before stay good; a count of neither kind does not."""
    out = tmp_path / "out"
    prepare(mark(make_coco(), lambda row: int(row["category_id"] == 20)), out, shares=ALL)
    facts = json.loads((out / "dataset.json").read_text())
    assert {row["instances"] for row in facts["files"]} == {1}

    found = []
    for count in (2, 3):
        for row in facts["files"]:
            row["instances"] = count
        facts["digest"] = digest_of_content(facts)
        (out / "dataset.json").write_text(json.dumps(facts))
        found.append(check_prepared(out))

    assert found[0] == []
    assert "annotations/train.json: g0_0.png has 1 instances in it, expected 3" in found[1]


def test_prepare_when_tiles_show_crowds_alone_then_without_an_instance(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """A tile of a crowd teaches no object."""
    raw = mark(make_coco(), lambda row: int(row["image_id"] > 1))
    options: dict[str, Any] = {"layout": "tiles", "tile_size": 40, "overlap": 20}

    report = prepare(raw, tmp_path / "out", shares=ALL, **options)

    rows = rows_of(tmp_path / "out")
    shown = {row["image_id"] for row in rows if not row["iscrowd"]}
    assert report.counts["tiles without an instance"] == report.counts["tiles"] - len(shown)


def test_prepare_when_crowds_are_instances_then_they_get_chips_and_a_note_in_options(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """All that holds for instances holds for them; the folder says how it was made."""
    raw = mark(make_coco(), lambda row: 1)

    report = prepare(raw, tmp_path / "out", shares=ALL, layout="chips", crowds="instances")

    assert report.counts["chips"] == 40
    assert read_prepared(tmp_path / "out").options["crowds"] == "instances"


def test_prepare_when_crowds_are_something_else_then_refused(
    make_coco: MakeCoco, tmp_path: Path
) -> None:
    """The message for a caller in Python lists the valid words."""
    with pytest.raises(DataError, match="'yes': expected one of regions, instances") as caught:
        prepare(make_coco(), tmp_path / "out", shares=ALL, crowds="yes")

    assert caught.value.where == "--crowds"
