# SPDX-License-Identifier: Apache-2.0
"""Which images files, folders and globs name, and what their outputs are called."""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path

import pytest

from zoo.engine.prediction_files.inputs import find_inputs
from zoo.errors import DataError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def names_of(root: Path, *specs: str) -> list[tuple[str, str]]:
    found = find_inputs([root / spec for spec in specs])
    return [(image.path.relative_to(root).as_posix(), image.name) for image in found]


def test_folder_gives_its_own_images_sorted_without_hidden_and_other_files(tmp_path: Path) -> None:
    touch(tmp_path, "b.PNG", "a.jpeg", "c.tif", "d.bmp", "._a.jpeg", "notes.txt", "sub/e.png")

    assert names_of(tmp_path, ".") == [
        ("a.jpeg", "a"),
        ("b.PNG", "b"),
        ("c.tif", "c"),
        ("d.bmp", "d"),
    ]


def test_folder_gives_jpegs_of_every_suffix(tmp_path: Path) -> None:
    """What Python calls image/jpeg, in any spelling."""
    suffixes = sorted(
        set(mimetypes.MimeTypes().guess_all_extensions("image/jpeg")) | {".JFIF", ".Jpe"}
    )
    touch(tmp_path, *(f"{number}{suffix}" for number, suffix in enumerate(suffixes)))

    found = [name for name, _ in names_of(tmp_path, ".")]

    assert found == [f"{number}{suffix}" for number, suffix in enumerate(suffixes)]


def test_folder_when_the_data_set_has_its_own_suffix_gives_those_too(tmp_path: Path) -> None:
    touch(tmp_path, "a.dcm", "b.png", "c.txt")

    found = find_inputs([tmp_path], suffixes={".png", ".DCM"})

    assert [image.path.name for image in found] == ["a.dcm", "b.png"]


def test_folder_and_glob_when_the_reader_knows_other_files_give_those_too(tmp_path: Path) -> None:
    """The reader is asked of what has no image's suffix, and of no folder or hidden file."""
    touch(tmp_path, "a.scan", "b.png", "c.txt", ".d.scan", "e.scan/f")
    asked: list[str] = []

    def reads(path: Path) -> bool:
        asked.append(path.name)
        return path.suffix == ".scan"

    for spec in (tmp_path, tmp_path / "*"):
        found = find_inputs([spec], reads=reads)

        assert [image.path.name for image in found] == ["a.scan", "b.png"]
    assert set(asked) == {"a.scan", "c.txt", "f"}


def test_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "scan.dcm")

    assert names_of(tmp_path, "scan.dcm") == [("scan.dcm", "scan")]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", ["a.png", "b.jpg"]),
        ("*.png", ["a.png"]),
        ("**/*.png", ["a.png", "sub/c.png"]),
        ("*.txt", ["n.txt"]),
        ("s?b", []),
    ],
)
def test_glob_gives_what_matches(tmp_path: Path, pattern: str, expected: list[str]) -> None:
    touch(tmp_path, "a.png", "b.jpg", "n.txt", "sub/c.png")

    if expected:
        assert [path for path, _ in names_of(tmp_path, pattern)] == expected
    else:
        with pytest.raises(DataError, match="the pattern matches no image"):
            names_of(tmp_path, pattern)


def test_file_whose_name_looks_like_a_glob_is_that_file(tmp_path: Path) -> None:
    touch(tmp_path, "x[1].png", "x1.png")

    assert names_of(tmp_path, "x[1].png") == [("x[1].png", "x[1]")]


def test_image_given_twice_is_one(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    os.symlink(tmp_path / "a.png", tmp_path / "link.png")

    assert names_of(tmp_path, "b.png", ".", "*.png") == [("b.png", "b"), ("a.png", "a")]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["a/x.png", "b/x.png"], ["a_x", "b_x"]),
        (["p/a/x.png", "q/a/x.png"], ["p_a_x", "q_a_x"]),
        (["a/x.png", "a/x.jpg"], ["x_png", "x_jpg"]),
        (["a/x.png", "a/x.jpg", "b/x.png"], ["a_x_png", "a_x_jpg", "b_x_png"]),
        (["a/x.png", "b/X.png"], ["a_x", "b_X"]),
        (["a/x.png", "b/x.png", "c/a_x.png"], ["a_x_2", "b_x", "a_x"]),
        (["a/x.png", "y.png"], ["x", "y"]),
    ],
)
def test_equal_stems_get_names_that_differ(
    tmp_path: Path, files: list[str], expected: list[str]
) -> None:
    touch(tmp_path, *files)

    assert [name for _, name in names_of(tmp_path, *files)] == expected


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_inputs([tmp_path / "x.png"])

    assert str(caught.value) == (
        f"cannot read {str(tmp_path / 'x.png')!r}: there is no such file or folder.\n"
        f"where: {tmp_path / 'x.png'}\n"
        "HINT: give a file, a folder, or a quoted glob."
    )


def test_folder_without_images_says_how_to_reach_those_below(tmp_path: Path) -> None:
    touch(tmp_path, "in/sub/x.png")

    with pytest.raises(DataError, match="found no image in it") as caught:
        find_inputs([tmp_path / "in"])

    assert f"'{tmp_path / 'in'}/**/*' in quotes" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "is_told"),
    [("in/s/b.PNG", True), ("in/s/deep/b.tif", True), ("in/s/b.txt", False), ("b.png", False)],
)
def test_folder_with_images_tells_of_those_below(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, is_told: bool
) -> None:
    """Nothing is left out without a word."""
    touch(tmp_path, "in/a.png")
    touch(tmp_path, "in/.cache/c.png")
    touch(tmp_path, name)

    found = find_inputs([tmp_path / "in"])

    assert [image.path.name for image in found] == ["a.png"]
    expected = f"'{tmp_path / name}' and other files in subfolders are left out"
    assert (expected in caplog.text) == is_told
    assert ("left out" in caplog.text) == is_told


def test_folder_with_predictions_in_it_does_not_tell_of_those(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    touch(tmp_path, "in/a.png", "in/out/predictions.json", "in/out/a_label.png")

    find_inputs([tmp_path / "in"])

    assert caplog.text == ""
