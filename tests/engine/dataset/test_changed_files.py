# SPDX-License-Identifier: Apache-2.0
"""A run whose images change under it: refused when it resumes, and said when it begins."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import DataError

pytestmark = [pytest.mark.mm, pytest.mark.slow]


@pytest.mark.parametrize("folder", ["images", pytest.param("masks", marks=pytest.mark.release)])
def test_run_whose_data_changed_is_not_resumed(
    squares: Path,
    squares_config: Path,
    squares_data: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    folder: str,
) -> None:
    """One message with the file; the work dir is as it was; ``--other-data`` goes on."""
    import cv2

    from zoo.data import read_prepared
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.dataset.history import read_history
    from zoo.engine.runs.training import train

    data = tmp_path / "data"
    shutil.copytree(squares_data, data)
    common: dict[str, Any] = {"data": data, "work_dir": tmp_path / "run"}
    train(squares_config, **common, max_steps=2)
    assert "changed after" not in caplog.text
    stem = next(row.stem for row in read_prepared(data).files if row.split == "train")
    path = data / folder / f"{stem}.png"
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), pixels // 2 if folder == "images" else 1 - pixels)
    before = sorted((tmp_path / "run").rglob("*"))

    with pytest.raises(DataError) as caught:
        train(squares_config, **common, max_steps=4, resume=True)
    after = sorted((tmp_path / "run").rglob("*"))
    forced = train(squares_config, **common, max_steps=4, resume=True, other_data=True)
    noted = read_history(load_checkpoint(tmp_path / "run" / "iter_4.pth").meta)
    train(squares_config, **common | {"work_dir": tmp_path / "new"}, max_steps=1)

    assert caught.value.message == (
        "cannot resume from 'iter_2.pth': 1 file changed after the data was prepared: "
        f"{folder}/{stem}.png: its pixels are not those that were prepared."
    )
    assert "--other-data" in str(caught.value.hint)
    assert before == after
    assert forced.steps == 4
    assert [(use.step, use.changed) for use in noted] == [(0, 0), (2, 1)]
    assert noted[0].digest == noted[1].digest
    assert caplog.text.count("1 file changed after the data was prepared") == 2


def test_each_data_set_of_a_run_is_looked_at(
    squares_config: Path, squares_data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Several are trained on together, and another one may be validated on."""
    import cv2

    from zoo.data import read_prepared
    from zoo.engine.dataset.changed_files import check_unchanged

    roots = [Path(shutil.copytree(squares_data, tmp_path / name)) for name in "abc"]
    a, b, c = ({"type": "SquareDataset", "data_root": str(root)} for root in roots)
    config = {
        "train_dataloader": {"dataset": {"type": "ConcatDataset", "datasets": [a, b]}},
        "val_dataloader": {"dataset": {"type": "RepeatDataset", "dataset": c}},
    }
    assert check_unchanged(config, None) == 0
    for count, root in enumerate(reversed(roots), start=1):
        split = "val" if root.name == "c" else "train"
        stem = next(row.stem for row in read_prepared(root).files if row.split == split)
        path = root / "images" / f"{stem}.png"
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 2)

        assert check_unchanged(config, None) == count
    with pytest.raises(DataError, match="3 files changed after") as caught:
        check_unchanged(config, "iter_2.pth")
    assert caught.value.where == str(roots[0])


def test_images_that_changed_are_noted_as_they_are_and_as_they_were(
    squares_data: Path, tmp_path: Path
) -> None:
    """A run that goes on has seen both; changed labels, and images of other splits, add nothing."""
    import cv2

    from zoo.data import read_prepared
    from zoo.data.pictures.digests import digest_pixels
    from zoo.engine.dataset.history import current_use

    root = Path(shutil.copytree(squares_data, tmp_path / "data"))
    stems = {row.split: row.stem for row in read_prepared(root).files}
    data_set = {"type": "SquareDataset", "data_root": str(root)}
    before = current_use({"train_dataloader": {"dataset": data_set}}).images
    for name in (f"images/{stems['train']}", f"images/{stems['test']}", f"masks/{stems['val']}"):
        path = root / f"{name}.png"
        cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 2)
    pixels = cv2.imread(str(root / f"images/{stems['train']}.png"), cv2.IMREAD_UNCHANGED)
    pixels = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)

    use = current_use({"train_dataloader": {"dataset": data_set}}, 2)

    assert use.changed == 2
    assert set(use.images["train"]) == {*before["train"], digest_pixels(pixels)[:16]}
    assert use.images["val"] == before["val"]
