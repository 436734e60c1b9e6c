# SPDX-License-Identifier: Apache-2.0
"""Bad folders through the installed command: one message, the source untouched, nothing left.

Each row spoils one thing of twenty good pairs. What the common way refuses (archives, full disks,
a run that is killed) has its rows with the lung X-rays.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Make = Callable[..., Path]
Refused = Callable[..., str]
RunZoo = Callable[..., subprocess.CompletedProcess[str]]

PREPARE = ("data", "prepare", "folder_data")
PLUGINS = "folder_data"
IMAGE, MASK = "images/s3_1.jpg", "masks/s3_1.png"


def write(path: Path, picture: Any) -> None:
    assert cv2.imwrite(str(path), picture)


def cut(path: Path, count: int) -> None:
    """Keep the first bytes of a file."""
    path.write_bytes(path.read_bytes()[:count])


def leave_a_readme(folder: Path) -> None:
    """Leave a folder without images."""
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "readme.txt").touch()


def link_to_itself(path: Path) -> None:
    """Make a file that is unreadable even for root."""
    path.unlink()
    path.symlink_to(path.name)


def link_to_nothing(path: Path) -> None:
    """Make a broken link, like a large file that was not fetched."""
    path.unlink()
    path.symlink_to("../.git/annex/objects/x")


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new, 1))


Spoil = Callable[[Path], object]
ROWS: dict[str, tuple[Spoil, str, str]] = {
    # what is done to the source, the guilty file or key, what is said
    "no masks folder": (lambda raw: shutil.rmtree(raw / "masks"), "raw", "cannot find the masks"),
    "no masks in it": (lambda raw: leave_a_readme(raw / "masks"), "raw", "no masks at all"),
    "value not listed": (
        lambda raw: write(raw / MASK, np.full((10, 14), 8, np.uint8)),
        MASK,
        "found values that no class lists: 8 (140 px); expected 0, 1, 3, 255, 900",
    ),
    "colours for values": (
        lambda raw: write(raw / MASK, np.eye(10, 14, dtype=np.uint8)[..., None] * [1, 2, 3]),
        MASK,
        "found colours, expected one value per pixel",
    ),
    "sizes differ": (
        lambda raw: write(raw / MASK, np.zeros((10, 13), np.uint8)),
        MASK,
        "the mask has 13x10 px, expected the image's 14x10",
    ),
    "truncated mask": (lambda raw: cut(raw / MASK, 60), MASK, "truncated PNG"),
    "image of zero bytes": (lambda raw: cut(raw / IMAGE, 0), IMAGE, "found an empty file"),
    "unreadable image": (lambda raw: link_to_itself(raw / IMAGE), IMAGE, "cannot read"),
    "pair not fetched": (
        lambda raw: [link_to_nothing(raw / name) for name in (IMAGE, MASK)],
        IMAGE,
        "cannot read 's3_1.jpg': No such file or directory",
    ),
    "image twice": (
        lambda raw: shutil.copy(raw / IMAGE, raw / "images/s3_1.png"),
        "images/s3_1.png",
        "expected one.",
    ),
    "no classes": (lambda raw: (raw / "classes.toml").unlink(), "classes.toml", "cannot find"),
    "key of classes": (
        lambda raw: edit(raw / "classes.toml", "ignore", "ingore"),
        "classes.toml",
        "found the key 'ingore'",
    ),
    "value twice": (
        lambda raw: edit(raw / "classes.toml", "value = 0", "value = 3"),
        "classes.toml",
        "found 3 for class 'ground' and for class 'road'",
    ),
}


@pytest.mark.parametrize(("spoil", "guilty", "says"), ROWS.values(), ids=ROWS)
def test_prepare_when_source_is_bad_then_refused(
    make_raw: Make, check_refused: Refused, spoil: Spoil, guilty: str, says: str
) -> None:
    """The guilty file is named."""
    source = make_raw()
    spoil(source)

    args = (*PREPARE, "--source", source, "--out", "new/out")
    message = check_refused(*args, guilty=guilty, plugins=PLUGINS)

    assert says in message


@pytest.mark.parametrize("out", ["raw", "raw/prepared", "."])
def test_prepare_when_source_and_out_overlap_then_refused(
    make_raw: Make, check_refused: Refused, out: str
) -> None:
    """Before the classes are asked for: they may be what is missing."""
    source = make_raw(classes="")

    args = (*PREPARE, "--source", source, "--out", out)
    message = check_refused(*args, guilty=f"where: {out}", plugins=PLUGINS)

    assert "cannot prepare into" in message


@pytest.mark.parametrize(
    ("option", "value"), [("--group-by", "s("), ("--size", "12x"), ("--shares", "0.5,0.1")]
)
def test_prepare_when_an_option_makes_no_sense_then_refused(
    make_raw: Make, check_refused: Refused, option: str, value: str
) -> None:
    """The option is named with what it was given."""
    args = (*PREPARE, "--source", make_raw(), "--out", "out", option, value)
    message = check_refused(*args, guilty=option, plugins=PLUGINS)

    assert repr(value) in message


def test_prepare_when_all_are_alone_then_refused(
    make_raw: Make, check_refused: Refused, run_zoo: RunZoo
) -> None:
    """Masks that carry an ending, which was not stated; the hint's option leads out."""
    source = make_raw()
    for mask in sorted((source / "masks").iterdir()):
        mask.rename(mask.with_stem(f"{mask.stem}_gt"))

    args = (*PREPARE, "--source", source, "--out", "out")
    message = check_refused(*args, guilty=source, plugins=PLUGINS)

    assert (
        "found 20 images and 20 masks, but no equal stems, such as 's0_0' and 's0_0_gt'" in message
    )
    option = message.rstrip(".\n").rpartition(" ")[2]
    assert option == "--mask-suffix=_gt"
    assert run_zoo(*args, option, plugins=PLUGINS).returncode == 0


def test_prepare_when_some_are_alone_or_empty_then_done_and_reported(
    make_raw: Make, run_zoo: RunZoo, tmp_path: Path
) -> None:
    """A mask without image, an image without mask, a mask of nothing but background."""
    source = make_raw()
    (source / "images/s0_0.jpg").unlink()
    (source / "masks/s1_1.png").unlink()
    write(source / MASK, np.zeros((10, 14), np.uint8))

    args = (*PREPARE, "--source", source, "--out", "out")
    done = run_zoo(*args, plugins=PLUGINS)

    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert {line["file"]: line["reason"] for line in report["dropped"]} == {
        "masks/s0_0.png": "mask without an image called 's0_0'",
        "images/s1_1.jpg": "image without a mask",
    }
    assert MASK in [line["file"] for line in report["notes"]]
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 18


def test_prepare_when_out_holds_other_options_then_refused(
    make_raw: Make, run_zoo: RunZoo, check_refused: Refused
) -> None:
    """The same again is nothing to do; anything else is not laid over what is there."""
    args = (*PREPARE, "--source", make_raw(), "--out", "out")
    first, again = (run_zoo(*args, plugins=PLUGINS) for _ in range(2))

    message = check_refused(*args, "--size", "8", guilty="where: out", plugins=PLUGINS)

    assert (first.returncode, again.returncode) == (0, 0)
    assert "unchanged" in again.stdout
    assert "option size was None, is [8, 8]" in message
