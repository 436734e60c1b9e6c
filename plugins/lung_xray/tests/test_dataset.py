# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import numpy as np
import pytest
from zoo_lung_xray.prepare import prepare

from zoo.data import Shares, read_prepared
from zoo.errors import DataError

pytestmark = pytest.mark.mm


@pytest.fixture(scope="module")
def prepared(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "data"
    prepare(sample, out, shares=Shares(), size="32")
    return out


def test_lung_xray_dataset_when_read_by_split_yields_image_and_labels(prepared: Path) -> None:
    """What mmseg's pipeline gets: a BGR image, and ids 0 and 1 of the same size."""
    from zoo_lung_xray.dataset import LungXrayDataset

    dataset = LungXrayDataset(
        data_root=str(prepared),
        ann_file="splits/val.txt",
        pipeline=[{"type": "LoadImageFromFile"}, {"type": "mmseg.LoadAnnotations"}],
    )
    item = dataset[0]

    stems = read_prepared(prepared).splits["val"].stems
    assert [Path(row["img_path"]).stem for row in dataset] == list(stems)
    assert item["img"].shape == (32, 32, 3)
    assert set(np.unique(item["gt_seg_map"])) == {0, 1}


def test_lung_xray_dataset_when_compared_with_prepared_agrees() -> None:
    """Classes and colours are the same for training and for prepared folders."""
    from zoo_lung_xray.dataset import LungXrayDataset
    from zoo_lung_xray.facts import CLASSES, PALETTE

    assert {"classes": CLASSES, "palette": [list(c) for c in PALETTE]} == LungXrayDataset.METAINFO


@pytest.mark.parametrize("missing", ["splits/val.txt", "images"])
def test_lung_xray_dataset_when_something_is_missing_names_it(
    prepared: Path, tmp_path: Path, missing: str
) -> None:
    """An error with the path and the way to make it, not an assertion."""
    from zoo_lung_xray.dataset import LungXrayDataset

    for name in ("splits", "images", "masks"):
        (tmp_path / name).mkdir()
    (tmp_path / "splits/val.txt").write_text("x\n")
    target = tmp_path / missing
    target.unlink() if target.is_file() else target.rmdir()

    with pytest.raises(DataError) as caught:
        LungXrayDataset(data_root=str(tmp_path), ann_file="splits/val.txt")

    assert str(caught.value) == (
        f"cannot read chest X-rays: there is no {target.name!r}.\n"
        f"where: {target}\n"
        "HINT: run 'zoo data prepare lung_xray', and give its folder: --data DIR."
    )
