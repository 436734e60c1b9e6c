# SPDX-License-Identifier: Apache-2.0
"""OpenMMLab's --tta and --show-dir: what is augmented, what is drawn, what is refused."""

from pathlib import Path
from typing import Any

import pytest

from zoo.engine.config.reading import read_config
from zoo.engine.measuring.test import test as run_test
from zoo.engine.measuring.test_extras import draw_while_testing, use_test_time_augmentation
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


def test_tta_without_its_parts_refuses(config: Any) -> None:
    """A config that has no augmentation says which part it lacks."""
    config.pop("tta_pipeline")

    with pytest.raises(ConfigError, match="cannot test with --tta: the config has no tta_pipeline"):
        use_test_time_augmentation(config)


def test_show_dir_when_given_holds_a_picture_of_every_image(
    config: Any, checkpoint: Path, tmp_path: Path, squares_data: Path
) -> None:
    """Every image of the split is drawn, not one in fifty."""
    draw_while_testing(config, tmp_path / "shown")

    run_test(config, checkpoint)

    stems = (squares_data / "splits" / "test.txt").read_text().split()
    drawn = [path.name for path in (tmp_path / "shown").rglob("*.png")]
    assert len(stems) > 0
    assert all(any(stem in name for name in drawn) for stem in stems)


def test_show_dir_for_mmdet_names_the_hooks_own_folder(tmp_path: Path) -> None:
    """mmdet's hook keeps the folder itself."""
    from mmengine.config import Config

    hook = {"visualization": {"type": "DetVisualizationHook"}}
    config = Config({"default_hooks": hook, "visualizer": {}})

    draw_while_testing(config, tmp_path / "shown")

    assert config.default_hooks.visualization.test_out_dir == str(tmp_path / "shown")


def test_show_dir_without_a_hook_refuses() -> None:
    """There is nothing that could draw."""
    from mmengine.config import Config

    with pytest.raises(ConfigError, match="no visualisation hook"):
        draw_while_testing(Config({"default_hooks": {}}), "shown")
