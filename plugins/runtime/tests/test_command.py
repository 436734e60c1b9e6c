# SPDX-License-Identifier: Apache-2.0
"""What the command line writes into a folder, and what it leaves alone."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytestmark = pytest.mark.mm
pytest.importorskip("onnxruntime")

from zoo_runtime.command import main  # noqa: E402 (after the skip)

from zoo.data import encode_png  # noqa: E402

if TYPE_CHECKING:
    from numpy.typing import NDArray

DOCUMENT = "predictions.json"


@pytest.fixture
def folder(photo: NDArray[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with two images."""
    monkeypatch.chdir(tmp_path)
    for name in ("001", "002"):
        (tmp_path / f"{name}.png").write_bytes(encode_png(photo))
    return tmp_path


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def _document(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / DOCUMENT).read_text())
    return document


@pytest.mark.parametrize(
    "name", ["001_label.png", "002_overlay.png", DOCUMENT, "001_label.png -> truth", "-> nowhere"]
)
def test_file_of_others_is_not_replaced(
    semantic_file: Path, folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A truth beside its image, a document of zoo predict, a link: all stay, and nothing is new."""
    if name.endswith("-> truth"):
        (folder / "truth.png").write_bytes(b"truth")
        (folder / "001_label.png").symlink_to("truth.png")
    elif name.endswith("-> nowhere"):
        (folder / "001_label.png").symlink_to("nowhere.png")
    else:
        (folder / name).write_bytes(b'{"schema": "zoo.prediction/1", "files": ["001_label.png"]}')
    before = _contents(folder)

    code = main([str(semantic_file), "001.png", "002.png", "--out", "."])

    assert code == 1
    assert before == _contents(folder)
    told = capsys.readouterr().err
    assert "this command did not write it" in told
    assert "HINT: choose another folder with --out." in told


@pytest.mark.parametrize("link", [None, "symbolic", "hard"])
def test_image_is_not_replaced(
    semantic_file: Path, folder: Path, link: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even if the file was a result of this command before, nor by another path."""
    assert main([str(semantic_file), "001.png", "--out", "."]) == 0
    given = folder / "001_label.png"
    if link is not None:
        given = folder / "other.png"
        make = os.symlink if link == "symbolic" else os.link
        make(folder / "001_label.png", given)
    before = _contents(folder)

    code = main([str(semantic_file), "001.png", str(given), "--out", "."])

    assert code == 1
    assert before == _contents(folder)
    assert "cannot replace '001_label.png': it is one of the images" in capsys.readouterr().err


def test_results_are_replaced_by_later_ones(semantic_file: Path, folder: Path) -> None:
    """Of any earlier run, of other images and of one that failed on them among them."""
    words = [str(semantic_file), "--out", "."]
    good = (folder / "001.png").read_bytes()
    assert main([*words, "001.png", "002.png"]) == 0
    first = _contents(folder)
    (folder / "001.png").write_bytes(good[:100])
    assert main([*words, "001.png"]) == 1
    (folder / "001.png").write_bytes(good)
    assert main([*words, "002.png", "--no-overlays"]) == 0

    code = main([*words, "001.png", "002.png"])

    assert code == 0
    assert first == _contents(folder)


def test_run_that_was_interrupted_can_be_repeated(
    semantic_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it left is known to be of this command."""
    words = [str(semantic_file), "001.png", "002.png", "--out", "found"]
    replace, count = os.replace, iter(range(100))

    def interrupted(source: Path, target: Path) -> None:
        if next(count) == 4:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(words)
    left = set(_contents(folder / "found"))
    monkeypatch.undo()
    os.chdir(folder)

    assert left == {DOCUMENT, "001_label.png", "001_overlay.png", "002_overlay.png"}
    assert main(words) == 0
    assert len(_document(folder / "found")["images"]) == 2


def test_document_is_written_when_all_images_fail(semantic_file: Path, folder: Path) -> None:
    """An older one does not stay beside a run that it is not about."""
    words = [str(semantic_file), "001.png", "--out", "found"]
    assert main(words) == 0
    (folder / "001.png").unlink()

    code = main(words)

    document = _document(folder / "found")
    assert code == 1
    assert document["images"] == []
    assert [each["file"] for each in document["failures"]] == ["001.png"]
    assert document["files"] == ["001_label.png", "001_overlay.png"]


def test_full_disk_leaves_no_part(
    semantic_file: Path,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One message, and the folder is as it was."""

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)

    code = main([str(semantic_file), "001.png", "--out", "found"])

    assert code == 1
    assert "cannot write 'predictions.json': No space left on device." in capsys.readouterr().err
    assert list((folder / "found").iterdir()) == []


def test_parts_of_two_runs_have_different_names(
    semantic_file: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs may write one file at the same time; each replaces it with its own bytes."""
    parts: list[str] = []
    replace = os.replace

    def noted(source: Path, target: Path) -> None:
        parts.append(Path(source).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", noted)
    mask = os.umask(0o022)
    try:
        for _ in range(2):
            assert main([str(semantic_file), "001.png", "--out", "found"]) == 0
    finally:
        os.umask(mask)

    assert len(set(parts)) == len(parts) == 8
    assert (folder / "found" / "001_label.png").stat().st_mode & 0o777 == 0o644
