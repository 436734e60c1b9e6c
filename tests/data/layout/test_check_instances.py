# SPDX-License-Identifier: Apache-2.0
"""A prepared folder of instances is held to its word, and shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")
pytest.importorskip("pycocotools")

from zoo.data import (  # noqa: E402 (after the skip)
    Report,
    Scene,
    check_prepared,
    read_prepared,
    show_prepared,
)
from zoo.data.layout.check import find_changes  # noqa: E402
from zoo.errors import DataError  # noqa: E402

Make = Callable[..., list[Scene]]
Run = Callable[..., Report]

SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "pixels": (
        lambda out: cv2.imwrite(str(out / "images/scene00.png"), np.zeros((70, 90), np.uint8)),
        "images/scene00.png: its pixels are not those",
    ),
    "size": (
        lambda out: cv2.imwrite(str(out / "images/scene00.png"), np.zeros((9, 9), np.uint8)),
        "found 9x9 px, expected 90x70",
    ),
    "gone": (lambda out: (out / "images/scene00.png").unlink(), "images/scene00.png: No such file"),
    "added": (
        lambda out: (out / "images/x.png").touch(),
        "images/x.png: found a file that dataset.json does not list",
    ),
    "no JSON": (
        lambda out: (out / "annotations/val.json").unlink(),
        "annotations/val.json: No such file",
    ),
    "cut JSON": (
        lambda out: (out / "annotations/val.json").write_text("{"),
        "annotations/val.json: cannot read 'val.json'",
    ),
    "edited JSON": (lambda out: edit(out), "annotations/train.json: it is not what was prepared"),
}


def edit(out: Path) -> None:
    path = out / "annotations/train.json"
    content = json.loads(path.read_text())
    content["annotations"].pop()
    content["images"][0]["width"] = 91
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(("spoil", "says"), SPOILT.values(), ids=SPOILT)
def test_check_prepared_when_spoilt_then_named(
    make_scenes: Make,
    prepare_discs: Run,
    tmp_path: Path,
    spoil: Callable[[Path], object],
    says: str,
) -> None:
    out = tmp_path / "out"
    prepare_discs(tmp_path / "raw", out, make_scenes(), "whole")
    spoil(out)

    problems = check_prepared(out)

    assert any(says in problem for problem in problems), problems
    # What is not listed harms no run; of the rest, each is newer than the folder.
    is_listed = "does not list" not in says
    newer = find_changes(out, ("train", "val", "test"))
    assert any(says in problem for problem in newer) == is_listed, newer
    if says.endswith("not what was prepared"):
        assert sum("instances in it" in problem or "91x70" in problem for problem in problems) == 2


@pytest.mark.parametrize(
    ("forge", "told"),
    [
        (lambda c: c["files"][0].update(suffix=".exe"), "suffix is '.exe', expected one of .png"),
        (lambda c: c["files"][0].update(scene="a/b"), "scene is 'a/b', expected a file's name"),
        (lambda c: c["files"][0].update(left_px=-1), "left_px is -1, expected a whole number of 0"),
        (lambda c: c["files"][0].update(instances=0.5), "instances is 0.5, expected a whole"),
        (lambda c: c["annotations"].pop("val"), "annotations lacks the key 'val'"),
        (lambda c: c["annotations"].update(val="x"), "annotations val is 'x', expected 64 hex"),
        (lambda c: c["annotations"].update(all="x"), "annotations has the unknown key 'all'"),
    ],
)
def test_read_prepared_when_a_key_of_instances_is_forged_then_refused(
    make_scenes: Make,
    prepare_discs: Run,
    tmp_path: Path,
    forge: Callable[[dict[str, Any]], object],
    told: str,
) -> None:
    """What instance data alone has is checked as well."""
    out = tmp_path / "out"
    prepare_discs(tmp_path / "raw", out, make_scenes(), "whole")
    content = json.loads((out / "dataset.json").read_text())
    forge(content)
    (out / "dataset.json").write_text(json.dumps(content))

    with pytest.raises(DataError) as caught:
        read_prepared(out)

    assert told in caught.value.message


def test_show_prepared_when_the_json_has_other_classes_then_refused(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """Colours go by the class's place, which must be that of ``dataset.json``."""
    out = tmp_path / "out"
    prepare_discs(tmp_path / "raw", out, make_scenes(), "whole")
    for path in (out / "annotations").iterdir():
        content = json.loads(path.read_text())
        content["categories"].append({"id": 99, "name": "another"})
        path.write_text(json.dumps(content))

    with pytest.raises(DataError, match="its categories are not those of"):
        show_prepared(out, tmp_path / "sheet")


def test_show_prepared_when_instances_then_their_outlines_are_drawn(
    make_scenes: Make, prepare_discs: Run, tmp_path: Path
) -> None:
    """In the class's colour, from polygons and from run lengths; not one sheet without any."""
    out = tmp_path / "out"
    prepare_discs(tmp_path / "raw", out, make_scenes(count=12), "tiles", 40, 16)

    path = show_prepared(out, tmp_path / "sheet", count=4)

    sheet = cv2.imread(str(path))[..., ::-1].astype(int)
    near = np.abs(sheet - [255, 196, 0]).sum(axis=2) < 60
    assert near[:400].sum() > 400
