# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import cv2
import numpy as np
import pytest
from zoo_lung_xray.facts import read_stem
from zoo_lung_xray.sample import write_sample

from zoo.errors import DataError

ROOT = "Lung Segmentation"
Counts = np.ndarray


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def read_all(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def best_threshold_dice(lung: Counts, rest: Counts) -> float:
    """Return the mean Dice of the best threshold for all pictures, whichever side is lung.

    Args:
        lung: ``(N, 256)``, how many lung pixels of each picture have each grey value.
        rest: The same of the other pixels.
    """
    scores = []
    for inside, outside in ((lung, rest), (lung[:, ::-1], rest[:, ::-1])):
        hit, wrong = inside.cumsum(axis=1), outside.cumsum(axis=1)
        dice = 2 * hit / (inside.sum(axis=1, keepdims=True) + hit + wrong)
        scores.append(dice.mean(axis=0).max())
    return float(max(scores))


def test_best_threshold_dice_when_a_threshold_is_perfect_is_one() -> None:
    """The measure itself: lung darker, or brighter, than everything else, is found."""
    dark, bright = np.zeros((2, 256), int), np.zeros((2, 256), int)
    dark[:, 10:20], bright[:, 30:40] = 5, 7

    assert best_threshold_dice(dark, bright) == 1.0
    assert best_threshold_dice(bright, dark) == 1.0


def test_write_sample_when_default_has_names_of_the_public_set(sample: Path) -> None:
    """60 pairs; Shenzhen masks carry _mask, Montgomery's do not; unpaired both ways."""
    images, masks, test = (names(sample / ROOT / name) for name in ("CXR_png", "masks", "test"))
    montgomery = {name for name in images if name.startswith("MCUCXR")}
    shenzhen = images - montgomery

    assert len(images) == 63
    assert len(montgomery) == 27
    assert montgomery < masks
    assert {name.replace(".png", "_mask.png") for name in shenzhen - test} < masks
    assert len(test) == 3
    assert test < shenzhen
    assert len(masks) == 61
    assert all(read_stem(Path(name).stem).source_set != "other" for name in images)


def test_write_sample_when_default_holds_repeat_patients(sample: Path) -> None:
    """Five files of two patients, so that splits by patient differ from splits by file."""
    stems = [Path(name).stem for name in names(sample / ROOT / "CXR_png")]
    patients = [read_stem(stem).patient for stem in stems]

    assert patients.count("MCUCXR_0113") == 2
    assert patients.count("MCUCXR_0162") == 3
    assert len(set(patients)) == len(patients) - 3


def test_write_sample_when_default_has_masks_with_grey_edges(sample: Path) -> None:
    """As published masks: mostly 0 and 255, some hundred levels between along the edges."""
    for path in sorted((sample / ROOT / "masks").iterdir())[::10]:
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        counts = np.bincount(mask.ravel(), minlength=256)

        assert mask.shape == (192, 192)
        assert np.count_nonzero(counts) > 60
        assert counts[1:255].sum() < 0.06 * mask.size
        assert 0.10 < (mask > 127).mean() < 0.45


def test_write_sample_when_best_threshold_is_taken_scores_at_most_three_quarters(
    sample: Path,
) -> None:
    """No single grey value finds the lungs: the set cannot be solved without learning shapes."""
    lung, rest = [], []
    for path in (sample / ROOT / "masks").iterdir():
        stem = path.stem.removesuffix("_mask")
        image = cv2.imread(str(sample / ROOT / "CXR_png" / f"{stem}.png"), cv2.IMREAD_UNCHANGED)
        if image is None:
            continue  # the mask without a picture
        is_lung = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) > 127
        lung.append(np.bincount(image[is_lung], minlength=256))
        rest.append(np.bincount(image[~is_lung], minlength=256))

    assert best_threshold_dice(np.array(lung), np.array(rest)) <= 0.75


def test_write_sample_when_seed_is_equal_gives_equal_bytes(tmp_path: Path) -> None:
    """The same seed twice, and another seed."""
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_sample(tmp_path / name, seed=seed, count=2, size_px=64)

    assert read_all(tmp_path / "a") == read_all(tmp_path / "b")
    assert set(read_all(tmp_path / "a").values()).isdisjoint(read_all(tmp_path / "c").values())


def test_write_sample_when_longer_keeps_the_pictures_of_the_shorter(tmp_path: Path) -> None:
    """A picture is decided by seed and name alone."""
    for count in (12, 14):
        write_sample(tmp_path / str(count), count=count, size_px=64)
    short, long = (read_all(tmp_path / str(count)) for count in (12, 14))
    short_pairs = {name: data for name, data in short.items() if "/test/" not in name}

    assert short_pairs.items() <= long.items()


def test_write_sample_when_progress_is_given_tells_every_picture(tmp_path: Path) -> None:
    """Three unlabelled pictures come on top of the pairs."""
    told: list[tuple[int, int]] = []

    write_sample(tmp_path / "x", count=1, size_px=64, progress=lambda *step: told.append(step))

    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count is 0, expected 1 or more"),
        ({"seed": -1}, "seed is -1, expected 0 or more"),
        ({"size_px": 63}, "size_px is 63, expected 64 or more"),
    ],
)
def test_write_sample_when_an_argument_is_too_small_writes_nothing(
    tmp_path: Path, arguments: dict[str, int], message: str
) -> None:
    """The argument is named with its value and its least."""
    with pytest.raises(DataError, match=message):
        write_sample(tmp_path / "out", **arguments)

    assert not (tmp_path / "out").exists()


def test_write_sample_when_out_holds_files_leaves_them(tmp_path: Path) -> None:
    """Nothing is overwritten."""
    (tmp_path / "mine.txt").write_text("mine")

    with pytest.raises(DataError, match="expected nothing there"):
        write_sample(tmp_path, count=1, size_px=64)

    assert names(tmp_path) == {"mine.txt"}
