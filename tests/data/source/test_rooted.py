# SPDX-License-Identifier: Apache-2.0
"""A folder around all files makes no difference, in a folder and in an archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from zoo.data import Synthetic, open_source
from zoo.data.source.synthetic import MARK_NAME, mark_sample
from zoo.errors import DataError

FILES = {"images/a.png": b"1", "images/b.png": b"2", "labels.csv": b"3"}
EXPECTS = ("images", "labels.csv")


def write(folder: Path, files: dict[str, bytes], *, is_zip: bool) -> Path:
    """Write a source and return its path."""
    if is_zip:
        with zipfile.ZipFile(folder / "raw.zip", "w") as archive:
            for path, data in files.items():
                archive.writestr(path, data)
        return folder / "raw.zip"
    for path, data in files.items():
        (folder / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / "raw" / path).write_bytes(data)
    return folder / "raw"


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize("top", ["", "ponds-1.0/", "a/b/c/d/", "A set (final)/raw data/"])
def test_open_source_when_a_folder_is_around_all_files_then_paths_start_below_it(
    tmp_path: Path, top: str, is_zip: bool
) -> None:
    """Equal paths and bytes; errors still name the file where it lies."""
    files = {f"{top}{path}": data for path, data in FILES.items()}
    files |= {"README.txt": b"", "__MACOSX/images/a.png": b"", "__MACOSX/labels.csv": b""}
    path = write(tmp_path, files, is_zip=is_zip)

    with open_source(path, expects=EXPECTS) as source:
        found = {file.path: source.read(file.path) for file in source.files()}
        where = source.where("labels.csv")
        sizes = {file.size_bytes for file in source.files()}

    assert {name: data for name, data in found.items() if name != "README.txt"} == FILES
    assert ("README.txt" in found) is (top == "")
    assert where == f"{path}{'!' if is_zip else '/'}{top}labels.csv"
    assert sizes <= {0, 1}


def test_open_source_when_nothing_is_expected_then_paths_are_whole(tmp_path: Path) -> None:
    path = write(tmp_path, {f"top/{name}": data for name, data in FILES.items()}, is_zip=True)

    with open_source(path) as source:
        assert "top/labels.csv" in {file.path for file in source.files()}


def test_open_source_when_the_top_fits_then_a_copy_below_it_is_no_choice(tmp_path: Path) -> None:
    files = {**FILES, **{f"backup/{name}": data for name, data in FILES.items()}}

    with open_source(write(tmp_path, files, is_zip=False), expects=EXPECTS) as source:
        assert "backup/labels.csv" in {file.path for file in source.files()}


@pytest.mark.parametrize("is_zip", [False, True])
@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({"images/a.png": b""}, "found 'images', expected a folder that holds 'images' and"),
        ({}, "found nothing"),
        ({"x/images/a.png": b"", "y/labels.csv": b""}, "found 'x', 'y'"),
        (
            {f"{top}/{name}": b"" for top in ("old", "new") for name in FILES},
            "cannot choose between several sets: found 'images' and 'labels.csv' in 'new', 'old'",
        ),
        ({f"{n:02}.txt": b"" for n in range(9)}, "'04.txt' and 4 more"),
        ({"d/" * 17 + name: b"" for name in FILES}, "found 'd'"),
    ],
)
def test_open_source_when_no_folder_or_several_fit_then_told(
    tmp_path: Path, files: dict[str, bytes], part: str, is_zip: bool
) -> None:
    (tmp_path / "raw").mkdir()
    path = write(tmp_path, files, is_zip=is_zip)

    with pytest.raises(DataError) as caught, open_source(path, expects=EXPECTS):
        pass

    assert part in caught.value.message
    assert caught.value.where == str(path)
    assert caught.value.hint


def test_open_source_when_paths_are_thousands_deep_then_memory_is_bounded(tmp_path: Path) -> None:
    """An archive may state such names: each prefix of each would be gigabytes."""
    files = {f"{n}/" + "a/" * 30_000 + "b": b"" for n in range(40)}

    with (
        pytest.raises(DataError, match="expected a folder that holds"),
        open_source(write(tmp_path, files, is_zip=True), expects=EXPECTS),
    ):
        pass


@pytest.mark.parametrize("place", ["", "top/"])
def test_open_source_when_a_sample_lies_in_a_folder_then_it_stays_synthetic(
    tmp_path: Path, place: str
) -> None:
    """The mark may lie beside the folder or in it; without it results would count as real."""
    drawn = Synthetic("ponds", "0.1.0", "MIT", 0)
    mark_sample(tmp_path, drawn)
    mark = (tmp_path / MARK_NAME).read_bytes()
    files = {f"top/{name}": data for name, data in FILES.items()} | {f"{place}{MARK_NAME}": mark}

    with open_source(write(tmp_path, files, is_zip=True), expects=EXPECTS) as source:
        assert source.synthetic() == drawn
