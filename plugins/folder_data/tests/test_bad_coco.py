# SPDX-License-Identifier: Apache-2.0
"""Bad COCO folders through the installed command: one message, nothing left.

Each row spoils one thing of twenty good images. What breaks the format of the JSON itself has
its rows with ``zoo.data``.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

MakeCoco = Callable[..., Path]
Refused = Callable[..., str]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]

PREPARE = ("data", "prepare", "folder_data", "--task", "instance")
PLUGINS = "folder_data"
JSON, IMAGE = "annotations.json", "images/g3_1.png"


def edit(raw: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    content = json.loads((raw / JSON).read_text())
    change(content["annotations"])
    (raw / JSON).write_text(json.dumps(content))


def edit_images(raw: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    content = json.loads((raw / JSON).read_text())
    change(content["images"])
    (raw / JSON).write_text(json.dumps(content))


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:count])


Spoil = Callable[[Path], object]
ROWS: dict[str, tuple[Spoil, tuple[str, ...], str, str]] = {
    # what is done to the source, further options, the guilty file or option, what is said
    "id twice": (
        lambda raw: edit(raw, lambda rows: rows[4].update(id=2)),
        (),
        JSON,
        "annotation 2: found this id twice",
    ),
    "unknown category": (
        lambda raw: edit(raw, lambda rows: rows[4].update(category_id=9)),
        (),
        JSON,
        "annotation 5: category_id is 9, expected one of 3, 20",
    ),
    "two points": (
        lambda raw: edit(raw, lambda rows: rows[4].update(segmentation=[[1, 1, 3, 3]])),
        (),
        JSON,
        "annotation 5: found a polygon of 2 points",
    ),
    "no JSON": (
        lambda raw: (raw / JSON).unlink(),
        (),
        "raw",
        "found no .json, expected one COCO JSON",
    ),
    "two JSONs": (
        lambda raw: shutil.copy(raw / JSON, raw / "b.json"),
        (),
        "raw",
        "found 'annotations.json', 'b.json'",
    ),
    "cut JSON": (
        lambda raw: cut(raw / JSON, 300),
        (),
        JSON,
        "cannot read 'annotations.json' as JSON",
    ),
    "image missing": (
        lambda raw: (raw / IMAGE).unlink(),
        (),
        JSON,
        "cannot find 1 of 20 images: 'g3_1.png'",
    ),
    "image is a URL": (
        lambda raw: edit_images(raw, lambda rows: rows[7].update(file_name="http://x/g3_1.png")),
        (),
        JSON,
        "the file_name of 1 of 20 images: found 'http://x/g3_1.png', expected the path of a file.",
    ),
    "image truncated": (
        lambda raw: cut(raw / IMAGE, 90),
        (),
        IMAGE,
        "found a truncated PNG of 90 bytes",
    ),
    "image of another size": (
        lambda raw: shutil.copy(raw / "small.png", raw / IMAGE),
        (),
        IMAGE,
        "the image has 8x9 px, expected 64x48",
    ),
    "overlap": (
        lambda raw: None,
        ("--layout", "tiles", "--tile-size", "40", "--overlap", "8"),
        "--overlap",
        "the largest box has 20 px",
    ),
    "shares for pixels": (
        lambda raw: edit(
            raw, lambda rows: [r.update(bbox=[0.1, 0.1, 0.4, 0.3], segmentation=[]) for r in rows]
        ),
        (),
        f"{JSON}:annotation 1",
        "any of 40 objects: the first is left out because its box covers less than a pixel",
    ),
    "no categories": (
        lambda raw: (raw / JSON).write_text(
            '{"images": [{"id": 1, "file_name": "g3_1.png", "width": 64, "height": 48}], '
            '"annotations": [], "categories": []}'
        ),
        (),
        JSON,
        "its list 'categories' is empty",
    ),
    "group-by": (lambda raw: None, ("--group-by", "("), "--group-by", "cannot group by '('"),
}


@pytest.mark.parametrize(("spoil", "options", "guilty", "says"), ROWS.values(), ids=ROWS)
def test_prepare_when_coco_is_bad_then_refused(
    make_coco: MakeCoco,
    check_refused: Refused,
    spoil: Spoil,
    options: tuple[str, ...],
    guilty: str,
    says: str,
) -> None:
    """The guilty file or option is named, annotations by their ids."""
    import cv2
    import numpy as np

    source = make_coco()
    assert cv2.imwrite(str(source / "small.png"), np.zeros((9, 8), np.uint8))
    spoil(source)

    args = (*PREPARE, "--source", source, "--out", "new/out", *options)
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS)

    assert says in message


def test_prepare_when_task_is_not_said_then_hint_says_it(
    make_coco: MakeCoco, check_refused: Refused
) -> None:
    """Without ``--task`` the plugin looks for masks, as it always did."""
    args = ("data", "prepare", "folder_data", "--source", make_coco(), "--out", "out")
    message = check_refused(*args, guilty="raw", plugins=PLUGINS)

    assert "cannot find the masks" in message
    assert "A COCO JSON is read with --task instance." in message


def test_prepare_when_coco_is_good_then_prepared_checked_and_shown(
    make_coco: MakeCoco, run_zoo: RunZoo, tmp_path: Path
) -> None:
    """A box without area is dropped, a scene without instances noted, and all of it said."""
    source = make_coco()
    edit(source, lambda rows: rows[0].update(bbox=[3, 3, 0, 5], segmentation=[]))
    edit(source, lambda rows: rows.__delitem__(slice(2, 4)))

    done = run_zoo(*PREPARE, "--source", source, "--out", "out", plugins=PLUGINS)
    checked = run_zoo("data", "check", "out", plugins=PLUGINS)
    shown = run_zoo("data", "show", "out", "--out", "sheet", plugins=PLUGINS)

    assert done.returncode == 0, done.stderr
    assert "dropped 1: box has no area (annotations.json:annotation 1)" in done.stdout
    assert "noted 1: no instance in the scene (images/g0_1.png)" in done.stdout
    assert checked.returncode == 0
    assert checked.stdout.splitlines() == [
        "train: 27 objects in 14 of 15 images (27 polygons)",
        "val: 8 objects in 4 of 4 images (8 polygons)",
        "test: 2 objects in 1 of 1 images (2 polygons)",
        "ok: out",
    ]
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "sheet/contact_sheet.png").stat().st_size > 10_000
