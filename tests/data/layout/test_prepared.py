# SPDX-License-Identifier: Apache-2.0
"""``dataset.json`` is read back as it was meant, or refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data import Report, Shares, read_prepared
from zoo.data.prepare.rerun import read_report
from zoo.errors import DataError

pytestmark = pytest.mark.mm


@pytest.fixture
def prepared(
    make_raw: Callable[..., Path],
    prepare: Callable[..., Report],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return a copy of a folder that is prepared once: there are many ways to spoil it."""
    kept = tmp_path_factory.getbasetemp() / "prepared_blobs"
    if not kept.exists():
        prepare(make_raw(), kept)
    return Path(shutil.copytree(kept, tmp_path / "out"))


def _edit(root: Path, **changes: Any) -> None:
    path = root / "dataset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_read_prepared_when_written_then_read_back(prepared: Path) -> None:
    """What the engine needs is all there."""
    found = read_prepared(prepared)

    assert found.type == "zoo.blobs.BlobDataset"
    assert found.classes == ("ground", "blob")
    assert found.palette == ((0, 0, 0), (0, 158, 115))
    assert Shares(0.6, 0.2, 0.2) == found.shares
    assert sum(split.count for split in found.splits.values()) == len(found.files) == 24
    assert found.image_path("p00_0").exists()
    assert found.mask_path("p00_0").exists()
    assert json.loads((prepared / "dataset.json").read_text()) == found.to_dict()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda root: (root / "dataset.json").unlink(), "it holds no dataset.json"),
        (
            lambda root: (root / "dataset.json").write_text("{"),
            "cannot read dataset.json: it is not JSON",
        ),
        (lambda root: (root / "dataset.json").write_text("[]"), "found schema None"),
        (lambda root: _edit(root, schema=2), "found schema 2, expected 1"),
        (lambda root: _edit(root, schema="1"), "found schema '1'"),
        (lambda root: _edit(root, classes=["a", "b"]), "it was changed after it was written"),
        (lambda root: _edit(root, files=[{}]), "files row 1 lacks the key 'stem'"),
        (
            lambda root: _edit(root, palette=[1, 2]),
            "palette is [1, 2], expected [red, green, blue] of",
        ),
        (lambda root: (root / "splits" / "val.txt").unlink(), "cannot read the split 'val'"),
        (lambda root: (root / "splits" / "val.txt").write_text("x\n"), "its list holds 1 stems"),
    ],
)
def test_read_prepared_when_spoilt_then_refused(
    prepared: Path, spoil: Callable[[Path], object], told: str
) -> None:
    """Each fault has its sentence, its place and a hint."""
    spoil(prepared)

    with pytest.raises(DataError) as caught:
        read_prepared(prepared)

    assert told in caught.value.message
    assert str(prepared) in str(caught.value.where)
    assert caught.value.hint


def _seal(root: Path, content: dict[str, Any]) -> None:
    """Write a ``dataset.json`` whose own digest fits, as whoever forges one would."""
    kept = {key: value for key, value in content.items() if key != "digest"}
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()
    (root / "dataset.json").write_text(json.dumps(kept | {"digest": digest}))


