# SPDX-License-Identifier: Apache-2.0
"""The guide: its commands run, its example reads, its labelling interface has the tags written."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from zoo_label_exchange.label_studio import LabelStudio

from zoo.data import Report
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

GUIDE = Path(__file__).resolve().parents[3] / "docs" / "guide" / "exchange.md"
pytestmark = pytest.mark.skipif(not GUIDE.is_file(), reason="the guide is not here")


def _blocks(sort: str) -> list[str]:
    return re.findall(rf"^```{sort}\n(.*?)^```", GUIDE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_commands_on_the_sample_run(run_zoo: Callable[..., Any], tmp_path: Path) -> None:
    """What one types to prepare a labelled folder, as instances and as label maps."""
    lines = [line for block in _blocks("") for line in block.splitlines()]
    lines = [line for line in lines if line.startswith("zoo data ")]

    for line in lines:
        done = run_zoo(*shlex.split(line)[1:], plugins="folder_data,label_exchange")
        assert done.returncode == 0, done.stderr

    assert len(lines) == 4
    assert (tmp_path / "data" / "annotations").is_dir()
    assert any((tmp_path / "maps" / "masks").iterdir())


@pytest.fixture
def lines() -> Any:
    """Return the example's format."""
    (code,) = _blocks("python")
    names: dict[str, Any] = {}
    exec(compile(code, str(GUIDE), "exec"), names)
    return names["Lines"]()


def test_example_of_a_reader_reads(
    lines: Any, tmp_path: Path, read_folder: Callable[..., tuple[Labels, Report]]
) -> None:
    """One line of three is no object, and is counted."""
    (tmp_path / "a.txt").write_text("a.png,tank,1,2,3,4\na.png,tank\nb.png,pond,5,6,7,8\n")

    labels, report = read_folder(lines, tmp_path, ".txt")

    assert labels.classes == ("pond", "tank")
    assert [image.objects[0].box for image in labels.images] == [(1, 2, 3, 4), (5, 6, 7, 8)]
    assert [line.file for line in report.dropped] == ["a.txt:2"]


def test_example_of_a_writer_writes_what_the_reader_reads(
    lines: Any, tmp_path: Path, read_folder: Callable[..., tuple[Labels, Report]]
) -> None:
    """Boxes come back, also of names with commas; masks, tags and empty images are counted."""
    triangle = LabelledPolygon(outline=(1.0, 2.0, 5.0, 2.0, 5.0, 9.0))
    objects = (
        LabelledObject(label="tank", box=(0.5, 1.0, 3.0, 4.0)),
        LabelledObject(label="tank, old", polygons=(triangle,)),
    )
    images = [
        LabelledImage(name="a,1.png", objects=objects, tags=("night",)),
        LabelledImage(name="b.png"),
    ]
    report = Report()

    lines.write(Labels(classes=("tank", "tank, old"), images=images), tmp_path / "a.txt", report)

    labels, read = read_folder(lines, tmp_path, ".txt")
    (found,) = labels.images
    assert (found.name, labels.classes) == ("a,1.png", ("tank", "tank, old"))
    assert [each.box for each in found.objects] == [(0.5, 1, 3, 4), (1, 2, 5, 9)]
    assert report.counts == {"masks written as boxes": 1}
    assert [line.file for line in report.dropped] == ["a,1.png", "b.png"]
    assert read.dropped == []


def test_labelling_interface_has_the_tags_that_are_written(tmp_path: Path) -> None:
    square = (0.0, 0.0, 4.0, 0.0, 4.0, 4.0, 0.0, 4.0)
    ring = LabelledPolygon(outline=square, holes=((1.0, 1.0, 2.0, 1.0, 2.0, 2.0),))
    objects = (
        LabelledObject(label="x", polygons=(LabelledPolygon(outline=square),)),
        LabelledObject(label="x", polygons=(ring,)),
        LabelledObject(label="x", box=(0.0, 0.0, 2.0, 2.0)),
    )
    images = [LabelledImage(name="a.png", size=(8, 8), objects=objects)]
    (interface,) = _blocks("xml")

    LabelStudio().write(Labels(classes=("x",), images=images), tmp_path / "a.json", Report())

    text = (tmp_path / "a.json").read_text("utf-8")
    written = set(re.findall(r'"from_name":"(\w+)"', text))
    assert written == set(re.findall(r'Labels name="(\w+)"', interface))
    assert set(re.findall(r'"to_name":"(\w+)"', text)) == {"image"}
