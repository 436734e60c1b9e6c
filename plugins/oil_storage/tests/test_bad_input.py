# SPDX-License-Identifier: Apache-2.0
"""Bad sets through the installed command: one message, the source untouched, nothing left."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

WriteRaw = Callable[..., Path]
Refused = Callable[..., str]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]
Spoil = Callable[[Path], object]

PREPARE = ("data", "prepare", "oil_storage")
PLUGINS = "oil_storage"
CSV, IMAGE = "annotations.csv", "images/s3.jpg"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:count])


ROWS: dict[str, tuple[Spoil, tuple[str, ...], str, str]] = {
    # what is done to the source, further options, the guilty file or option, what is said
    "no column": (
        lambda raw: edit(raw / CSV, "bounds", "box"),
        (),
        CSV,
        "expected 'bounds' among them",
    ),
    "row in the middle": (
        lambda raw: edit(raw / CSV, 's4,oil-storage-tank,"', 's4,"'),
        (),
        CSV,
        "line 14 has 2 fields, expected 3",
    ),
    "no CSV": (
        lambda raw: (raw / CSV).unlink(),
        (),
        "raw",
        "expected 'annotations.csv' beside 'images'",
    ),
    "no images": (
        lambda raw: shutil.rmtree(raw / "images"),
        (),
        "raw/images",
        "cannot find the images",
    ),
    "no bounds at all": (
        lambda raw: (raw / CSV).write_text("image_id,class,bounds\ns1,oil-storage-tank,big\n"),
        (),
        CSV,
        "none of its 1 rows can be used (first: bounds are not four numbers)",
    ),
    "image not there": (
        lambda raw: [
            path.rename(path.with_stem(f"x{path.stem}"))
            for path in sorted((raw / "images").iterdir())
        ],
        (),
        CSV,
        "first: there is no image of this id",
    ),
    "truncated image": (
        lambda raw: cut(raw / IMAGE, 900),
        (),
        IMAGE,
        "found a truncated JPEG of 900 bytes",
    ),
    "image of zero bytes": (
        lambda raw: cut(raw / IMAGE, 0),
        ("--layout", "whole"),
        IMAGE,
        "found an empty file",
    ),
    "image twice": (
        lambda raw: shutil.copy(raw / IMAGE, raw / "images/s3.png"),
        (),
        "images/s3.png",
        "expected one.",
    ),
    "overlap": (
        lambda raw: None,
        ("--tile-size", "64", "--overlap", "20"),
        "--overlap",
        "overlap by 20 px: the largest box has 25 px",
    ),
    "shares": (lambda raw: None, ("--shares", "0.5,0.1"), "--shares", "'0.5,0.1'"),
}


@pytest.mark.parametrize(("spoil", "options", "guilty", "says"), ROWS.values(), ids=ROWS)
def test_prepare_when_source_is_bad_then_refused(
    write_raw: WriteRaw,
    check_refused: Refused,
    spoil: Spoil,
    options: tuple[str, ...],
    guilty: str,
    says: str,
) -> None:
    """The guilty file, line or option is named."""
    source = write_raw()
    spoil(source)

    args = (*PREPARE, "--source", source, "--out", "new/out", *options)
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS)

    assert says in message


@pytest.mark.parametrize("name", ["../evil.jpg", "/evil.jpg"])
def test_prepare_when_archive_is_hostile_then_refused(
    write_raw: WriteRaw, tmp_path: Path, check_refused: Refused, name: str
) -> None:
    """Nothing is unpacked anywhere."""
    source = Path(shutil.make_archive(str(tmp_path / "z"), "zip", write_raw()))
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr(name, b"x")

    args = (*PREPARE, "--source", source, "--out", "out")
    check_refused(*args, guilty=name, plugins=PLUGINS)


def test_prepare_when_windows_wrote_it_and_a_scene_is_empty_then_done_and_reported(
    write_raw: WriteRaw, run_zoo: RunZoo, tmp_path: Path
) -> None:
    """CRLF and BOM; a row of an image that is not there; tiles larger than the images."""
    source = write_raw()
    lines = (source / CSV).read_text().splitlines()
    kept = [line for line in lines if not line.startswith("s4,")] + [lines[1].replace("s0", "s77")]
    (source / CSV).write_bytes(b"\xef\xbb\xbf" + "\r\n".join(kept).encode())

    done = run_zoo(*PREPARE, "--source", source, "--out", "out", plugins=PLUGINS)

    assert done.returncode == 0, done.stderr
    assert "1: there is no image of this id (annotations.csv:29)" in done.stdout
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert report["instances"] == {"oil-storage-tank": 27}
    notes = {(line["file"], line["note"]) for line in report["notes"]}
    assert ("images/s4.jpg", "no instance in the scene") in notes
    assert ("images/s4.jpg", "smaller than 512 px: not cut") in notes
    assert len(notes) == 11
    prepared = json.loads((tmp_path / "out/dataset.json").read_text())
    assert prepared["shares"] == [0.9, 0.1, 0]
    again = run_zoo(*PREPARE, "--source", source, "--out", "out", plugins=PLUGINS)
    checked = run_zoo("data", "check", "out", plugins=PLUGINS)
    assert "unchanged" in again.stdout
    assert checked.returncode == 0
    assert checked.stdout.splitlines() == [
        "train: 24 objects in 8 of 9 images (24 polygons)",
        "val: 3 objects in 1 of 1 images (3 polygons)",
        "test: 0 objects in 0 of 0 images",
        "ok: out",
    ]
