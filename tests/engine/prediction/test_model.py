# SPDX-License-Identifier: Apache-2.0
"""What a user may call a model, and what is said of one that cannot be opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from weights_rows import METRIC, weights_row

from zoo.errors import CheckpointError, ConfigError, HashMismatchError, UnknownNameError

pytestmark = pytest.mark.mm

Write = Callable[..., Path]


def level_of(spec: str) -> float:
    from zoo.engine.prediction.model import open_model

    return float(open_model(spec, device="cpu").module.level.detach())


def test_work_dir_gives_its_best_checkpoint(bright_run: Path) -> None:
    assert level_of(str(bright_run)) == 100.5


def test_work_dir_with_two_best_gives_the_later_one(bright_run: Path, write_level: Write) -> None:
    write_level(bright_run / "best_dice_iter_100.pth", 77.5)

    assert level_of(str(bright_run)) == 77.5


def test_work_dir_without_a_best_gives_the_last(bright_run: Path) -> None:
    (bright_run / "best_dice_iter_20.pth").unlink()

    assert level_of(str(bright_run)) == 150.5


def test_work_dir_that_was_moved_gives_its_own_checkpoint(bright_run: Path) -> None:
    (bright_run / "best_dice_iter_20.pth").unlink()
    moved = bright_run.rename(bright_run.with_name("moved"))

    assert level_of(str(moved)) == 150.5


def test_config_and_checkpoint_are_taken_as_given(bright_run: Path) -> None:
    from zoo.engine.prediction.model import open_model

    model = open_model(f"{bright_run / 'bright.py'},{bright_run / 'iter_40.pth'}", device="cpu")

    assert float(model.module.level.detach()) == 150.5
    assert not model.module.training
    assert (model.name, model.task) == ("iter_40", "semantic")
    assert model.classes == ("background", "lung")
    assert model.palette == ((0, 0, 0), (200, 40, 10))


_DICE = {
    "name": "dice",
    "value": 0.5,
    "dataset": "d",
    "split": "test",
    "labels": "true",
    "protocol": "p",
}


@pytest.fixture
def published(bright_run: Path, tmp_path: Path) -> Path:
    """Return a published file of the threshold model, cutting at grey 33.5."""
    import torch

    from zoo.engine.checkpoints.published import write_published
    from zoo.engine.config.reading import read_config
    from zoo.engine.records.record import make_record

    record = make_record(
        read_config(bright_run / "bright.py"),
        name="bright_small",
        task="semantic",
        classes=("background", "lung"),
        palette=((0, 0, 0), (9, 8, 7)),
        labels="true",
        licence="Apache-2.0",
        data_licence="CC0-1.0",
        trained_with="bright",
        parameters=1,
        metrics=[_DICE],
    )
    return write_published(tmp_path / "b.safetensors", {"level": torch.tensor(33.5)}, record)


def test_published_file_needs_no_config(published: Path) -> None:
    from zoo.engine.prediction.model import open_model
    from zoo.engine.prediction.predictor import Predictor

    model = open_model(str(published), device="cpu")

    assert (model.name, model.classes) == ("b", ("background", "lung"))
    assert model.palette == ((0, 0, 0), (9, 8, 7))
    assert model.identity()["config"] is None
    labels = Predictor(model)(np.array([[33, 34]], np.uint8)).labels
    assert labels.tolist() == [[0, 1]]


def test_weights_name_finds_the_verified_file_of_a_plugin(
    published: Path, bright_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "zoo_dim"
    package.mkdir()
    content = published.read_bytes()
    (package / "dim.safetensors").write_bytes(content)
    (package / "__init__.py").touch()
    digest = hashlib.sha256(content).hexdigest()
    (package / "zoo_plugin.toml").write_text(_dim("package:dim.safetensors", content))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{tmp_path}")

    assert level_of("dim_small") == 33.5
    (package / "dim.safetensors").write_bytes(content[:-1] + b"x")
    with pytest.raises(HashMismatchError, match=f"expected {digest}"):
        level_of("dim_small")


def test_weights_name_is_fetched_wherever_a_model_is_taken(
    published: Path,
    bright_run: Path,
    bright_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One rule for `zoo.load`, `zoo predict`, `zoo test` and `--pretrained`: a name is fetched."""
    import zoo
    from zoo.engine.config.reading import read_config
    from zoo.engine.prediction.model_files import find_model_files

    package, mirror = tmp_path / "zoo_dim", tmp_path / "mirror"
    package.mkdir()
    (package / "__init__.py").touch()
    content = published.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    (package / "zoo_plugin.toml").write_text(_dim(_FAR, content))
    mirror.mkdir()
    (mirror / "dim.safetensors").write_bytes(content)
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("ZOO_MIRRORS", str(mirror))

    def start_from(name: str) -> Path:
        no_fetch = lambda *_: pytest.fail("no address was given")  # noqa: E731
        config = read_config(bright_run / "bright.py", pretrained=name, fetch=no_fetch)
        return Path(config.load_from)

    ways = {
        "files": lambda: find_model_files("dim_small").checkpoint,
        "load": lambda: zoo.load("dim_small", device="cpu").model.checkpoint,
        "pretrained": lambda: start_from("dim_small"),
    }
    for way, take in ways.items():
        monkeypatch.setenv("ZOO_CACHE", str(tmp_path / f"cache_{way}"))
        taken = take()
        assert taken.is_relative_to(tmp_path / f"cache_{way}"), way
        assert taken.read_bytes() == content
    assert find_model_files("dim_small").sha256 == digest


