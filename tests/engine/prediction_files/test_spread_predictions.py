# SPDX-License-Identifier: Apache-2.0
"""Images predicted elsewhere: the same files, from what was asked for here, or none that lie."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from zoo.errors import DataError, PluginError

if TYPE_CHECKING:
    from zoo.engine.prediction_files.spread import Spread
    from zoo.interfaces import Mapper

pytestmark = pytest.mark.mm

Make = Callable[..., Path]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Write four pictures of noise with bright blobs."""
    (tmp_path / "in").mkdir()
    for number in range(4):
        rng = np.random.default_rng(number)
        image = rng.integers(0, 40, (60, 80), np.uint8)
        for row, column in rng.integers(5, 50, (3, 2)):
            image[row : row + 8, column : column + 8] = 150
        cv2.imwrite(str(tmp_path / f"in/{number}.png"), image)
    return tmp_path / "in"


def _elsewhere(build: Callable[[], Any], items: Iterable[Any], /) -> Iterator[Any]:
    """Map as a process would: with a copy, and without the context of this thread."""
    copied = pickle.dumps(build)
    with ThreadPoolExecutor(1) as pool:
        function = pool.submit(lambda: pickle.loads(copied)()).result()
        for item in items:
            yield pool.submit(function, item).result()


def _spread(run: Path, mapper: Mapper = _elsewhere, **options: Any) -> Spread:
    from zoo.engine.prediction.model_files import find_model_files
    from zoo.engine.prediction_files.spread import PredictorBuild, Spread

    return Spread(mapper, PredictorBuild(find_model_files(str(run)), "cpu", options))


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("task", ["semantic", "instance"])
def test_files_are_those_of_this_process(
    make_bright_run: Make,
    make_blobs_run: Make,
    bright_folder: Path,
    blobs_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    images: Path,
    tmp_path: Path,
    task: str,
) -> None:
    """Byte for byte, with one that fails; ids of instances go through the whole batch."""
    from zoo.engine.prediction_files.predict import predict

    run = make_bright_run() if task == "semantic" else make_blobs_run()
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{blobs_folder}")
    (images / "2.png").write_bytes(b"no picture")

    predict(str(run), [images], tmp_path / "here")
    done = predict(str(run), [images], tmp_path / "there", spread=_spread(run))

    assert (done.count, len(done.failures)) == (3, 1)
    assert _contents(tmp_path / "there") == _contents(tmp_path / "here")


def test_older_results_are_void_before_the_first_is_written_over(
    bright_run: Path, images: Path, tmp_path: Path
) -> None:
    """A batch that ends before the first outcome leaves no JSON of the pictures it replaced."""
    from zoo.engine.prediction_files.predict import predict

    out, seen = tmp_path / "out", []

    def stops(build: Callable[[], Any], items: Iterable[Any], /) -> Iterator[Any]:
        for item in items:
            seen.append(json.loads((out / "predictions.json").read_text()))
            build()(item)
        raise KeyboardInterrupt
        yield

    predict(str(bright_run), [images], out)
    before = (out / "0_label.png").read_bytes()
    (images / "0.png").write_bytes((images / "1.png").read_bytes())
    with pytest.raises(KeyboardInterrupt):
        predict(str(bright_run), [images], out, spread=_spread(bright_run, stops))
    after = json.loads((out / "predictions.json").read_text())

    assert (out / "0_label.png").read_bytes() != before
    assert [(each["complete"], each["images"]) for each in (*seen, after)] == [(False, [])] * 5
    done = predict(
        str(bright_run), [images], out, resume=True, spread=_spread(bright_run, _elsewhere)
    )
    assert done.count == 4
    assert json.loads((out / "predictions.json").read_text())["complete"] is True
    assert not (out / ".predictions.journal").exists()


@pytest.mark.parametrize("has_older", [True, False])
def test_older_results_stay_if_no_process_can_be_started(
    bright_run: Path, images: Path, tmp_path: Path, has_older: bool
) -> None:
    """A mapper that finds that it cannot start before it asks for an image changes nothing."""
    from zoo.engine.prediction_files.predict import predict

    out = tmp_path / "out"

    def refuses(build: Callable[[], Any], items: Iterable[Any], /) -> Iterator[Any]:
        message = "cannot run here."
        raise PluginError(message, hint="install it.")
        yield from map(build(), items)

    if has_older:
        predict(str(bright_run), [images], out)
    before = _contents(out) if has_older else None

    with pytest.raises(PluginError, match="cannot run here"):
        predict(str(bright_run), [images], out, spread=_spread(bright_run, refuses))

    assert (_contents(out) if out.exists() else None) == before


