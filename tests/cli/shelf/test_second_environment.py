# SPDX-License-Identifier: Apache-2.0
"""A third party publishes a run; somebody else adds the source and predicts with its row."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from faulty_server import FaultyServer

pytestmark = [pytest.mark.mm, pytest.mark.slow]

Run = Callable[..., subprocess.CompletedProcess[str]]
_LOAD = """
import sys, zoo
print("labels", int((zoo.load("acme/tiny", device="cpu")(sys.argv[1]).labels > 0).sum()))
"""


@pytest.fixture
def stranger(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs Python as somebody without plugins, state, cache and home."""
    home = tmp_path / "stranger"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ZOO_")}
    environment |= {"HOME": str(home), "ZOO_PLUGIN_PATH": "", "ZOO_PLUGINS": "", "COLUMNS": "200"}
    for name in ("STATE", "CONFIG", "CACHE", "DATA"):
        environment[f"XDG_{name}_HOME"] = str(home / name.lower())

    def run(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *(str(word) for word in words)]
        home.mkdir(exist_ok=True)
        done = subprocess.run(
            command, env=environment, cwd=home, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
        return done

    return run


def test_stranger_predicts_with_a_row_of_a_third_party(
    tmp_path: Path,
    server: FaultyServer,
    squares: Path,
    squares_data: Path,
    squares_config: Path,
    run_zoo: Run,
    stranger: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    """Without the publisher's plugin, config and data; the labels are those of the publisher."""

    def zoo(*words: str | Path) -> str:
        done = run_zoo(*words, plugins="squares", folder=squares)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ["train_cfg.max_iters=3", "train_cfg.val_interval=3"]
    options += ["default_hooks.logger.log_metric_by_epoch=False"]
    words = ["--data", squares_data, "--work-dir", tmp_path / "run", "--cfg-options", *options]
    zoo("train", squares_config, *words)
    fingerprint = zoo("source", "key", "new", "--out", tmp_path / "key").strip()
    words = ["--name", "tiny", "--data-licence", "CC0-1.0", "--source", tmp_path / "site"]
    zoo("publish", tmp_path / "run", *words, "--scope", "acme", "--key", tmp_path / "key")
    for path in (tmp_path / "site").rglob("*"):
        if path.is_file():
            name = f"/zoo/{path.relative_to(tmp_path / 'site').as_posix()}"
            server.files[name] = path.read_bytes()
    image = tmp_path / "image.png"
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32), np.uint8)
    cv2.imwrite(str(image), pixels)
    (file,) = (tmp_path / "site").glob("*/tiny.safetensors")
    zoo("predict", file, image, "--out", tmp_path / "own")

    address = f"{server.address}/zoo/"
    stranger("-m", "zoo", "source", "add", address, "--key", fingerprint)
    listed = stranger("-m", "zoo", "list", "--source", "acme").stdout
    stranger("-m", "zoo", "predict", "acme/tiny", image, "--out", tmp_path / "theirs")
    server.files.clear()  # from here on the publisher is gone
    loaded = stranger("-c", _LOAD, image).stdout

    assert "acme/tiny" in listed
    own, theirs = (
        cv2.imread(str(tmp_path / folder / "image_label.png"), cv2.IMREAD_UNCHANGED)
        for folder in ("own", "theirs")
    )
    assert np.array_equal(own, theirs)
    assert f"labels {int((own > 0).sum())}\n" in loaded