def test_pretrained_name_when_nothing_may_be_fetched_says_how_to_get_it(
    published: Path,
    bright_run: Path,
    bright_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Only a caller that hands over ``fetch`` lets a config's weights come from elsewhere."""
    from zoo.engine.config.reading import read_config
    from zoo.errors import DownloadError

    package = tmp_path / "zoo_dim"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "zoo_plugin.toml").write_text(_dim(_FAR, b"not there"))
    monkeypatch.setenv("ZOO_PLUGIN_PATH", f"{bright_folder}{os.pathsep}{tmp_path}")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))

    with pytest.raises(DownloadError) as caught:
        read_config(bright_run / "bright.py", pretrained="dim_small")
    with pytest.raises(UnknownNameError):
        read_config(bright_run / "bright.py", pretrained="dim_smal")

    assert caught.value.hint == "zoo download dim_small"


_FAR = "https://127.0.0.1:9/dim.safetensors"


def _dim(url: str, content: bytes) -> str:
    """Return the manifest of a plugin with weights alone, which the model of `published` is."""
    head = '[plugin]\nname = "dim"\nversion = "0.1.0"\napi = 1\nsummary = "weights alone"\n'
    metrics = [{**METRIC, "value": 0.5, "protocol": "p"}]
    row = {"config": "bright", "urls": [url], "parameters": 1, "metrics": metrics}
    return f'{head}license = "Apache-2.0"\n{weights_row("dim_small", content, **row)}'


def test_work_dir_without_checkpoints_says_so(tmp_path: Path) -> None:
    from zoo.engine.prediction.model import open_model

    with pytest.raises(CheckpointError) as caught:
        open_model(str(tmp_path))

    assert str(caught.value) == (
        f"cannot open the work dir {str(tmp_path)!r}: found no checkpoint in it.\n"
        f"where: {tmp_path}\nHINT: train first, or give CONFIG,CHECKPOINT."
    )


@pytest.mark.parametrize("count", [0, 2])
def test_work_dir_whose_config_is_unclear_says_so(bright_run: Path, count: int) -> None:
    from zoo.engine.prediction.model import open_model

    text = (bright_run / "bright.py").read_text()
    (bright_run / "bright.py").unlink()
    for index in range(count):
        (bright_run / f"{index}.py").write_text(text)

    with pytest.raises(ConfigError, match="expected one") as caught:
        open_model(str(bright_run))

    assert ("2 configs" if count else "no config") in caught.value.message


def test_work_dir_of_several_configs_takes_that_of_the_last_run(bright_run: Path) -> None:
    text = (bright_run / "bright.py").read_text()
    (bright_run / "other.py").write_text("raise RuntimeError")
    for time, content in (("20240101_000000", "raise RuntimeError"), ("20240102_000000", text)):
        (bright_run / time / "vis_data").mkdir(parents=True)
        (bright_run / time / "vis_data/config.py").write_text(content)

    assert level_of(str(bright_run)) == 100.5


