# SPDX-License-Identifier: Apache-2.0
"""The pictures of a page: of the tested checkpoint and data alone, and with the labels in place."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from zoo_run_report.report import report

import zoo
from zoo.data import decode_image, read_picture, read_prepared
from zoo.errors import DataError

pytestmark = [pytest.mark.mm, pytest.mark.slow]

CONFIG = "unet_small_lung-128"


class Lab(NamedTuple):
    """A run, and the data that it was trained and tested on."""

    run: Path
    data: Path


def prepare(folder: Path, plugin: str, *, size_px: int, seed: int = 0) -> Path:
    """Draw and prepare a few images of a plugin."""
    raw, out = folder / f"raw{seed}", folder / f"data{seed}"
    zoo.sample(plugin, raw, count=12, seed=seed, size_px=size_px)
    zoo.prepare(plugin, raw, out, shares="0.2,0.2,0.6")
    return out


@pytest.fixture(scope="module")
def lungs(
    tmp_path_factory: pytest.TempPathFactory, warm_zoo: Path, env_of_zoo: dict[str, str]
) -> Lab:
    """Train for a step, as a user does, and test."""
    folder = tmp_path_factory.mktemp("lungs")
    lab = Lab(folder / "run", prepare(folder, "lung_xray", size_px=96))
    train = ["train", CONFIG, "--data", lab.data, "--work-dir", lab.run, "--max-steps", "1"]
    for words in (train, ["test", lab.run, "--out", lab.run / "test.json"]):
        subprocess.run([warm_zoo, *words], env=env_of_zoo, check=True, capture_output=True)
    return lab


@pytest.fixture
def copy(lungs: Lab, tmp_path: Path) -> Path:
    """Copy the run, to be changed; its config names the data by its whole path."""
    return Path(shutil.copytree(lungs.run, tmp_path / "run"))


def checkpoint_of(run: Path) -> Path:
    """Return the checkpoint that was tested."""
    return run / str(json.loads((run / "test.json").read_text())["checkpoint"])


def write_other(checkpoint: Path, out: Path) -> None:
    """Save the checkpoint with other weights."""
    import torch

    content = torch.load(checkpoint, weights_only=False)
    content["state_dict"] = {k: v * 0.5 for k, v in content["state_dict"].items()}
    torch.save(content, out)


class Pictures(NamedTuple):
    """What a page shows."""

    files: list[str]
    scores: list[float]
    images: list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]
    text: str


def show(tmp_path: Path, run: Path, **options: Any) -> Pictures:
    """Return the pictures of the page of a run, true and predicted, and the page."""
    page = report([run], tmp_path / "r.html", **({"pictures": 2} | options)).read_text("utf-8")
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"[^>]*alt="([^"]*)"', page)
    decoded = [decode_image(base64.b64decode(code), alt).astype(np.int64) for code, alt in found]
    names = [re.sub(r" with .*", "", alt) for _, alt in found[::2]]
    scores = [float(each) for _, alt in found[1::2] for each in re.findall(r"score ([\d.]+)", alt)]
    return Pictures(names, scores, list(zip(decoded[::2], decoded[1::2], strict=True)), page)


def tinted(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the pixels of an overlay: X-rays are grey, and no colour of a class is."""
    return np.ptp(picture, axis=2) > 24


def test_worst_and_best_show_truth_and_prediction(tmp_path: Path, lungs: Lab) -> None:
    """The order by Dice worked out here; colours where mask and prediction are."""
    pictures = show(tmp_path, lungs.run)

    predict: Any = zoo.load(f"{lungs.run / CONFIG}.py,{checkpoint_of(lungs.run)}")
    stems = (lungs.data / "splits" / "test.txt").read_text().split()
    labels = {
        f"images/{stem}.png": (
            read_picture(lungs.data / "masks" / f"{stem}.png").pixels == 1,
            predict(lungs.data / "images" / f"{stem}.png").labels == 1,
        )
        for stem in stems
    }
    dice = {
        file: 2 * (true & found).sum() / (true.sum() + found.sum())
        for file, (true, found) in labels.items()
    }
    order = sorted(dice, key=lambda file: (dice[file], file))
    assert pictures.files == [*order[:2], *order[:-3:-1]]
    assert pictures.scores == pytest.approx([dice[file] for file in pictures.files], abs=1e-3)
    for file, shown in zip(pictures.files, pictures.images, strict=True):
        for picture, mask in zip(shown, labels[file], strict=True):
            # Outlines and JPEG blur the border by a pixel or two.
            assert (tinted(picture) == mask).mean() > 0.93


def test_renamed_checkpoint_is_found_by_its_digest(tmp_path: Path, lungs: Lab, copy: Path) -> None:
    """Another one is not shown instead: neither one of its name nor one that looks better."""
    expected, tested = show(tmp_path, lungs.run), checkpoint_of(copy)
    tested.rename(copy / "kept.pth")
    for name in (tested.name, "best_mean_dice_iter_9.pth"):
        write_other(copy / "kept.pth", copy / name)

    found = show(tmp_path, copy)

    assert found.files == expected.files
    for pair, other in zip(found.images, expected.images, strict=True):
        assert all(map(np.array_equal, pair, other))


@pytest.mark.parametrize("is_replaced", [False, True])
def test_absent_checkpoint_is_not_replaced_by_another(
    tmp_path: Path, copy: Path, is_replaced: bool
) -> None:
    """The page has no pictures, and says which file is gone."""
    tested = checkpoint_of(copy)
    write_other(tested, tested if is_replaced else copy / "best_mean_dice_iter_9.pth")
    if not is_replaced:
        tested.unlink()

    found = show(tmp_path, copy)

    assert found.files == []
    gone = f"the checkpoint &#39;{tested.name}&#39; is no longer in the work dir, or was replaced"
    assert gone in found.text


