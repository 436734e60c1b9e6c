# SPDX-License-Identifier: Apache-2.0
"""``dataset.json`` is read back as it was meant, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.data import Report, Shares, read_prepared
from zoo.data.rerun import read_report
from zoo.errors import DataError

pytestmark = pytest.mark.mm


@pytest.fixture
def prepared(make_raw: Callable[..., Path], prepare: Callable[..., Report], tmp_path: Path) -> Path:
    prepare(make_raw(), tmp_path / "out")
    return tmp_path / "out"


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
        (lambda root: (root / "dataset.json").write_text("{"), "cannot read dataset.json: Expect"),
        (lambda root: (root / "dataset.json").write_text("[]"), "found schema None"),
        (lambda root: _edit(root, schema=2), "found schema 2, expected 1"),
        (lambda root: _edit(root, schema="1"), "found schema '1'"),
        (lambda root: _edit(root, classes=["a", "b"]), "it was changed after it was written"),
        (lambda root: _edit(root, files=[{}]), "cannot read dataset.json: KeyError"),
        (lambda root: _edit(root, palette=[1, 2]), "cannot read dataset.json: TypeError"),
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


def test_read_prepared_when_no_folder_then_hint_says_how_to_make_one(tmp_path: Path) -> None:
    """The usual mistake is a raw folder, or a typo."""
    with pytest.raises(DataError, match="there is no such folder") as caught:
        read_prepared(tmp_path / "nothing")

    assert "zoo data prepare" in str(caught.value.hint)


def test_read_report_when_damaged_then_refused(prepared: Path) -> None:
    """The report is part of the folder."""
    (prepared / "report.json").write_text("{}")

    with pytest.raises(DataError, match=r"cannot read report\.json"):
        read_report(prepared)
