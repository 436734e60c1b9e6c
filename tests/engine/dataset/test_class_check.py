# SPDX-License-Identifier: Apache-2.0
"""Where a data set's class names come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.mm


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ({"type": "CityscapesDataset", "metainfo": {"classes": ["a", "b"]}}, ("a", "b")),
        ({"type": "PotsdamDataset"}, 6),
        ({"type": "RepeatDataset", "dataset": {"type": "mmseg.DRIVEDataset"}}, 2),
        ({"type": "ConcatDataset", "datasets": [{"type": "DRIVEDataset"}]}, 2),
        ({"type": "BaseSegDataset"}, None),
        ({"type": "zoo.squares.SquareDataset"}, None),
    ],
    ids=["metainfo", "class", "wrapped", "joined", "unknown", "plugin"],
)
def test_dataset_classes_from_metainfo_or_class(
    squares: Path, dataset: dict[str, Any], expected: Any
) -> None:
    from mmengine.config import Config

    from zoo.engine.dataset.class_check import dataset_classes

    config = Config({"default_scope": "mmseg", "model": {}})

    classes = dataset_classes(config, dataset)

    assert (len(classes) if isinstance(expected, int) and classes else classes) == expected


def test_dataset_classes_from_file_of_names(tmp_path: Path) -> None:
    from mmengine.config import Config

    from zoo.engine.dataset.class_check import dataset_classes

    names = tmp_path / "classes.txt"
    names.write_text("bare ground\nsquare\n")
    dataset = {"type": "BaseSegDataset", "metainfo": {"classes": str(names)}}

    assert dataset_classes(Config({}), dataset) == ("bare ground", "square")
