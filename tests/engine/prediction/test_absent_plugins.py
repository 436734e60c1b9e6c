# SPDX-License-Identifier: Apache-2.0
"""A model is used where the plugin of the data that it was trained on is not installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.catalog import forget_catalog

pytestmark = pytest.mark.mm


@pytest.mark.parametrize("form", ["work dir", "no metainfo", "published"])
def test_predict_needs_no_plugin_of_the_data_set(
    squares: Path,
    squares_config: Path,
    squares_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    """From a work dir, whose config names the data set, and from one published file."""
    import zoo
    from zoo.cli import main

    run = zoo.train(squares_config, data=squares_data, work_dir=tmp_path / "run")
    model = run.work_dir
    if form == "no metainfo":
        config = run.work_dir / "squares.py"
        config.write_text(config.read_text() + "\ntest_dataloader['dataset'].pop('metainfo')\n")
    if form == "published":
        test = ["test", str(run.work_dir), "--out", str(run.work_dir / "test.json")]
        main(test, standalone_mode=False)
        words = ["publish", str(run.work_dir), "--name", "tiny", "--out", str(tmp_path / "out")]
        words += ["--licence", "MIT", "--data-licence", "CC0-1.0"]
        main(words, standalone_mode=False)
        model = next((tmp_path / "out").glob("*.safetensors"))
    image = next((squares_data / "images").iterdir())
    expected = zoo.load(model)(image).labels

    monkeypatch.setenv("ZOO_PLUGINS", "")
    forget_catalog()

    assert np.array_equal(zoo.load(model)(image).labels, expected)
    assert "zoo.squares.SquareDataset" in (run.work_dir / "squares.py").read_text()
