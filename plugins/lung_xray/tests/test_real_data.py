# SPDX-License-Identifier: Apache-2.0
"""The public set itself; facts of it are from the SOURCES.md that lies beside it."""

from pathlib import Path

import cv2
import pytest
from zoo_lung_xray.prepare import prepare

from zoo.data import Report, Shares, check_prepared, read_prepared

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def written(real_xrays: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    out = tmp_path_factory.mktemp("real") / "data"
    return out, prepare(real_xrays, out, shares=Shares())


def test_prepare_when_real_finds_300_pairs_and_24_unlabelled(written: tuple[Path, Report]) -> None:
    """138 of Montgomery and 162 of Shenzhen have masks, 24 of Shenzhen have none."""
    out, report = written
    files = read_prepared(out).files

    assert len(files) == 300
    assert sum(file.meta["source_set"] == "montgomery" for file in files) == 138
    assert len(report.dropped) == 24
    assert {line.text for line in report.dropped} == {"unlabelled: no mask, and listed in 'test'"}
    assert report.notes == []
    assert check_prepared(out) == []


def test_prepare_when_real_groups_repeat_patients(written: tuple[Path, Report]) -> None:
    """Five files of two patients of Montgomery; every other file is a patient of its own."""
    files = read_prepared(written[0]).files
    groups: dict[str, list[str]] = {}
    for file in files:
        groups.setdefault(file.group, []).append(file.stem[:11])

    assert {group: stems for group, stems in groups.items() if len(stems) > 1} == {
        "MCUCXR_0113": ["MCUCXR_0113", "MCUCXR_0117"],
        "MCUCXR_0162": ["MCUCXR_0162", "MCUCXR_0166", "MCUCXR_0170"],
    }
    assert len({file.split for file in files if file.group == "MCUCXR_0162"}) == 1


def test_prepare_when_real_labels_are_the_masks_cut_at_half(
    real_xrays: Path, written: tuple[Path, Report]
) -> None:
    """Dice between what was written and the raw mask above 127 is 1 for each file."""
    out, _ = written
    for file in read_prepared(out).files:
        labels = cv2.imread(str(out / "masks" / f"{file.stem}.png"), cv2.IMREAD_UNCHANGED) == 1
        raw = cv2.imread(str(real_xrays / file.source_masks[0]), cv2.IMREAD_GRAYSCALE) > 127

        assert 2 * (labels & raw).sum() == labels.sum() + raw.sum(), file.stem
