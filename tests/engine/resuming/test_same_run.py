# SPDX-License-Identifier: Apache-2.0
"""A run that is resumed with another config: each difference is listed, and refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo.engine.resuming.same_run import check_same_run, describe_run
from zoo.errors import ConfigError

pytestmark = pytest.mark.mm

_CONFIG: dict[str, Any] = {
    "default_scope": "mmseg",
    "model": {
        "type": "EncoderDecoder",
        "backbone": {"type": "UNet", "base_channels": 4, "init_cfg": {"checkpoint": "/a/r50.pth"}},
        "decode_head": {"num_classes": 2, "loss_decode": [{"type": "CrossEntropyLoss"}]},
    },
    "train_dataloader": {
        "batch_size": 2,
        "num_workers": 2,
        "sampler": {"type": "InfiniteSampler", "shuffle": True},
        "dataset": {
            "type": "zoo.x.Y",
            "data_root": "/home/one/data",
            "data_prefix": {"img_path": "images"},
            "pipeline": [{"type": "LoadImageFromFile"}, {"type": "RandomFlip", "prob": 0.5}],
        },
    },
    "val_evaluator": {"type": "CocoMetric", "ann_file": "/home/one/data/annotations/val.json"},
    "val_dataloader": {"batch_size": 1, "num_workers": 1},
    "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "Adam", "lr": 0.02}},
    "param_scheduler": [
        {"type": "LinearLR", "begin": 0, "end": 5, "start_factor": 0.1},
        {"type": "MultiStepLR", "milestones": [6, 8], "gamma": 0.1},
    ],
    "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 12, "val_interval": 6},
    "default_hooks": {
        "checkpoint": {"type": "CheckpointHook", "interval": 6, "save_best": "mDice"},
        "logger": {"type": "LoggerHook", "interval": 2},
    },
    "custom_hooks": [{"type": "zoo.t.StagedTraining", "stages": [{"until": 6}, {"until": 12}]}],
    "randomness": {"seed": 0},
    "work_dir": "runs/a",
    "log_level": "INFO",
    "test_dataloader": {"batch_size": 1},
    "img_scale": (64, 64),
}


def _changed(key: str, value: Any) -> dict[str, Any]:
    config = copy.deepcopy(_CONFIG)
    *path, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
    node: Any = config
    for part in path:
        node = node[part]
    node[last] = value
    return config


def _check(now: dict[str, Any], *, processes: int = 1, is_forced: bool = False) -> list[str]:
    meta = {"zoo_run": describe_run(_CONFIG, 1)}
    described = describe_run(now, processes)
    return [
        str(one) for one in check_same_run("run/iter_6.pth", meta, described, is_forced=is_forced)
    ]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("model.decode_head.num_classes", 3, "was 2, is 3"),
        ("model.backbone.type", "ResNet", 'was "UNet", is "ResNet"'),
        ("model.backbone.extra", True, "was not set, is True"),
        ("train_dataloader.batch_size", 4, "was 2, is 4"),
        ("train_dataloader.dataset.pipeline.1.prob", 0.0, "was 0.5, is 0.0"),
        ("train_dataloader.dataset.data_prefix.img_path", "x", 'was "images", is "x"'),
        ("train_dataloader.sampler.shuffle", False, "was True, is False"),
        ("optim_wrapper.optimizer.lr", 0.01, "was 0.02, is 0.01"),
        ("optim_wrapper.type", "AmpOptimWrapper", 'was "OptimWrapper", is "AmpOptimWrapper"'),
        ("param_scheduler.0.end", 6, "was 5, is 6"),
        ("param_scheduler.0.start_factor", 0.2, "was 0.1, is 0.2"),
        ("param_scheduler.1.type", "PolyLR", 'was "MultiStepLR", is "PolyLR"'),
        ("train_cfg.type", "EpochBasedTrainLoop", "is"),
        ("default_hooks.checkpoint.save_best", "aAcc", 'was "mDice", is "aAcc"'),
        ("custom_hooks.0.stages.0.until", 7, "was 6, is 7"),
        ("randomness.seed", 1, "was 0, is 1"),
        ("val_evaluator.ann_file", "/home/one/data/annotations/test.json", "test.json"),
    ],
)
def test_other_value_is_listed_and_refused_unless_it_is_forced(
    key: str, value: Any, expected: str
) -> None:
    now = _changed(key, value)

    with pytest.raises(ConfigError) as caught:
        _check(now)
    forced = _check(now, is_forced=True)

    assert caught.value.message.startswith("cannot resume from 'iter_6.pth' with another config: ")
    assert f"{key}: was " in caught.value.message
    assert expected in caught.value.message
    assert "--other-config" in str(caught.value.hint)
    assert len(forced) == 1
    assert forced[0] in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("work_dir", "elsewhere"),
        ("log_level", "DEBUG"),
        ("img_scale", (1, 1)),
        ("test_dataloader.batch_size", 8),
        ("default_hooks.logger.interval", 50),
        ("default_hooks.checkpoint.interval", 3),
        ("default_hooks.checkpoint.max_keep_ckpts", 9),
        ("train_dataloader.dataset.data_root", "D:/other"),
        ("train_dataloader.pin_memory", True),
        ("val_dataloader.num_workers", 0),
        ("val_evaluator.ann_file", "/mnt/two/data/annotations/val.json"),
        ("model.backbone.init_cfg", None),
    ],
)
def test_value_that_decides_nothing_is_no_difference(key: str, value: Any) -> None:
    assert _check(_changed(key, value)) == []


_PLACES = (
    # was, is, whether it is the same
    ("fold_0/train.txt", "fold_1/train.txt", False),
    ("fold_0/splits/train.txt", "fold_1/splits/train.txt", False),
    ("splits/fold_0.txt", "splits/fold_1.txt", False),
    ("fold_0/", "fold_1/", False),
    ("a/b/c/d.txt", "a/x/c/d.txt", False),
    ("fold_0/train.txt", "train.txt", False),
    ("fold_0/train.txt", "fold_0/train.txt/", True),
    ("./fold_0/train.txt", "../../fold_0/train.txt", True),
    ("../fold_0/train.txt", "../fold_1/train.txt", False),
    ("/home/one/data/fold_0/train.txt", "/mnt/two/data/fold_0/train.txt", True),
    ("/home/one/data/fold_0/train.txt", "/home/one/data/fold_1/train.txt", False),
    ("/home/one/data/fold_0/train.txt", "/mnt/two/data/fold_1/train.txt", False),
    ("/elsewhere/train.txt", "/mnt/other/train.txt", True),
    ("/elsewhere/train.txt", "D:\\other\\train.txt", True),
    ("/elsewhere/train.txt", "/elsewhere/val.txt", False),
    ("https://a.org/train.txt", "/elsewhere/train.txt", True),
    ("~/train.txt", "/elsewhere/train.txt", True),
    ("/elsewhere/train.txt", "here/train.txt", True),
)


@pytest.mark.parametrize("as_list", [False, True], ids=["text", "list"])
@pytest.mark.parametrize(("was", "now", "is_same"), _PLACES)
def test_path_is_compared_within_the_data_and_not_before_it(
    was: str, now: str, is_same: bool, as_list: bool
) -> None:
    """Another fold is another one; the same file on another machine is the same."""
    first, second = (copy.deepcopy(_CONFIG) for _ in range(2))
    if now.startswith("/mnt/two"):
        second["train_dataloader"]["dataset"]["data_root"] = "/mnt/two/data/"
    for config, path in ((first, was), (second, now)):
        config["train_dataloader"]["dataset"]["ann_file"] = [path, "x"] if as_list else path

    found = check_same_run(
        "a.pth", {"zoo_run": describe_run(first, 1)}, describe_run(second, 1), is_forced=True
    )

    assert [one.key for one in found] == ["train_dataloader.dataset.ann_file"] * (not is_same)


@pytest.mark.parametrize(
    ("was", "now", "is_same"),
    [
        *(("data/fold_0", "data/fold_1", False), ("data/fold_0", "./data/fold_0/", True)),
        *(("data/fold_0", "../data/fold_0", True), ("fold_0", "fold_1", False)),
        *(("/a/fold_0", "/a/fold_1", True), ("data/x", "/mnt/y", True), ("", "x", False)),
    ],
)
def test_folder_of_data_is_compared_where_it_is_a_relative_path(
    was: str, now: str, is_same: bool
) -> None:
    """Of data that was not prepared: it has no digest, and a full path says where, not what."""
    first, second = (_changed("train_dataloader.dataset.data_root", root) for root in (was, now))

    found = check_same_run(
        "a.pth", {"zoo_run": describe_run(first, 1)}, describe_run(second, 1), is_forced=True
    )

    assert [one.key for one in found] == ["train_dataloader.dataset.data_root"] * (not is_same)


def test_full_path_of_another_file_on_this_machine_is_noticed(tmp_path: Path) -> None:
    """Both folds are here and differ; a copy, or a file that was elsewhere, has moved."""
    for name, text in (("fold_0", "a"), ("fold_1", "b"), ("copy", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.txt").write_text(text)

    def is_noticed(was: str, now: str) -> bool:
        described = (
            describe_run(_changed("val_evaluator.ann_file", str(tmp_path / name / "train.txt")), 1)
            for name in (was, now)
        )
        return bool(
            check_same_run("a.pth", {"zoo_run": next(described)}, next(described), is_forced=True)
        )

    assert is_noticed("fold_0", "fold_1")
    assert not is_noticed("fold_0", "copy")
    assert not is_noticed("gone", "fold_1")


def test_prepared_folder_is_compared_by_its_digest_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be renamed."""
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset.json").touch()
    first, second = (
        _changed("train_dataloader.dataset.data_root", name) for name in ("one", "two")
    )
    for config, name in ((first, "one"), (second, "two")):
        config["val_evaluator"]["ann_file"] = f"{name}/annotations/val.json"

    found = check_same_run(
        "a.pth", {"zoo_run": describe_run(first, 1)}, describe_run(second, 1), is_forced=True
    )

    assert found == []


