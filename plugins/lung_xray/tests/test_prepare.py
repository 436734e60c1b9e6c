# SPDX-License-Identifier: Apache-2.0
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from zoo_lung_xray.prepare import prepare

from zoo.data import Report, Shares, check_prepared, encode_png, read_prepared
from zoo.errors import DataError

Files = dict[str, np.ndarray | bytes]
WriteRaw = Callable[..., Path]
ALL = Shares(1.0, 0.0, 0.0)


def read_tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def dropped(report: Report) -> dict[str, str]:
    return {Path(line.file).name: line.text for line in report.dropped}


def read_labels(out: Path, stem: str) -> np.ndarray:
    return cv2.imread(str(out / "masks" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)


def test_prepare_when_sample_is_given_writes_a_folder_that_checks(
    sample: Path, tmp_path: Path
) -> None:
    """The whole way on the sample: pairs of both habits, unpaired files told, nothing wrong."""
    report = prepare(sample, tmp_path / "out", shares=Shares(), size="64")

    prepared = read_prepared(tmp_path / "out")
    assert check_prepared(tmp_path / "out") == []
    assert len(prepared.files) == report.counts["pairs"] == 60
    assert prepared.dataset.type == "zoo.lung_xray.LungXrayDataset"
    assert prepared.classes == ("background", "lung")
    assert {(file.height_px, file.width_px) for file in prepared.files} == {(64, 64)}
    assert sorted(dropped(report).values()) == [
        "mask without an image called 'CHNCXR_0000_0'",
        *["unlabelled: no mask, and listed in 'test'"] * 3,
    ]


def test_prepare_when_patients_repeat_keeps_them_in_one_split(sample: Path, tmp_path: Path) -> None:
    """Whatever the salt's luck: the groups are patients, and a group has one split."""
    prepare(sample, tmp_path / "out", shares=Shares(0.5, 0.25, 0.25), size="32")

    rows = json.loads((tmp_path / "out/dataset.json").read_text())["files"]
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["group"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    assert sum(row["group"] == "MCUCXR_0162" for row in rows) == 3


def test_prepare_when_run_again_changes_nothing(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """Equal input: unchanged, also by its times; the source as it was."""
    raw = write_raw(pairs)
    source_before = read_tree(raw)
    prepare(raw, tmp_path / "out", shares=ALL)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}

    report = prepare(raw, tmp_path / "out", shares=ALL)

    assert report.unchanged
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*")}
    assert source_before == read_tree(raw)


@pytest.mark.parametrize("below", [".", "Lung Segmentation"])
@pytest.mark.parametrize("packed", [False, True])
def test_prepare_when_source_is_folder_parent_or_zip_gives_the_same(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path, below: str, packed: bool
) -> None:
    """The set may lie at the top or deeper, in a folder or in a .zip."""
    raw = write_raw(pairs)
    prepare(raw, tmp_path / "expected", shares=ALL)
    source = raw / below
    if packed:
        source = Path(shutil.make_archive(str(tmp_path / "raw"), "zip", source))

    prepare(source, tmp_path / "out", shares=ALL)

    for folder in ("images", "masks", "splits"):
        assert read_tree(tmp_path / "expected" / folder) == read_tree(tmp_path / "out" / folder)


def test_prepare_when_archive_holds_the_set_twice_reads_one(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """The public archive has a second, equal copy below 'data'; it is noted, not paired."""
    raw = write_raw(pairs)
    shutil.copytree(raw / "Lung Segmentation", raw / "data/Lung Segmentation")

    report = prepare(raw, tmp_path / "out", shares=ALL)

    assert report.counts["pairs"] == 6
    assert [(line.file, line.text) for line in report.notes] == [
        ("data/Lung Segmentation", "second copy of 'Lung Segmentation', not read")
    ]


def test_prepare_when_two_sets_differ_refuses(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """Two sets that are no copies: which one is meant is the user's to say."""
    raw = write_raw(pairs)
    shutil.copytree(raw / "Lung Segmentation", raw / "new")
    (raw / "new/masks/MCUCXR_0001_0.png").unlink()

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert str(caught.value) == (
        "cannot choose between two sets: found 'Lung Segmentation' and 'new'.\n"
        f"where: {raw}\n"
        "HINT: give one of the two folders."
    )
    assert not (tmp_path / "out").exists()


def write_montgomery(write_raw: WriteRaw) -> Path:
    """Three pairs of Montgomery's own release; 0003 lacks its right mask."""
    files: Files = {}
    for number in (1, 2, 3):
        name = f"MCUCXR_{number:04d}_0.png"
        left, right = np.zeros((12, 16), np.uint8), np.zeros((12, 16), np.uint8)
        left[2:10, 10:14] = right[2:10, 2:6] = 255
        files[f"CXR_png/{name}"] = np.full((12, 16), 40 * number, np.uint8)
        files[f"ManualMask/leftMask/{name}"] = left
        if number < 3:
            files[f"ManualMask/rightMask/{name}"] = right
    files["ClinicalReadings/MCUCXR_0001_0.txt"] = b"normal"
    return write_raw(files, root="MontgomerySet")


def test_prepare_when_montgomery_release_unites_left_and_right(
    write_raw: WriteRaw, tmp_path: Path
) -> None:
    """Both lungs in one label; a picture with one side only is left out with both its files."""
    report = prepare(write_montgomery(write_raw), tmp_path / "out", shares=ALL)

    labels = read_labels(tmp_path / "out", "MCUCXR_0001_0")
    assert labels.sum() == 2 * 8 * 4
    assert labels[5].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0]
    assert [(line.file.partition("/")[2], line.text) for line in sorted(report.dropped)] == [
        ("CXR_png/MCUCXR_0003_0.png", "no mask in ManualMask/rightMask"),
        ("ManualMask/leftMask/MCUCXR_0003_0.png", "mask of one side, the other is missing"),
    ]
    assert report.counts == {"images": 3, "masks": 5, "pairs": 2, "written": 2}


@pytest.mark.parametrize(("source_set", "prefix"), [("montgomery", "MCU"), ("shenzhen", "CHN")])
def test_prepare_when_source_set_is_given_keeps_that_hospital(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path, source_set: str, prefix: str
) -> None:
    """The files of the other are counted, not listed one by one."""
    report = prepare(write_raw(pairs), tmp_path / "out", shares=ALL, source_set=source_set)

    files = read_prepared(tmp_path / "out").files
    assert len(files) == 3
    assert all(file.stem.startswith(prefix) for file in files)
    assert {file.meta["source_set"] for file in files} == {source_set}
    assert report.counts["files_of_other_source_sets"] == 6
    assert report.dropped == []


def test_prepare_when_source_set_has_no_file_refuses(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """The message names the set and how its files are told."""
    only = {name: data for name, data in pairs.items() if "MCU" in name}
    raw = write_raw(only)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL, source_set="shenzhen")

    assert str(caught.value) == (
        "cannot find X-rays of the source set 'shenzhen' in 'CXR_png'.\n"
        f"where: {raw / 'Lung Segmentation/CXR_png'}\n"
        "HINT: names of montgomery start with MCUCXR, those of shenzhen with CHNCXR; or keep all."
    )


def test_prepare_when_adding_files_moves_no_other(
    write_raw: WriteRaw, sample: Path, tmp_path: Path
) -> None:
    """Splits of a part of the set are those of the whole."""
    shares = Shares(0.6, 0.2, 0.2)
    prepare(sample, tmp_path / "all", shares=shares, size="32")
    prepare(sample, tmp_path / "part", shares=shares, size="32", source_set="shenzhen")

    whole = {file.stem: file.split for file in read_prepared(tmp_path / "all").files}
    part = {file.stem: file.split for file in read_prepared(tmp_path / "part").files}
    assert part.items() <= whole.items()


def test_prepare_when_mask_suffix_is_own_pairs_by_it(write_raw: WriteRaw, tmp_path: Path) -> None:
    """Foreign names are their own patients, and another suffix may be stated."""
    half = np.repeat(np.array([[0, 255]], np.uint8), 2, axis=0)
    files: Files = {}
    for stem in ("anna", "berta"):
        files[f"CXR_png/{stem}.png"] = np.arange(4, dtype=np.uint8).reshape(2, 2)
        files[f"masks/{stem}-lung.png"] = half

    prepare(write_raw(files), tmp_path / "out", shares=ALL, mask_suffix="-lung")

    files_written = read_prepared(tmp_path / "out").files
    assert [(file.stem, file.group) for file in files_written] == [
        ("anna", "anna"),
        ("berta", "berta"),
    ]


def test_prepare_when_image_has_16_bits_stretches_it(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """What is written has 8 bits and the whole range; the report says so."""
    deep = np.linspace(1000, 5000, 256).astype(np.uint16).reshape(16, 16)
    pairs["CXR_png/MCUCXR_0001_0.png"] = deep

    report = prepare(write_raw(pairs), tmp_path / "out", shares=ALL)

    image = cv2.imread(str(tmp_path / "out/images/MCUCXR_0001_0.png"), cv2.IMREAD_UNCHANGED)
    assert (image.dtype, image.min(), image.max()) == (np.uint8, 0, 255)
    assert any("16-bit" in line.text for line in report.repaired)


def test_prepare_when_mask_is_empty_keeps_and_reports_it(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """A chest without a lung in its mask is rare but allowed."""
    pairs["masks/MCUCXR_0002_0.png"] = np.zeros((16, 16), np.uint8)

    report = prepare(write_raw(pairs), tmp_path / "out", shares=ALL)

    assert not read_labels(tmp_path / "out", "MCUCXR_0002_0").any()
    assert [Path(line.file).name for line in report.notes] == ["MCUCXR_0002_0.png"]


def bad_map() -> np.ndarray:
    return np.repeat(np.array([0, 64, 128, 255], np.uint8), 64).reshape(16, 16)


@pytest.mark.parametrize(
    ("change", "guilty", "sentence"),
    [
        ({"masks/MCUCXR_0002_0.png": bad_map()}, "MCUCXR_0002_0.png", "found 4 grey levels"),
        (
            {"masks/MCUCXR_0002_0.png": np.zeros((8, 9), np.uint8)},
            "MCUCXR_0002_0.png",
            "the mask has 9x8 px, expected the image's 16x16",
        ),
        ({"masks/MCUCXR_0002_0.png": b""}, "MCUCXR_0002_0.png", "found an empty file"),
        (
            {"CXR_png/CHNCXR_0003_0.png": encode_png(bad_map())[:-20]},
            "CHNCXR_0003_0.png",
            "truncated PNG",
        ),
        (
            {"masks/CHNCXR_0001_0.png": bad_map()},
            "CHNCXR_0001_0_mask.png",
            "expected one.",
        ),
    ],
    ids=["label map", "sizes differ", "zero bytes", "truncated", "stem twice"],
)
def test_prepare_when_a_file_is_bad_names_it_and_writes_nothing(
    write_raw: WriteRaw,
    pairs: Files,
    tmp_path: Path,
    change: Files,
    guilty: str,
    sentence: str,
) -> None:
    """One message with the guilty file and a hint; no output, the source unchanged."""
    raw = write_raw({**pairs, **change})
    before = read_tree(raw)

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert sentence in caught.value.message
    assert guilty in str(caught.value)
    assert caught.value.hint
    assert before == read_tree(raw)
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]


@pytest.mark.parametrize("keep", ["CXR_png", "masks"])
def test_prepare_when_masks_or_images_are_missing_refuses(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path, keep: str
) -> None:
    """No masks at all, or no images: the folders that were looked for are named."""
    raw = write_raw({name: data for name, data in pairs.items() if name.startswith(keep)})

    with pytest.raises(DataError) as caught:
        prepare(raw, tmp_path / "out", shares=ALL)

    assert str(caught.value) == (
        f"cannot find chest X-rays with masks: found images in ['Lung Segmentation/{keep}'], "
        "expected a folder with 'CXR_png' and 'masks', or with 'CXR_png' and 'ManualMask'.\n"
        f"where: {raw}\n"
        "HINT: give the folder or .zip that contains 'Lung Segmentation'."
    )


def test_prepare_when_image_or_mask_is_alone_reports_it(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """Unpaired files of either kind are left out with a reason, unlabelled ones with theirs."""
    pairs["CXR_png/MCUCXR_0009_0.png"] = pairs["CXR_png/MCUCXR_0001_0.png"]
    pairs["masks/CHNCXR_0008_1_mask.png"] = pairs["masks/CHNCXR_0001_0_mask.png"]
    pairs["CXR_png/CHNCXR_0007_1.png"] = pairs["CXR_png/MCUCXR_0001_0.png"]
    pairs["test/CHNCXR_0007_1.png"] = pairs["CXR_png/MCUCXR_0001_0.png"]
    pairs["test/CHNCXR_0006_1.png"] = pairs["CXR_png/MCUCXR_0001_0.png"]

    report = prepare(write_raw(pairs), tmp_path / "out", shares=ALL)

    assert dropped(report) == {
        "MCUCXR_0009_0.png": "image without a mask",
        "CHNCXR_0008_1_mask.png": "mask without an image called 'CHNCXR_0008_1'",
        "CHNCXR_0007_1.png": "unlabelled: no mask, and listed in 'test'",
        "CHNCXR_0006_1.png": "unlabelled: only in 'test'",
    }


def test_prepare_when_zip_climbs_out_refuses(tmp_path: Path) -> None:
    """A hostile archive is refused as a whole."""
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../CXR_png/x.png", b"x")

    with pytest.raises(DataError, match="escapes"):
        prepare(path, tmp_path / "out", shares=ALL)


def test_prepare_when_out_is_the_source_refuses(
    write_raw: WriteRaw, pairs: Files, tmp_path: Path
) -> None:
    """The source is never written to."""
    raw = write_raw(pairs)
    before = read_tree(raw)

    with pytest.raises(DataError, match="it is the source itself"):
        prepare(raw, raw, shares=ALL)

    assert before == read_tree(raw)
