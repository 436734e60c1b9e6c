# SPDX-License-Identifier: Apache-2.0
"""How often a run was shown each image."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook

__all__ = ["CountImages"]


class CountImages(Hook):
    """Writes ``shown.json`` into the work dir: how often each image was trained on, by its path.

    Args:
        file_name: Of the file.
    """

    def __init__(self, file_name: str = "shown.json") -> None:
        self.file_name = file_name
        self.shown: Counter[str] = Counter()

    def after_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
    ) -> None:
        """Count the images of one batch."""
        self.shown.update(sample.metainfo["img_path"] for sample in data_batch["data_samples"])

    def after_train(self, runner: Any) -> None:
        """Write the file."""
        (Path(runner.work_dir) / self.file_name).write_text(json.dumps(self.shown))