def test_other_data_is_refused_and_moved_data_is_found(
    tmp_path: Path, lungs: Lab, copy: Path
) -> None:
    """The digest decides: neither the place nor the names of the images do."""
    other = prepare(tmp_path, "lung_xray", size_px=96, seed=1)
    moved = Path(shutil.copytree(lungs.data, tmp_path / "moved"))
    for config in copy.rglob("*.py"):
        config.write_text(config.read_text().replace(str(lungs.data), str(other)))

    with pytest.raises(DataError, match=r"of the test: its digest is \w{12}, expected \w{12}\."):
        report([copy], tmp_path / "r.html", data=other)
    unknown = show(tmp_path, copy)
    found = show(tmp_path, copy, data=moved)

    assert "the prepared folder is another one than at the time of the test" in unknown.text
    assert unknown.files == []
    assert found.files == show(tmp_path, lungs.run).files


def test_pictures_of_a_test_of_other_options_say_so(tmp_path: Path, copy: Path) -> None:
    """They are predicted as by `zoo predict`, which knows neither."""
    document = json.loads((copy / "test.json").read_text())
    document |= {"tta": True, "cfg_options": ["model.test_cfg.mode=slide"]}
    (copy / "test.json").write_text(json.dumps(document))

    found = show(tmp_path, copy)

    assert "The test used --tta and --cfg-options, and these pictures" in found.text
    assert len(found.files) == 4


def test_pictures_without_time_are_left_out(tmp_path: Path, lungs: Lab) -> None:
    """The page is written, and says that they are missing."""
    found = show(tmp_path, lungs.run, seconds=0.0)

    assert found.files == []
    assert "4 of 4 pictures are left out: time was up." in found.text


BOXES = np.array([[20, 30, 120, 90], [140, 150, 240, 250]], np.float32)


def write_tank_run(folder: Path, data: Path) -> Path:
    """Write a run whose test found nothing; its checkpoint is opened by nobody."""
    log = folder / "run" / "20240101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    log.write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    config = f"test_dataloader = dict(dataset=dict(data_root={str(data)!r}))\n"
    for path in (log.with_name("config.py"), folder / "run" / "c.py"):
        path.write_text(config)
    (folder / "run" / "w.pth").write_bytes(b"weights")
    prepared = read_prepared(data)
    rows = [
        {"file": f"images/{row.image_name}", "values": {"f1": 0.0}, "true": [[0, 9, -1]]}
        for row in prepared.files
        if row.split == "test"
    ]
    document = {
        "schema": "zoo.test/1",
        "split": "test",
        "classes": prepared.classes,
        "config": "c.py",
        "checkpoint": "w.pth",
        "checkpoint_sha256": hashlib.sha256(b"weights").hexdigest(),
        "data": {"digest": prepared.digest},
        "per_image": rows,
    }
    (folder / "run" / "test.json").write_text(json.dumps(document))
    return folder / "run"


def test_objects_are_drawn_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """True masks by pycocotools; predicted boxes as given, but for one that is not counted.

    Its score is just below, that of the other just above what the page says counts as predicted.
    """
    from pycocotools.coco import COCO

    data = prepare(tmp_path, "oil_storage", size_px=256)
    run = write_tank_run(tmp_path, data)
    opened = []

    def load(spec: str, *, score_thr: float = 0.9) -> Any:
        opened.append(spec)
        scores = np.array([0.52, 0.48], np.float32)
        kept = scores >= score_thr
        return lambda path: zoo.InstanceResult(
            boxes=BOXES[kept],
            scores=scores[kept],
            class_ids=np.zeros(kept.sum(), np.int64),
            masks=None,
            classes=("tank",),
            palette=((0, 0, 0),),
            counts_at={},
            score_thr=score_thr,
            height_px=256,
            width_px=256,
            windows=1,
            meta={},
            shown=np.zeros((1, 1), np.uint8),
        )

    monkeypatch.setattr(zoo, "load", load)

    pictures = show(tmp_path, run)

    assert opened == [f"{run}/c.py,{run}/w.pth"]
    assert "objects with a score of 0.5 or more are drawn" in pictures.text
    assert "F1 at IoU 0.5, of objects with a score of 0.5 or more" in pictures.text
    truth = COCO(str(data / "annotations" / "test.json"))
    ids = {Path(image["file_name"]).name: key for key, image in truth.imgs.items()}
    box = np.zeros((256, 256), bool)
    box[30:90, 20:120] = True
    assert len(pictures.files) == 4
    for file, shown in zip(pictures.files, pictures.images, strict=True):
        image = read_picture(data / file).to_uint8().astype(np.int64)
        masks = [truth.annToMask(each) for each in truth.imgToAnns[ids[Path(file).name]]]
        inside = np.any([*masks, np.zeros(box.shape)], axis=0)
        for picture, mask in zip(shown, (inside, box), strict=True):
            changed = np.abs(picture - image).max(axis=2) > 24
            assert (changed == mask).mean() > 0.93


def test_image_that_was_not_prepared_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of another folder's images has no pictures, and one plain reason."""
    run = write_tank_run(tmp_path, prepare(tmp_path, "oil_storage", size_px=256))
    document = json.loads((run / "test.json").read_text())
    document["per_image"][0]["file"] = "images/nowhere.png"
    (run / "test.json").write_text(json.dumps(document))
    monkeypatch.setattr(zoo, "load", lambda spec, **options: None)

    page = report([run], tmp_path / "r.html", pictures=50).read_text("utf-8")

    told = "No pictures: the image &#39;images/nowhere.png&#39; is not in the prepared folder."
    assert told in page
