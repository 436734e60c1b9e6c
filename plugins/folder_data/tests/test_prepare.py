# SPDX-License-Identifier: Apache-2.0
"""One's own folders become a prepared data set, sample and data set class included."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from zoo_folder_data.prepare import prepare  # noqa: E402
from zoo_folder_data.sample import write_sample  # noqa: E402

from zoo.data import (  # noqa: E402 (after the skip)
    Shares,
    assign_exact_splits,
    check_prepared,
    exact_counts,
    open_source,
    read_prepared,
)
from zoo.errors import DataError  # noqa: E402

Make = Callable[..., Path]
SHARES = Shares(0.6, 0.2, 0.2)


def _read(path: Path) -> Any:
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_prepare_when_values_then_masks_hold_ids(make_raw: Make, tmp_path: Path) -> None:
    """Every pixel, against the raw masks; classes reach dataset.json."""
    raw, out = make_raw(), tmp_path / "out"

    prepare(raw, out, shares=SHARES, group_by="^s[0-9]+")

    found = read_prepared(out)
    assert found.classes == ("ground", "road", "roof")
    assert found.palette[2] == (16, 32, 48)
    assert found.type == "zoo.folder_data.FolderDataset"
    assert len({row.group for row in found.files}) == 10
    for row in found.files:
        mask = _read(raw / "masks" / f"{row.stem}.png")
        expected = np.select([mask == 0, mask == 900, mask == 255], [0, 2, 255], 1)
        assert np.array_equal(expected, _read(out / "masks" / f"{row.stem}.png"))
    assert check_prepared(out) == []


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_prepare_when_shares_are_exact_then_each_split_has_its_number_of_groups(
    make_raw: Make, make_coco: Make, tmp_path: Path, task: str
) -> None:
    """A second run finds it unchanged, and one without the option another folder."""
    from zoo_folder_data.prepare_coco import prepare as prepare_coco

    raw, do = (make_raw(), prepare) if task == "semantic" else (make_coco(), prepare_coco)
    out = tmp_path / "out"

    do(raw, out, shares=SHARES, group_by="", exact_shares=True)

    found = read_prepared(out)
    counts = tuple(split.groups for split in found.splits.values())
    assert counts == exact_counts(sum(counts), SHARES)
    groups = {file.group for file in found.files}
    assert {file.group: file.split for file in found.files} == assign_exact_splits(groups, SHARES)
    assert found.options["exact_shares"] is True
    assert do(raw, out, shares=SHARES, group_by="", exact_shares=True).unchanged
    with pytest.raises(DataError):
        do(raw, out, shares=SHARES, group_by="")


@pytest.mark.parametrize("how", ["source", "option", "zip"])
def test_prepare_when_classes_lie_elsewhere_then_same_result(
    make_raw: Make, tmp_path: Path, how: str
) -> None:
    """In the source, named by the option, or inside an archive; a BOM does no harm."""
    raw = make_raw()
    prepare(raw, tmp_path / "expected", shares=SHARES)
    given = None
    if how == "option":
        given = tmp_path / "other.toml"
        (raw / "classes.toml").rename(given)
        given.write_bytes(b"\xef\xbb\xbf" + given.read_bytes())
    source = Path(shutil.make_archive(str(tmp_path / "z"), "zip", raw)) if how == "zip" else raw

    prepare(source, tmp_path / "out", shares=SHARES, classes=given)

    expected = read_prepared(tmp_path / "expected").digest
    assert expected == read_prepared(tmp_path / "out").digest


def test_prepare_when_run_again_then_unchanged(make_raw: Make, tmp_path: Path) -> None:
    """With every option at work."""
    raw, out = make_raw(), tmp_path / "out"
    options: dict[str, Any] = {"group_by": "^s[0-9]+", "size": "7x5", "keep_aspect": True}
    prepare(raw, out, shares=SHARES, **options)

    assert prepare(raw, out, shares=SHARES, **options).unchanged
    with pytest.raises(DataError, match=r"option size was \[7, 5\], is None"):
        prepare(raw, out, shares=SHARES, group_by="^s[0-9]+")


def test_prepare_when_meaning_of_values_changes_then_told(make_raw: Make, tmp_path: Path) -> None:
    """Equal names and colours, other values."""
    raw, out = make_raw(), tmp_path / "out"
    prepare(raw, out, shares=SHARES)
    text = (raw / "classes.toml").read_text()
    (raw / "classes.toml").write_text(text.replace("[255]", "[255, 7]"))

    with pytest.raises(DataError, match="option mask_ids was"):
        prepare(raw, out, shares=SHARES)


def test_prepare_when_no_classes_then_hint_is_a_file_that_works(
    make_raw: Make, tmp_path: Path
) -> None:
    """What the hint proposes can be saved as it is."""
    raw, out = make_raw(classes=""), tmp_path / "out"
    with pytest.raises(DataError, match=r"there is no 'classes\.toml'") as caught:
        prepare(raw, out, shares=SHARES)
    assert not out.exists()

    hint = str(caught.value.hint)
    (raw / "classes.toml").write_text(hint[hint.index("[[class]]") :])
    prepare(raw, out, shares=SHARES)

    assert len(read_prepared(out).classes) == 5


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda raw: (raw / "classes.toml").write_bytes(b"\xff"), "cannot read the classes"),
        (lambda raw: (raw / "classes.toml").write_text("x = 1"), "the key 'x' in the file"),
        (
            lambda raw: cv2.imwrite(str(raw / "masks/s3_1.png"), np.full((10, 14), 8, np.uint8)),
            "cannot read the mask 'masks/s3_1.png': found values that no class lists: 8 (140 px)",
        ),
        (lambda raw: shutil.rmtree(raw / "masks"), "cannot find the masks"),
        (lambda raw: [p.unlink() for p in (raw / "masks").iterdir()], "cannot find the masks"),
        (lambda raw: shutil.copy(raw / "images/s3_1.jpg", raw / "images/s3_1.png"), "expected one"),
    ],
)
def test_prepare_when_source_is_bad_then_refused_and_nothing_left(
    make_raw: Make, tmp_path: Path, spoil: Callable[[Path], object], told: str
) -> None:
    """The place is named, and there is a hint."""
    raw = make_raw()
    spoil(raw)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=SHARES)

    assert told in caught.value.message
    assert str(raw) in str(caught.value.where)
    assert caught.value.hint
    assert os.listdir(tmp_path) == ["raw"]


def test_prepare_when_classes_option_names_nothing_then_refused(
    make_raw: Make, tmp_path: Path
) -> None:
    """A typo in --classes."""
    with pytest.raises(DataError, match="cannot read the classes: No such file"):
        prepare(make_raw(), tmp_path / "out", shares=SHARES, classes=tmp_path / "no.toml")


@pytest.mark.parametrize("suffix", [{}, {"mask_suffix": "_mask"}])
def test_write_sample_when_prepared_as_documented_then_whole(
    tmp_path: Path, suffix: dict[str, str]
) -> None:
    """The default options do, and a suffix that masks only may have; every class occurs."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_sample(raw)

    report = prepare(raw, out, shares=Shares(), group_by="^flight[0-9]+", size="64", **suffix)

    assert report.counts == {"images": 49, "masks": 48, "pairs": 48, "written": 48}
    assert all(report.class_px[name] for name in ("field", "road", "roof", "water"))
    assert [line.text for line in report.dropped] == ["image without a mask"]
    assert [line.text for line in report.notes] == ["empty mask: only 'field'"]
    assert check_prepared(out) == []


def test_write_sample_when_seed_is_equal_then_bytes_are(tmp_path: Path) -> None:
    """Another seed, another land."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sample(tmp_path / name, seed=seed, count=2)

    contents = []
    for name in ("a", "b", "c"):
        with open_source(tmp_path / name) as source:
            contents.append({file.path: source.read(file.path) for file in source.files()})
    assert contents[0] == contents[1] != contents[2]
