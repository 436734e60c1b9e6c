# SPDX-License-Identifier: Apache-2.0
"""OpenMMLab's --tta and --show-dir: what is augmented, what is drawn, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config.reading import read_config
from zoo.engine.measuring.test import test as run_test
from zoo.engine.measuring.test_extras import show_while_testing, use_test_time_augmentation
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

_TTA = """
tta_model = dict(type='SegTTAModel')
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='TestTimeAug', transforms=[
        [dict(type='RandomFlip', prob=0.), dict(type='RandomFlip', prob=1.)],
        [dict(type='LoadAnnotations')], [dict(type='PackSegInputs')]])]
"""


@pytest.fixture
def config(squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path) -> Any:
    """Read the squares' config with test-time augmentation, bound to its data."""
    squares_config.write_text(squares_config.read_text() + _TTA)
    return read_config(squares_config, data=squares_data, work_dir=tmp_path / "run")


@pytest.fixture
def checkpoint(config: Any, tmp_path: Path) -> Path:
    """Save weights that nobody trained, as mmengine would."""
    import mmseg.models  # noqa: F401 - registers
    import torch
    from mmengine.registry import DefaultScope
    from mmseg.registry import MODELS

    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope("mmseg"):
        module = MODELS.build(config.model)
    meta = {"dataset_meta": {"classes": ("ground", "square")}}
    torch.save({"meta": meta, "state_dict": module.state_dict()}, tmp_path / "w.pth")
    return tmp_path / "w.pth"


def test_tta_when_flips_are_averaged_gives_other_values(config: Any, checkpoint: Path) -> None:
    """Averaging over a flip changes what untrained weights say, and the weights do load."""
    plain = run_test(config, checkpoint)
    augmented = run_test(config, checkpoint, tta=True)

    assert set(plain) == set(augmented)
    assert plain["mDice"] != augmented["mDice"]


@pytest.mark.parametrize("tta", [False, True])
def test_calibration_is_of_the_labels_that_are_counted(
    config: Any, checkpoint: Path, tmp_path: Path, tta: bool
) -> None:
    """Merged labels have none: mmseg keeps the scores of the last augmentation beside them."""
    run_test(config, checkpoint, tta=tta, out=tmp_path / "t.json")

    for row in json.loads((tmp_path / "t.json").read_text())["per_image"]:
        right = sum(row["confusion"][label][label] for label in (0, 1))
        assert ("calibration" in row) == (not tta)
        assert tta or right == sum(correct for _, _, correct in row["calibration"])


def test_tta_without_its_parts_refuses(config: Any) -> None:
    """A config that has no augmentation says which part it lacks."""
    config.pop("tta_pipeline")

    with pytest.raises(ConfigError, match="cannot test with --tta: the config has no tta_pipeline"):
        use_test_time_augmentation(config)


def squares_score(predicted: Any, truth: Any) -> float:
    """Return by hand the mean Dice of both classes, of which none is called background."""
    dice = []
    for index in (0, 1):
        found, wanted = predicted == index, truth == index
        total = int(found.sum() + wanted.sum())
        if total:
            dice.append(2 * int((found & wanted).sum()) / total)
    return sum(dice) / len(dice)


@pytest.mark.parametrize("tta", [False, True])
def test_show_dir_when_given_holds_a_picture_of_every_image_the_worst_first(
    config: Any, checkpoint: Path, tmp_path: Path, squares_data: Path, tta: bool
) -> None:
    """Every image of the split, numbered by its score, which is Dice worked out here."""
    import cv2

    from zoo.engine.prediction.predictor import Predictor

    config.dump(str(tmp_path / "c.py"))
    run_test(config, checkpoint, tta=tta, show_dir=tmp_path / "shown")

    index = json.loads((tmp_path / "shown" / "index.json").read_text())
    rows = index["pictures"]
    stems = (squares_data / "splits" / "test.txt").read_text().split()
    assert sorted(Path(row["file"]).stem for row in rows) == sorted(stems)
    assert [row["picture"][:4] for row in rows] == [f"{n:03d}_" for n in range(1, len(rows) + 1)]
    assert [row["score"] for row in rows] == sorted(row["score"] for row in rows)
    drawn = sorted(path.name for path in (tmp_path / "shown").glob("*.png"))
    assert drawn == sorted(row["picture"] for row in rows)
    if not tta:
        predictor = Predictor(f"{tmp_path / 'c.py'},{checkpoint}")
        for row in rows:
            result: Any = predictor(row["file"])
            mask = cv2.imread(str(squares_data / "masks" / Path(row["file"]).name), 0)
            assert row["score"] == pytest.approx(squares_score(result.labels, mask))


def test_show_dir_when_used_again_holds_the_pictures_of_the_last_test(
    config: Any, checkpoint: Path, tmp_path: Path
) -> None:
    """Those of an earlier test go, and nothing else does."""
    folder = tmp_path / "shown"
    run_test(config, checkpoint, show_dir=folder)
    first = json.loads((folder / "index.json").read_text())
    renamed = folder / first["pictures"][0]["picture"]
    renamed.rename(folder / "999_old.png")
    first["pictures"][0]["picture"] = "999_old.png"
    (folder / "index.json").write_text(json.dumps(first))
    (folder / "mine.png").write_bytes(b"mine")

    run_test(config, checkpoint, show_dir=folder)

    assert not (folder / "999_old.png").exists()
    assert (folder / "mine.png").read_bytes() == b"mine"
    second = json.loads((folder / "index.json").read_text())
    assert {path.name for path in folder.glob("0*.png")} == {
        row["picture"] for row in second["pictures"]
    }


def test_show_without_a_hook_refuses_and_names_another_way() -> None:
    """There is nothing that could open a window."""
    from mmengine.config import Config

    with pytest.raises(ConfigError, match="no visualisation hook") as caught:
        show_while_testing(Config({"default_hooks": {}}))
    assert "--show-dir" in str(caught.value.hint)


def test_show_turns_on_the_configs_own_hook() -> None:
    """For every image, in a window."""
    from mmengine.config import Config

    config = Config({"default_hooks": {"visualization": {"type": "SegVisualizationHook"}}})

    show_while_testing(config, wait_s=3.0)

    hook = config.default_hooks.visualization
    assert (hook.draw, hook.show, hook.interval, hook.wait_time) == (True, True, 1, 3.0)