def test_checkpoint_alone_asks_for_its_config(bright_run: Path) -> None:
    from zoo.engine.prediction.model import open_model

    path = bright_run / "iter_40.pth"

    with pytest.raises(CheckpointError, match="a checkpoint alone has no config") as caught:
        open_model(str(path))

    assert caught.value.hint == f"give CONFIG,{path}."


def test_path_that_does_not_exist_is_no_name(tmp_path: Path) -> None:
    from zoo.engine.prediction.model import open_model

    with pytest.raises(CheckpointError, match="there is no such file or folder"):
        open_model(str(tmp_path / "w.pth"))


def test_name_that_no_plugin_has_is_unknown() -> None:
    from zoo.engine.prediction.model import open_model

    with pytest.raises(UnknownNameError, match="no weights named 'unet_lugn'"):
        open_model("unet_lugn")


def test_weights_of_other_classes_are_refused(bright_run: Path, write_level: Write) -> None:
    from zoo.engine.prediction.model import open_model

    write_level(bright_run / "best_dice_iter_20.pth", 1.5, ("background", "heart"))

    with pytest.raises(CheckpointError, match="class 1 is 'heart' and 'lung'"):
        open_model(str(bright_run))


def test_weights_that_do_not_fit_are_refused(bright_run: Path, write_level: Write) -> None:
    import torch

    from zoo.engine.prediction.model import open_model

    write_level(bright_run / "best_dice_iter_20.pth", 1.5, extra=torch.zeros(1))

    with pytest.raises(CheckpointError, match="unexpected: extra") as caught:
        open_model(str(bright_run))

    assert caught.value.where == str(bright_run / "best_dice_iter_20.pth")


def test_colours_that_are_none_leave_those_of_the_config(bright_run: Path) -> None:
    """Whatever numbers a file gives as colours: too large for a float, negative, not a number."""
    import torch

    from zoo.engine.prediction.model import open_model

    for value in (10**400, -1, float("nan"), float("inf"), "red"):
        meta = {"classes": ("background", "lung"), "palette": [[0, 0, 0], [value] * 3]}
        saved = {"state_dict": {"level": torch.tensor(3.5)}, "meta": {"dataset_meta": meta}}
        torch.save(saved, bright_run / "best_dice_iter_20.pth")

        assert open_model(str(bright_run)).palette == ((0, 0, 0), (200, 40, 10)), value


def test_weights_that_name_no_classes_take_those_of_the_config(bright_run: Path) -> None:
    import torch

    from zoo.engine.prediction.model import open_model

    torch.save({"level": torch.tensor(3.5)}, bright_run / "best_dice_iter_20.pth")

    model = open_model(str(bright_run))

    assert model.classes == ("background", "lung")
    assert model.palette == ((0, 0, 0), (200, 40, 10))


def test_model_that_is_not_registered_is_named(bright_run: Path) -> None:
    from zoo.engine.prediction.model import open_model

    config = bright_run / "bright.py"
    config.write_text(config.read_text().replace("bright.Threshold", "bright.Treshold"))

    with pytest.raises(UnknownNameError, match="Treshold") as caught:
        open_model(str(bright_run))

    assert "Threshold" in str(caught.value.hint)


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_device_that_is_not_there_is_named(bright_run: Path, device: str) -> None:
    from zoo.engine.prediction.model import open_model

    with pytest.raises(ConfigError, match=f"cannot use the device '{device}'") as caught:
        open_model(str(bright_run), device=device)

    assert caught.value.where == "--device"


def test_device_is_cuda_only_where_there_is_one() -> None:
    import torch

    from zoo.engine.prediction.model import choose_device

    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_checkpoint_with_foreign_code_is_refused_and_runs_nothing(
    bright_run: Path, tmp_path: Path
) -> None:
    import torch

    from zoo.engine.prediction.model import open_model
    from zoo.errors import UnsafeCheckpointError

    class Canary:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, (f"touch {tmp_path / 'sung'}",)

    torch.save({"state_dict": {}, "meta": Canary()}, bright_run / "best_dice_iter_20.pth")

    with pytest.raises(UnsafeCheckpointError, match="system"):
        open_model(str(bright_run))

    assert not (tmp_path / "sung").exists()