def test_checkpoint_of_an_earlier_version_is_compared_by_the_last_parts_of_its_paths() -> None:
    """It holds the paths of the data whole."""
    described = describe_run(_CONFIG, 1)
    noted = dict(described)
    noted["config"] = described["config"].replace("DIR/", "data/")

    assert "DIR/annotations/val.json" in described["config"]
    assert check_same_run("a.pth", {"zoo_run": noted}, described, is_forced=False) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train_dataloader.num_workers", 0),
        ("train_cfg.max_iters", 24),
        ("train_cfg.val_interval", 3),
    ],
)
def test_length_workers_and_validations_may_change_and_are_listed(key: str, value: Any) -> None:
    was = {"num_workers": 2, "max_iters": 12, "val_interval": 6}[key.rpartition(".")[2]]

    assert _check(_changed(key, value)) == [f"{key}: was {was}, is {value}"]


def test_longer_run_may_have_the_schedule_to_match_and_nothing_else() -> None:
    """As ``--max-steps`` multiplies it: warm-up, milestones and stages."""
    config = _changed("train_cfg.max_iters", 24)
    config["param_scheduler"][0]["end"] = 10
    config["param_scheduler"][1]["milestones"] = [12, 16]
    for stage in config["custom_hooks"][0]["stages"]:
        stage["until"] *= 2

    assert len(_check(config)) == 5
    config["optim_wrapper"]["optimizer"]["lr"] = 0.5
    with pytest.raises(ConfigError) as caught:
        _check(config)

    text = "with another config: optim_wrapper.optimizer.lr: was 0.02, is 0.5."
    assert caught.value.message.endswith(text)


