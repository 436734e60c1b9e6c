# SPDX-License-Identifier: Apache-2.0
"""CVAT for images 1.1: written and read back, and an export as CVAT writes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pycocotools import mask as tools
from zoo_label_exchange.cvat import BAD_MASK, EMPTY, ESCAPED, HOLES, NO_CROWD, Cvat
from zoo_label_exchange.shapes import NO_NUMBER

from zoo.data import Report
from zoo.errors import DataError
from zoo.interfaces import LabelledImage, LabelledObject, LabelledPolygon, Labels

Read = Callable[..., tuple[Labels, Report]]
KINDS = ("polygon", "holes", "parts", "touching", "mask", "box", "crowd")


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_written_labels_are_read_back_and_every_other_is_counted(
    data: st.DataObject,
    drawn_labels: Callable[..., st.SearchStrategy[Labels]],
    read_folder: Read,
    pixels_of: Callable[..., Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Points to two decimals, masks by their pixels; holes become masks, crowds are dropped."""
    labels, folder = data.draw(drawn_labels(KINDS)), tmp_path_factory.mktemp("cvat")
    report = Report()

    Cvat().write(labels, folder / "a.xml", report)
    found, told = read_folder(Cvat(), folder, ".xml")

    assert found.classes == labels.classes
    wanted_lines = []
    for wanted, image in zip(labels.images, found.images, strict=True):
        assert (image.name, image.size) == (wanted.name, wanted.size)
        size = wanted.size or (0, 0)
        kept = []
        for before in wanted.objects:
            is_drawn = before.rle is not None or any(part.holes for part in before.polygons)
            if before.is_crowd:
                wanted_lines.append(NO_CROWD)
            elif is_drawn and not pixels_of(before, size).any():
                wanted_lines += [HOLES, EMPTY]
            else:
                wanted_lines += [HOLES] if is_drawn and before.polygons else []
                kept.append((before, is_drawn))
        for (before, is_drawn), after in zip(kept, image.objects, strict=True):
            assert after.label == before.label
            if is_drawn:
                drawn = pixels_of(before, size)
                np.testing.assert_array_equal(pixels_of(after, size), drawn)
            elif before.box is not None:
                assert after.box == pytest.approx(before.box, abs=0.0051)
            else:
                assert after.polygons == before.polygons  # drawn with two decimals
    lines = [line.text for line in (*report.dropped, *report.repaired)]
    assert sorted(lines) == sorted(wanted_lines)
    assert (told.dropped, told.repaired) == ([], [])


EXPORT = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <job>
      <labels>
        <label><name>tank</name><color>#c06060</color><type>any</type><attributes></attributes></label>
        <label><name>pond</name><type>any</type><attributes></attributes></label>
        <label><name>night</name><type>tag</type><attributes></attributes></label>
      </labels>
    </job>
  </meta>
  <image id="0" name="north/a.png" width="30" height="20">
    <polygon label="pond" source="manual" occluded="0" points="1.50,2.00;9.00,2.00;9.00,8.00" z_order="0">
      <attribute name="depth">3</attribute>
    </polygon>
    <box label="tank" source="manual" occluded="0" xtl="1.00" ytl="2.00" xbr="5.00" ybr="4.00" z_order="0"></box>
    <box label="tank" source="manual" occluded="0" xtl="4.00" ytl="4.00" xbr="8.00" ybr="6.00" rotation="90.00"></box>
    <ellipse label="tank" source="manual" occluded="0" cx="15.00" cy="10.00" rx="4.00" ry="4.00" z_order="0"></ellipse>
    <mask label="pond" source="semi-auto" occluded="0" rle="1, 2, 2, 1" left="3" top="4" width="3" height="2" z_order="0"></mask>
    <mask label="pond" source="manual" occluded="0" rle="0, 2, 4" left="28" top="18" width="2" height="2"></mask>
    <polyline label="tank" source="manual" occluded="0" points="1.00,1.00;2.00,2.00" z_order="0"></polyline>
    <polygon label="tank" group_id="7" points="1,1;3,1;3,3"></polygon>
    <polygon label="tank" group_id="7" points="11,1;13,1;13,3"></polygon>
    <polygon label="tank" points="1,1;3,x"></polygon>
    <tag label="night" source="manual"></tag>
  </image>
  <image id="1" name="b.png" width="30" height="20">
  </image>