def _row(key: str, value: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content["files"][0].update({key: value})


FORGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "schema of true": (lambda c: c.update(schema=True), "found schema True, expected 1"),
    "task": (lambda c: c.update(task="panoptic"), "task is 'panoptic', expected one of"),
    "task in a list": (lambda c: c.update(task=["semantic"]), "task is ['semantic'], expected"),
    "task of other rows": (
        lambda c: c.update(task="instance"),
        "files row 1 lacks the key 'scene'",
    ),
    "no data set": (lambda c: c.update(dataset=[]), "dataset is [], expected an object"),
    "plugin": (lambda c: c["dataset"].update(plugin="os.system"), "dataset plugin is 'os.system'"),
    "version": (lambda c: c["dataset"].update(version=1), "dataset version is 1, expected some"),
    "more of the data set": (lambda c: c["dataset"].update(x=1), "dataset has the unknown key 'x'"),
    "type": (lambda c: c.update(type="os.system"), "type is 'os.system', expected 'zoo.blobs."),
    "classes of numbers": (
        lambda c: c.update(classes=[1, 2]),
        "classes is [1, 2], expected a list",
    ),
    "classes in lists": (lambda c: c.update(classes=[["a"], ["b"]]), "classes is [['a'], ['b']]"),
    "no classes": (lambda c: c.update(classes=[], palette=[]), "classes is [], expected at least"),
    "one class more": (lambda c: c["classes"].append("x"), "expected 3 colours, one for each"),
    "classes in one text": (lambda c: c.update(classes="ab"), "classes is 'ab', expected a list"),
    "palette of 256": (lambda c: c.update(palette=[[0, 0, 256], [0, 0, 0]]), "palette is [[0, 0"),
    "palette of floats": (lambda c: c.update(palette=[[0.5, 0, 0], [0, 0, 0]]), "palette is [[0.5"),
    "palette of truth": (
        lambda c: c.update(palette=[[True, 0, 0], [0, 0, 0]]),
        "palette is [[True",
    ),
    "palette of two": (lambda c: c.update(palette=[[0, 0], [0, 0]]), "palette is [[0, 0], [0, 0]]"),
    "infinite palette": (
        lambda c: c.update(palette=[[float("inf"), 0, 0], [0, 0, 0]]),
        "it holds the number inf, expected finite ones",
    ),
    "labels": (lambda c: c.update(labels="guessed"), "labels is 'guessed', expected one of true"),
    "options": (lambda c: c.update(options=[1]), "options is [1], expected an object"),
    "two shares": (lambda c: c.update(shares=[0.5, 0.5]), "shares is [0.5, 0.5], expected three"),
    "shares of text": (lambda c: c.update(shares=["1", "0", "0"]), "shares is ['1', '0', '0']"),
    "shares above one": (lambda c: c.update(shares=[1, 1, 0]), "three numbers in 0..1"),
    "splits": (lambda c: c.update(splits={}), "splits is {}, expected what its files say"),
    "count of a split": (lambda c: c["splits"]["val"].update(count=0), "expected what its files"),
    "stem that leads out": (_row("stem", "../../x"), "stem is '../../x', expected a file's name"),
    "stem of another kind": (_row("stem", 7), "files row 1 stem is 7, expected a file's name"),
    "stem with a line": (_row("stem", "a\nb"), r"stem is 'a\nb', expected a file's name"),
    "stem twice": (_row("stem", "p00_1"), "two rows of files have the same stem"),
    "split": (_row("split", "all"), "split is 'all', expected one of train, val, test"),
    "height": (_row("height_px", 0), "height_px is 0, expected a whole number of 1 or more"),
    "width of truth": (_row("width_px", True), "width_px is True, expected a whole number"),
    "digest of an image": (_row("image_sha256", "0"), "image_sha256 is '0', expected 64 hex"),
    "source": (_row("source_image", None), "source_image is None, expected a text"),
    "masks of the source": (_row("source_masks", "ab"), "source_masks is 'ab', expected a list"),
    "meta": (_row("meta", []), "meta is [], expected an object"),
    "more of a row": (_row("suffix", ".png"), "files row 1 has the unknown key 'suffix'"),
    "more": (lambda c: c.update(notes=[]), "it has the unknown key 'notes'"),
    "less": (lambda c: c.pop("options"), "it lacks the key 'options'"),
}


@pytest.mark.parametrize("name", FORGED)
def test_read_prepared_when_one_key_is_forged_then_refused_by_its_name(
    prepared: Path, name: str
) -> None:
    """Every key of ``dataset.json`` is checked, though its digest fits."""
    forge, told = FORGED[name]
    content = json.loads((prepared / "dataset.json").read_text())
    forge(content)
    _seal(prepared, content)

    with pytest.raises(DataError) as caught:
        read_prepared(prepared)

    assert told in caught.value.message
    assert caught.value.message.startswith("cannot read dataset.json: ")


def test_read_prepared_when_sealed_unchanged_then_read(prepared: Path) -> None:
    """The forger of these tests is exact: what it does not change is accepted."""
    _seal(prepared, json.loads((prepared / "dataset.json").read_text()))

    assert len(read_prepared(prepared).files) == 24


@pytest.mark.parametrize("name", ["dataset.json", "splits/val.txt", "report.json"])
def test_read_prepared_when_a_file_of_it_is_a_pipe_then_refused(prepared: Path, name: str) -> None:
    """Nothing is waited for."""
    (prepared / name).unlink()
    os.mkfifo(prepared / name)

    with pytest.raises(DataError, match="it is a named pipe, expected a regular file"):
        (read_report if name == "report.json" else read_prepared)(prepared)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("counts", {"images": "many"}),
        ("splits", {"train": {"count": -1, "groups": 1}}),
        ("splits", {"train": {}}),
        ("class_px", []),
        ("dropped", [{"file": "a"}]),
        ("notes", [{"file": 1, "note": "x"}]),
        ("repaired", {}),
    ],
)
def test_read_report_when_a_part_is_of_another_kind_then_refused(
    prepared: Path, part: str, value: Any
) -> None:
    """A report that would break its own summary is refused where it is read."""
    path = prepared / "report.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {part: value}))

    with pytest.raises(DataError, match=rf"cannot read report\.json: {part}"):
        read_report(prepared)


def test_read_prepared_when_no_folder_then_hint_says_how_to_make_one(tmp_path: Path) -> None:
    """The usual mistake is a raw folder, or a typo."""
    with pytest.raises(DataError, match="it does not exist") as caught:
        read_prepared(tmp_path / "nothing")

    assert "zoo data prepare" in str(caught.value.hint)


def test_read_report_when_damaged_then_refused(prepared: Path) -> None:
    """The report is part of the folder."""
    (prepared / "report.json").write_text("{}")

    with pytest.raises(DataError, match=r"cannot read report\.json"):
        read_report(prepared)


def test_read_prepared_when_read_twice_then_parsed_once_until_it_changes(prepared: Path) -> None:
    """A change of no byte's number is seen: by the time of it."""
    first = read_prepared(prepared)
    path = prepared / "dataset.json"
    content = path.read_text()

    again = read_prepared(prepared)
    path.write_text(content.replace('"count": 1', '"count": 2', 1))

    assert again is first
    assert len(path.read_text()) == len(content)
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_prepared(prepared)
    path.write_text(content)
    assert read_prepared(prepared) == first
