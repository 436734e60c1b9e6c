# SPDX-License-Identifier: Apache-2.0
"""The whole way from pairs to a prepared folder: right, repeatable, all or nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data import Report, Shares, check_prepared, digest_of, read_prepared
from zoo.errors import DataError

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

Make = Callable[..., Path]
Prepare = Callable[..., Report]
Snapshot = Callable[[Path], dict[str, tuple[int, str]]]


def _read(path: Path) -> Any:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_prepare_semantic_when_run_then_layout_is_the_contract(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """Every part of the prepared layout, checked against the raw files."""
    raw, out = make_raw(), tmp_path / "out"

    report = prepare(raw, out)

    assert sorted(os.listdir(out)) == ["dataset.json", "images", "masks", "report.json", "splits"]
    stems = sorted(path.stem for path in (raw / "images").iterdir())
    assert stems == sorted(path.stem for path in (out / "masks").iterdir())
    for stem in stems:
        for folder in ("images", "masks"):
            name = f"{folder}/{stem}.png"
            assert np.array_equal(_read(raw / name), _read(out / name))
    lists = {name: (out / "splits" / f"{name}.txt").read_text().split() for name in report.splits}
    assert stems == sorted(stem for split in lists.values() for stem in split)
    facts = json.loads((out / "dataset.json").read_text())
    assert (
        facts["schema"],
        facts["task"],
        facts["type"],
    ) == (1, "semantic", "zoo.blobs.BlobDataset")
    assert facts["classes"] == ["ground", "blob"]
    for name, listed in lists.items():
        assert sorted(listed) == listed
        assert facts["splits"][name]["digest"] == digest_of(listed)
    assert report.counts == {"images": 24, "masks": 24, "pairs": 24, "written": 24}
    assert json.loads((out / "report.json").read_text()) == report.to_dict()


def test_prepare_semantic_when_patient_has_two_images_then_one_split(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """No group is torn."""
    prepare(make_raw(), tmp_path / "out")

    splits: dict[str, set[str]] = {}
    for row in read_prepared(tmp_path / "out").files:
        splits.setdefault(row.group, set()).add(row.split)
    assert {1} == {len(names) for names in splits.values()}


def test_prepare_semantic_when_run_again_then_nothing_changes(
    make_raw: Make, prepare: Prepare, snapshot: Snapshot, tmp_path: Path
) -> None:
    """Neither bytes nor times, of source and result; the report says so and is the same."""
    raw, out = make_raw(), tmp_path / "out"
    first = prepare(raw, out)
    before = snapshot(tmp_path)

    second = prepare(raw, out)

    assert before == snapshot(tmp_path)
    assert (first.unchanged, second.unchanged) == (False, True)
    assert first.to_dict() == second.to_dict()
    assert "unchanged" in second.summary()


def test_prepare_semantic_when_elsewhere_or_zipped_then_same_digests(
    make_raw: Make, prepare: Prepare, snapshot: Snapshot, tmp_path: Path
) -> None:
    """Neither places, nor the number of threads, nor the archive leave a trace."""
    raw = make_raw()
    archive = Path(shutil.make_archive(str(tmp_path / "raw_zip"), "zip", raw))

    prepare(raw, tmp_path / "one")
    prepare(archive, tmp_path / "two", workers=1)

    one, two = (
        {name: digest for name, (_, digest) in snapshot(tmp_path / place).items()}
        for place in ("one", "two")
    )
    assert one == two


def test_prepare_semantic_when_files_are_added_then_others_keep_their_split(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """A larger source does not move what a smaller one had placed."""
    prepare(make_raw(12, "small"), tmp_path / "one")
    prepare(make_raw(20, "large"), tmp_path / "two")

    one, two = (
        {row.stem: row.split for row in read_prepared(tmp_path / place).files}
        for place in ("one", "two")
    )
    assert one == {stem: two[stem] for stem in one}
    assert len(two) > len(one)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"size": (8, 8)}, "option size was None, is [8, 8]"),
        ({"shares": Shares(0.5, 0.25, 0.25)}, "shares was [0.6, 0.2, 0.2], is [0.5, 0.25, 0.25]"),
        ({"classes": ("ground", "drop")}, "classes was ['ground', 'blob'], is ['ground', 'drop']"),
        ({"options": {"deep": 1}}, "option deep was None, is 1"),
        ({"add": True}, "2 new in the source: 'p12_0', 'p12_1'"),
        ({"remove": "p03_1"}, "1 gone from the source: 'p03_1'"),
        ({"edit": "p03_1"}, "1 changed in the source: 'p03_1'"),
        ({"salt": "other"}, "option salt was 'zoo', is 'other'"),
    ],
)
def test_prepare_semantic_when_something_differs_then_told_and_left_alone(
    make_raw: Make,
    prepare: Prepare,
    snapshot: Snapshot,
    tmp_path: Path,
    change: dict[str, Any],
    told: str,
) -> None:
    """A prepared folder is never rewritten; the message says what would have changed."""
    raw, out = make_raw(), tmp_path / "out"
    prepare(raw, out)
    before = snapshot(out)
    changed = dict(change)
    if changed.pop("add", None):
        shutil.copytree(make_raw(13, "more"), raw, dirs_exist_ok=True)
    stem = changed.pop("remove", None)
    if stem:
        (raw / "images" / f"{stem}.png").unlink()
        (raw / "masks" / f"{stem}.png").unlink()
    stem = changed.pop("edit", None)
    if stem:
        shutil.copy(raw / "masks" / "p00_0.png", raw / "masks" / f"{stem}.png")

    with pytest.raises(DataError) as caught:
        prepare(raw, out, **changed)

    assert told in caught.value.message
    assert "give another --out, or remove the folder" in str(caught.value.hint)
    assert before == snapshot(out)


def test_prepare_semantic_when_result_lost_a_file_then_refused(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """A damaged folder is not called unchanged."""
    raw, out = make_raw(), tmp_path / "out"
    prepare(raw, out)
    (out / "masks" / "p03_1.png").unlink()

    with pytest.raises(DataError, match=r"1 of its 24 masks are missing, such as 'p03_1'"):
        prepare(raw, out)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_prepare_semantic_when_out_is_something_else_then_refused(
    make_raw: Make, prepare: Prepare, tmp_path: Path, kind: str
) -> None:
    """Other people's files are safe."""
    raw, out = make_raw(2), tmp_path / "out"
    if kind == "folder":
        out.mkdir()
        (out / "thesis.tex").touch()
    else:
        out.touch()

    with pytest.raises(DataError, match=r"expected nothing there"):
        prepare(raw, out, shares=Shares(1, 0, 0))

    assert sorted(os.listdir(tmp_path)) == ["out", "raw"]