</annotations>
"""  # noqa: E501 - as CVAT writes it


def test_export_of_cvat_is_read(tmp_path: Path, read_folder: Read) -> None:
    """Every shape; a ring of pixels has its hole; lines and damage are counted."""
    (tmp_path / "annotations.xml").write_text(EXPORT, encoding="utf-8")

    labels, report = read_folder(Cvat(), tmp_path, ".xml")

    assert labels.classes == ("tank", "pond")
    first, second = labels.images
    assert (first.name, first.size, first.tags) == ("north/a.png", (30, 20), ("night",))
    assert (second.name, second.objects) == ("b.png", ())
    pond, box, turned, circle, mask, pair = first.objects
    assert pond.polygons[0].outline == (1.5, 2.0, 9.0, 2.0, 9.0, 8.0)
    assert box.box == (1.0, 2.0, 5.0, 4.0)
    assert turned.polygons[0].outline == pytest.approx((7, 3, 7, 7, 5, 7, 5, 3))
    points = np.reshape(circle.polygons[0].outline, (-1, 2))
    np.testing.assert_allclose(np.hypot(*(points - (15, 10)).T), 4.0)
    wanted = np.zeros((20, 30), np.uint8)
    wanted[4, 4:6] = wanted[5, 5] = 1
    np.testing.assert_array_equal(tools.decode(dict(mask.rle or {})), wanted)
    assert [part.outline[0] for part in pair.polygons] == [1.0, 11.0]
    assert [line.text for line in report.dropped] == [
        BAD_MASK,
        "a 'polyline' is no region",
        NO_NUMBER,
    ]


def test_scores_are_counted_and_parts_share_a_group(tmp_path: Path) -> None:
    parts = tuple(
        LabelledPolygon(outline=(at, 1.0, at + 2, 1.0, at + 2, 3.0)) for at in (1.0, 11.0)
    )
    one = LabelledObject(label="x", polygons=parts, score=0.5)
    images = [LabelledImage(name="a.png", size=(30, 20), objects=(one, one), tags=("night",))]
    images += [LabelledImage(name="b.png")]
    report = Report()

    Cvat().write(Labels(classes=("x",), images=images), tmp_path / "a.xml", report)

    root = ElementTree.parse(tmp_path / "a.xml").getroot()
    groups = [polygon.get("group_id") for polygon in root.iter("polygon")]
    assert groups == ["1", "1", "2", "2"]
    assert root.findtext("version") == "1.1"
    assert [tag.get("label") for tag in root.iter("tag")] == ["night"]
    assert report.counts == {"scores left out": 2}
    assert [line.file for line in report.dropped] == ["b.png"]


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(
        st.text(st.characters(exclude_characters="\\"), min_size=1, max_size=6),
        unique=True,
        min_size=2,
        max_size=2,
    ),
    name=st.text(st.characters(exclude_characters="/\\"), min_size=1, max_size=6),
)
@example(names=["a\x01", "a\ufffe"], name="\x00.png")
@example(names=["a\rb", "a\nb"], name="\t.png")
def test_characters_that_xml_lacks_are_escaped_and_counted(
    names: list[str], name: str, read_folder: Read, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The file is XML by another reader; classes stay apart; what XML holds comes back as it was.

    The rule is that of XML 1.0, 2.2: expat refuses the rest.
    """
    folder, report = tmp_path_factory.mktemp("cvat"), Report()
    box = (1.0, 1.0, 3.0, 3.0)
    objects = tuple(LabelledObject(label=label, box=box) for label in names)
    image = LabelledImage(name=name, size=(9, 9), objects=objects, tags=(names[0],))

    Cvat().write(Labels(classes=tuple(names), images=[image]), folder / "a.xml", report)
    labels, _ = read_folder(Cvat(), folder, ".xml")

    (found,) = labels.images
    assert len(labels.classes) == 2
    assert [each.label for each in found.objects] == [*labels.classes]
    assert found.tags == labels.classes[:1]
    said = [names[0], names[1], name, names[0]]
    read = [*labels.classes, found.name, found.tags[0]]
    changed = [not _is_xml(text) for text in said]
    assert [first != second for first, second in zip(said, read, strict=True)] == changed
    assert [line.text for line in report.repaired] == [ESCAPED] * sum(changed)


def _is_xml(text: str) -> bool:
    return all(
        each in "\t\n"
        or 0x20 <= ord(each) <= 0xD7FF
        or 0xE000 <= ord(each) <= 0xFFFD
        or ord(each) >= 0x10000
        for each in text
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotation><folder/></annotation>", "it has no element 'annotations'"),
        ("<annotations><meta/><track id='0' label='x'/></annotations>", "tracks of a video"),
        ("<annotations><meta/><image id='3' name='a.png'/></annotations>", "image '3' lacks"),
        ("<annotations>", "it is not XML"),
        ("<!DOCTYPE a [<!ENTITY b 'b'>]><annotations/>", "found a document type"),
    ],
)
def test_other_xml_is_refused_by_its_name(
    tmp_path: Path, read_folder: Read, text: str, said: str
) -> None:
    (tmp_path / "a.xml").write_text(text)

    with pytest.raises(DataError, match=rf"'a\.xml' as CVAT for images 1\.1: .*{said}"):
        read_folder(Cvat(), tmp_path, ".xml")