def test_other_number_of_processes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"with another config: processes: was 1, is 4\."):
        _check(_CONFIG, processes=4)

    assert _check(_CONFIG, processes=4, is_forced=True) == ["processes: was 1, is 4"]


def test_many_differences_are_cut_and_counted() -> None:
    config = copy.deepcopy(_CONFIG)
    config["model"] |= {f"key{number:02}": number for number in range(14)}

    with pytest.raises(ConfigError, match=r"model\.key09: was not set, is 9; and 4 more\."):
        _check(config)


@pytest.mark.parametrize("noted", [None, 3, {}, {"config": "{", "processes": 1}, {"config": "[]"}])
def test_checkpoint_that_does_not_describe_its_run_is_not_compared(noted: Any) -> None:
    """As other tools and earlier versions write it, or a damaged one."""
    described = describe_run(_CONFIG, 1)

    assert check_same_run("a.pth", {"zoo_run": noted}, described, is_forced=False) == []


@pytest.mark.slow
def test_run_resumed_with_another_rate_is_refused_before_it_writes_and_goes_on_if_forced(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> None:
    from zoo import train

    common: dict[str, Any] = {"data": squares_data, "work_dir": tmp_path / "run"}
    first = train(squares_config, **common, max_steps=2)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}

    with pytest.raises(ConfigError, match=r"optim_wrapper\.optimizer\.lr: was 0\.02, is 0\.01"):
        train(squares_config, **common, resume=True, max_steps=4, lr=0.01)
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    forced: Callable[..., Any] = train
    result = forced(squares_config, **common, resume=True, max_steps=4, lr=0.01, other_config=True)

    assert before == after
    assert (first.steps, result.steps) == (2, 4)


@pytest.mark.slow
def test_two_deterministic_runs_end_in_the_same_weights_and_others_do_not(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> None:
    """The config has no seed."""
    import torch

    from zoo import train
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    squares_config.write_text(squares_config.read_text().replace("randomness = dict(seed=0)", ""))

    def weights(name: str, **more: Any) -> bytes:
        folder = tmp_path / name
        words: dict[str, Any] = {"data": squares_data, "work_dir": folder, "max_steps": 3}
        result = train(squares_config, **words, **more)
        assert result.last_checkpoint is not None
        state = load_checkpoint(result.last_checkpoint).state_dict
        return b"".join(state[name].numpy().tobytes() for name in sorted(state))

    assert weights("one", deterministic=True) == weights("two", deterministic=True)
    assert weights("three") != weights("four")
    assert not torch.are_deterministic_algorithms_enabled()


def test_operations_without_a_deterministic_form_are_told_at_the_end() -> None:
    """As torch warns of them on a GPU; other warnings go on as they are."""
    import warnings

    import torch

    from zoo.engine.runs.determinism import deterministic_operations

    told: list[str] = []
    shown: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest, **more: shown.append(str(message))
        with deterministic_operations(told.append):
            torch.use_deterministic_algorithms(True)
            for name in ("upsample_bilinear2d_backward_out_cuda", "nll_loss2d_forward_out_cuda"):
                text = f"{name} does not have a deterministic implementation, but you set ..."
                for _ in range(3):
                    warnings.warn(text, stacklevel=1)
            warnings.warn("something else", stacklevel=1)
            is_strict = not torch.is_deterministic_algorithms_warn_only_enabled()

    names = "upsample_bilinear2d_backward_out_cuda, nll_loss2d_forward_out_cuda"
    assert told == [f"not deterministic on this device: {names}; two runs may differ"]
    assert shown == ["something else"]
    assert not is_strict