def test_prepare_semantic_when_mask_is_empty_then_kept_and_noted(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """An image without the thing is a fact, not a fault."""
    raw, out = make_raw(), tmp_path / "out"
    cv2.imwrite(str(raw / "masks" / "p04_0.png"), np.zeros((12, 16), np.uint8))

    report = prepare(raw, out)

    assert [(line.file, line.text) for line in report.notes] == [
        ("masks/p04_0.png", "empty mask: only 'ground'")
    ]
    assert (out / "masks" / "p04_0.png").exists()


def test_prepare_semantic_when_class_never_occurs_then_noted(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """A third class without a pixel cannot be learned."""
    report = prepare(
        make_raw(), tmp_path / "out", classes=("ground", "blob", "car"), palette=((0, 0, 0),) * 3
    )

    assert "class 'car' occurs in no mask" in [line.text for line in report.notes]
    assert report.class_px["car"] == 0
    assert sum(report.class_px.values()) == 24 * 12 * 16


def test_prepare_semantic_when_image_is_twice_then_leak_is_noted(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """The same picture under the names of two patients in two splits."""
    raw, out = make_raw(), tmp_path / "out"
    prepare(raw, tmp_path / "first")
    rows = read_prepared(tmp_path / "first").splits
    trained, tested = rows["train"].stems[0], rows["test"].stems[0]
    shutil.copy(raw / "images" / f"{trained}.png", raw / "images" / f"{tested}.png")

    report = prepare(raw, out)

    assert len([line for line in report.notes if "same pixels as" in line.text]) == 1


def test_prepare_semantic_when_resized_then_both_follow(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """The image by area, the mask by nearest: no id that was not there."""
    raw, out = make_raw(), tmp_path / "out"

    prepare(raw, out, size=(8, 6), keep_aspect=False)

    image = _read(raw / "images" / "p00_0.png").reshape(6, 2, 8, 2)
    expected = np.floor(image.mean(axis=(1, 3)) + 0.5)
    assert np.abs(expected - _read(out / "images" / "p00_0.png")).max() <= 1
    assert {0, 1} == set(_read(out / "masks" / "p00_0.png").ravel().tolist())
    row = read_prepared(out).files[0]
    assert (
        row.height_px,
        row.width_px,
        row.source_height_px,
        row.source_width_px,
    ) == (6, 8, 12, 16)


def test_prepare_semantic_when_16_bit_then_stretched_and_reported(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """What is written has 8 bits over the full range."""
    raw, out = make_raw(), tmp_path / "out"
    ramp = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 20 + 1000
    cv2.imwrite(str(raw / "images" / "p00_0.png"), ramp)

    report = prepare(raw, out)

    written = _read(out / "images" / "p00_0.png")
    assert (np.uint8, 0, 255) == (written.dtype, written.min(), written.max())
    assert [line.file for line in report.repaired] == ["images/p00_0.png"]


_PROGRAM = """
import sys, time
from pathlib import Path
from zoo.data import *

def progress(done, total):
    if done == 5:
        print("ready", flush=True)
        time.sleep(60)

report = Report()
with open_source(Path(sys.argv[1])) as source:
    files = {name: [f for f in source.files() if f.folder == name] for name in ("images", "masks")}
    pairs = pair_by_stem(files["images"], files["masks"], report=report)
    prepare_semantic(
        source, Path(sys.argv[2]), dataset=DatasetIdentity("blobs", "BlobDataset", "0.1.0"),
        pairs=[Pair(p.stem, p.stem, p.image, (p.mask,)) for p in pairs],
        classes=("ground", "blob"), palette=((0, 0, 0), (1, 1, 1)),
        encode_mask=lambda masks, pair: (masks[0], []), shares=Shares(1, 0, 0), report=report,
        progress=progress,
    )
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_prepare_semantic_when_run_is_ended_then_next_run_is_whole(
    make_raw: Make, prepare: Prepare, snapshot: Snapshot, tmp_path: Path, name: str
) -> None:
    """In the middle of its files; Ctrl-C cleans up at once, a kill is cleaned up after."""
    raw, out = make_raw(), tmp_path / "out"
    before = snapshot(raw)
    command = [sys.executable, "-c", _PROGRAM, str(raw), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(getattr(signal, name))
        process.wait(timeout=120)

    assert not out.exists()
    assert os.listdir(tmp_path) == ["raw"] or name != "SIGINT"
    prepare(raw, out)
    assert sorted(os.listdir(tmp_path)) == ["out", "raw"]
    assert not check_prepared(out)
    assert before == snapshot(raw)


def test_prepare_semantic_when_dropped_name_is_no_utf8_then_report_is_json(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """Linux allows any bytes in a name."""
    raw, out = make_raw(), tmp_path / "out"
    shutil.copy(raw / "images" / "p00_0.png", os.fsencode(raw / "images") + b"/\xff.png")

    prepare(raw, out)

    dropped = json.loads((out / "report.json").read_text())["dropped"]
    assert [os.fsdecode(b"images/\xff.png")] == [row["file"] for row in dropped]


def test_prepare_semantic_when_progress_is_asked_then_every_pair_counts(
    make_raw: Make, prepare: Prepare, tmp_path: Path
) -> None:
    """From one to all, in order."""
    seen: list[tuple[int, int]] = []

    prepare(make_raw(), tmp_path / "out", progress=lambda done, total: seen.append((done, total)))

    assert [(number, 24) for number in range(1, 25)] == seen