def test_batch_of_which_all_fail_leaves_nothing(
    bright_run: Path, images: Path, tmp_path: Path
) -> None:
    """As without other processes: no JSON that lists no image, and no journal."""
    from zoo.engine.prediction_files.predict import predict

    for path in images.iterdir():
        path.write_bytes(b"no picture")

    with pytest.raises(DataError, match="cannot predict on any of 4 images"):
        predict(str(bright_run), [images], tmp_path / "out", spread=_spread(bright_run))

    assert list((tmp_path / "out").iterdir()) == []


def test_tiling_of_the_config_stays_the_configs(make_blobs_run: Make) -> None:
    """Given as one's own, it is refused for a model whose transform loads images as a whole."""
    run = make_blobs_run(loader="dict(type='LoadImageFromFile', color_type='unchanged')")

    predictor = _spread(run).build()

    assert predictor.tiling is not None
    assert predictor._is_own_tiling is False


class _Canary:
    """Pickles as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.code = f"open({str(path)!r}, 'a').close()"

    def __reduce__(self) -> Any:
        return eval, (self.code,)


@pytest.mark.parametrize("is_trusted", [True, False])
def test_trust_holds_in_the_other_processes_too(
    bright_run: Path, tmp_path: Path, is_trusted: bool
) -> None:
    """And without it, the file is refused there as here."""
    import torch

    from zoo.engine.checkpoints.pickles import trusting
    from zoo.errors import UnsafeCheckpointError

    path, canary = bright_run / "best_dice_iter_20.pth", tmp_path / "canary"
    content = torch.load(path, weights_only=True)
    torch.save({**content, "meta": {**content["meta"], "x": _Canary(canary)}}, path)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest()] if is_trusted else ["0" * 64]

    with trusting(digests):
        build = _spread(bright_run).build
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(build)
        if is_trusted:
            assert ended.result().model.classes == ("background", "lung")
        else:
            with pytest.raises(UnsafeCheckpointError):
                ended.result()

    assert canary.exists() is is_trusted


class _EnoughKnownError(Exception):
    pass


@pytest.mark.parametrize(
    ("device", "needs_gpu"), [("cpu", False), ("cpu:0", False), ("cuda", True)]
)
def test_processes_say_what_they_need(
    bright_run: Path, images: Path, tmp_path: Path, device: str, needs_gpu: bool
) -> None:
    """A GPU only if one may be used; memory for torch and for the weights twice."""
    from zoo.engine.prediction.model_files import find_model_files
    from zoo.engine.prediction_files.predict import predict
    from zoo.engine.prediction_files.spread import PredictorBuild, Spread

    built: list[Any] = []

    def keeps(build: Any, items: Iterable[Any], /) -> Iterator[Any]:
        built.append(build)
        raise _EnoughKnownError
        yield

    files = find_model_files(str(bright_run))
    spread = Spread(keeps, PredictorBuild(files, device))
    with pytest.raises(_EnoughKnownError):
        predict(str(bright_run), [images], tmp_path / "out", spread=spread)

    assert built[0].needs_gpu is needs_gpu
    assert built[0].memory_bytes == 2**30 + 2 * files.checkpoint.stat().st_size


@pytest.mark.parametrize("device", ["cuda:1", "cuda:0"])
def test_gpu_by_its_number_is_refused_before_anything_is_read(tmp_path: Path, device: str) -> None:
    """A process has one GPU, its first; the hint says how to leave Ray a certain one."""
    from zoo.cli import main

    words = ["predict", "no_model", "x.png", "--out", str(tmp_path / "out"), "--ray"]
    result = CliRunner().invoke(main, [*words, "--device", device])

    assert result.exit_code == 1
    assert f"cannot predict on Ray on '{device}'" in result.stderr
    assert f"HINT: use --device cuda; CUDA_VISIBLE_DEVICES={device[-1]}" in result.stderr
