# SPDX-License-Identifier: Apache-2.0
"""What a checkpoint from elsewhere says of itself, of any type: no reader ends in a traceback."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import ZooError

pytestmark = pytest.mark.mm

META: dict[str, Any] = {
    "epoch": 0,
    "iter": 3,
    "seed": 1,
    "cfg": "zoo_data_digest = 'x'",
    "mmengine_version": "0.10.7",
    "dataset_meta": {"classes": ["ground", "square"], "palette": [[0, 0, 0], [250, 200, 0]]},
    "zoo_data": [{"digest": "1" * 64, "name": "x.X", "step": 0, "images": {"train": ["1" * 16]}}],
    "zoo_origins": [{"name": "a", "licence": "MIT", "data_licence": "CC0", "non_commercial": None}],
    "zoo_run": {"config": '{"model.type": "X", "a": [1]}', "processes": 1},
}


def wrong_values() -> list[Any]:
    """Return values of all the types that a checkpoint may hold."""
    import torch

    plain = [None, True, 0, -1, 1.5, float("nan"), 2**70, "", "x", "\ud800", "\x1b[2J\n", b"x"]
    nested = [[], [[]], [{}], [5], ["\ud800"], ("x",), {}, {"a": 5}, {1: {2: 3}}, {"x"}]
    return [*plain, *nested, torch.zeros(2), torch.tensor(1)]


def places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value of a tree, its root first."""
    yield place
    rows = node.items() if isinstance(node, dict) else ()
    for key, part in enumerate(node) if isinstance(node, list) else rows:
        yield from places(part, (*place, key))


def changed(tree: Any, place: tuple[Any, ...], value: Any) -> Any:
    """Return a copy with another value at a place."""
    if not place:
        return value
    tree = copy.deepcopy(tree)
    node = tree
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return tree


def mutated() -> Iterator[tuple[tuple[Any, ...], Any, Any]]:
    """Yield place, wrong value and the whole ``meta`` with it."""
    for place in places(META):
        for value in wrong_values():
            yield place, value, changed(META, place, value)


def test_readers_take_or_leave_any_value() -> None:
    """Each key of each level, each type: what is read is safe to print and to write."""
    from zoo.engine.checkpoints.checkpoint import Checkpoint
    from zoo.engine.dataset.history import read_history
    from zoo.engine.dataset.origins import read_origins
    from zoo.engine.resuming.same_run import check_same_run, describe_run

    described = describe_run({"model": {"type": "Y"}}, 2)
    count = 0
    for place, value, meta in mutated():
        if not isinstance(meta, dict):  # as `load_checkpoint` leaves it out
            continue
        checkpoint = Checkpoint(Path("a.pth"), {}, meta)
        texts = [str(checkpoint.palette), *map(str, read_origins(meta))]
        texts += [f"{use.digest} {use.name}" for use in read_history(meta)]
        texts += map(str, check_same_run("a.pth", meta, described, is_forced=True))
        try:
            check_same_run("a.pth", meta, described, is_forced=False)
        except ZooError as error:
            texts.append(error.message)
        assert checkpoint.classes is None or len(checkpoint.classes) < 10
        for text in texts:
            assert text.isprintable(), (place, value, text)
            assert text.encode(), (place, value)
        count += 1
    assert count > 800


@pytest.mark.slow
def test_publishing_takes_or_refuses_any_value(
    squares: Path, squares_config: Path, squares_data: Path, tmp_path: Path
) -> None:
    """One message or a file: a sample of the table, every place once, the worst ones always."""
    import torch

    from zoo.cli.shelf.publish_run import publish_run
    from zoo.engine.runs.training import train

    run = tmp_path / "run"
    options = ["train_cfg.val_interval=3", "default_hooks.logger.log_metric_by_epoch=False"]
    train(squares_config, data=squares_data, work_dir=run, max_steps=3, cfg_options=options)
    best = next(run.glob("best_*.pth"))
    tree = torch.load(best, weights_only=False)
    given: dict[str, Any] = {"metrics": (), "metric": (), "url": (), "config": None, "data": None}
    given |= {"licence": None, "data_licence": "CC0-1.0"}
    worst = [
        (("iter",), [[]]),
        (("dataset_meta", "palette"), 5),
        (("dataset_meta", "palette", 1, 0), None),
        (("dataset_meta", "palette", 1), [1, 2]),
        (("dataset_meta", "classes", 0), "\ud800"),
        (("zoo_data", 0, "digest"), "\x1b[2J\n"),
        (("zoo_origins", 0, "licence"), "\ud800"),
        (("zoo_origins", 0, "non_commercial"), torch.zeros(2)),
        (("mmengine_version",), "\ud800\n"),
    ]
    meta = {**tree["meta"], "zoo_origins": META["zoo_origins"]}
    for key in ("dataset_meta", "zoo_data"):
        meta[key] = {**META, "zoo_data": meta["zoo_data"]}[key]
    outcomes: list[str] = []
    for place, value in worst:
        torch.save({**tree, "meta": changed(meta, place, value)}, best)
        try:
            publish_run(run, "tiny", tmp_path / "out", given)
        except ZooError as error:
            outcomes.append(error.message)
        else:
            outcomes.append((tmp_path / "out" / "tiny.md").read_text("utf-8"))

    assert all(text.encode() for text in outcomes)  # no half of a character is left
    refused = [text for text in outcomes if text.startswith("cannot publish")]
    assert all(text.isprintable() for text in refused)
    assert 0 < len(refused) < len(outcomes) == len(worst)
