# SPDX-License-Identifier: Apache-2.0
"""What ``--init`` says where its guess may be wrong, and where it refuses to guess."""

from __future__ import annotations

import errno
import io
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm
np = pytest.importorskip("numpy")
cv2 = pytest.importorskip("cv2")

from zoo_folder_data.init import write_classes  # noqa: E402

from zoo.errors import DataError  # noqa: E402 (after the skip)


def write_masks(folder: Path, masks: list[Any]) -> Path:
    for number, mask in enumerate(masks):
        for name, picture in (("images", np.zeros(mask.shape[:2], np.uint8)), ("masks", mask)):
            (folder / name).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / name / f"{number}.png"), picture)
    return folder


def test_init_when_values_number_objects_then_says_what_to_write(tmp_path: Path) -> None:
    """More values than classes can be are refused as such, not as photographs."""
    many = np.kron(np.arange(300, dtype=np.uint16).reshape(15, 20), np.ones((5, 5), np.uint16))
    few = np.kron(np.arange(20, dtype=np.uint8).reshape(4, 5), np.ones((9, 9), np.uint8))

    with pytest.raises(DataError, match="300 values fill regions of the masks") as caught:
        write_classes(write_masks(tmp_path / "many", [many]))
    draft = write_classes(write_masks(tmp_path / "few", [few]))

    assert 'values = ">=1"' in str(caught.value.hint)
    assert any("number the objects" in line for line in draft.lines)


def test_init_when_masks_are_empty_then_says_which_class_is_made_up(tmp_path: Path) -> None:
    """Nothing shows what the other class would look like."""
    draft = write_classes(write_masks(tmp_path / "raw", [np.zeros((9, 9), np.uint8)]))

    assert "Found in 1 mask: 1 value, 0." in draft.lines
    assert "No mask shows two classes: the row of 255 is made up." in draft.lines


def test_init_when_a_list_names_no_background_then_says_how_names_may_shift(
    tmp_path: Path,
) -> None:
    """A list of objects alone names 0 wrongly, if 0 is the background."""
    raw = write_masks(
        tmp_path / "raw", [np.arange(4, dtype=np.uint8).repeat(9)[:, None].repeat(9, axis=1)]
    )
    (raw / "classes.txt").write_text("road\nroof\nwater\nsky\n")

    draft = write_classes(raw)

    assert draft.lines[0] == "classes: road, roof, water, sky"
    told = "If 0 is the background, not 'road', the names belong one row lower."
    assert told in draft.lines


def test_init_when_masks_have_16_bit_colors_then_refused_as_prepare_does(tmp_path: Path) -> None:
    """A file of classes that no command could use is not written."""
    mask = np.zeros((9, 9, 3), np.uint16)
    mask[:4, :, 1] = 65535

    with pytest.raises(DataError, match="16-bit colours"):
        write_classes(write_masks(tmp_path / "raw", [mask]))

    assert not (tmp_path / "raw/classes.toml").exists()


def test_init_when_names_begin_alike_in_subfolders_then_what_is_proposed_fits(
    tmp_path: Path,
) -> None:
    """The expression is searched in the path, not in the stem that a prepared file gets."""
    mask = np.arange(2, dtype=np.uint8).repeat(9)[:, None].repeat(9, axis=1)
    for folder in ("a", "b"):
        for name in ("images", "masks"):
            (tmp_path / name / folder).mkdir(parents=True)
            for number in range(3):
                cv2.imwrite(str(tmp_path / name / folder / f"s{number}.png"), mask)

    draft = write_classes(tmp_path)

    assert not any("--group-by" in line for line in draft.lines)


class _FullDisk(io.StringIO):
    """A file that takes nothing, as the disk is full."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_init_when_the_disk_is_full_then_no_part_of_the_file_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty file would be taken for the user's own, and would not be overwritten."""
    raw = write_masks(tmp_path / "raw", [np.eye(9, dtype=np.uint8)])
    real = Path.open

    def open_(path: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if path.name == "classes.toml" and mode == "x":
            real(path, mode).close()
            return _FullDisk()
        return real(path, mode, *args, **kwargs)

    monkeypatch.setattr(Path, "open", open_)
    with pytest.raises(DataError, match="No space left on device"):
        write_classes(raw)
    monkeypatch.undo()

    assert write_classes(raw).path.read_text().count("[[class]]") == 2
