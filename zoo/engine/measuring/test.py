# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: PT028 - named as the command, it is no test
"""``test``: measure a checkpoint on one split, as a whole and image by image."""

from __future__ import annotations

import contextlib
import copy
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.engine.checkpoints.checkpoint import Checkpoint, load_checkpoint
from zoo.engine.checkpoints.fit import check_fits
from zoo.engine.cleaning.postprocess import Postprocess
from zoo.engine.config.building import explaining
from zoo.engine.config.data_roots import check_data_roots
from zoo.engine.config.type_names import check_type_names
from zoo.engine.config_files.written import writing_configs
from zoo.engine.config_parts.parts import family_of
from zoo.engine.dataset.class_check import check_run_classes
from zoo.engine.dataset.class_order import check_class_order
from zoo.engine.measuring.cleaned import choose_postprocess, cleaning_labels
from zoo.engine.measuring.compared import Comparer
from zoo.engine.measuring.per_image import keeping_per_image
from zoo.engine.measuring.pictures import TestPictures
from zoo.engine.measuring.tallies import SCORES_OF_MASKS, TestTallies, has_scores_of_masks
from zoo.engine.measuring.test_extras import use_test_time_augmentation
from zoo.engine.measuring.window_tests import choose_windows, seeing_windows
from zoo.engine.plugin_code import naming_plugin
from zoo.engine.processes.joining import join_processes, unwrap_model
from zoo.engine.resuming.shielding import shielding_workers
from zoo.engine.runs.progress import watch_runner
from zoo.engine.runs.runner import build_runner
from zoo.engine.threads.workers import slimming_workers
from zoo.engine.work_dir.no_results import leaving_no_results_out
from zoo.engine.worker_ends import ending_workers
from zoo.engine.worker_errors import explaining_workers
from zoo.errors import ConfigError, DataError
from zoo.files import digest_of_file, replace_file

if TYPE_CHECKING:
    from mmengine.config import Config
    from mmengine.hooks import Hook
    from mmengine.runner import Runner

    from zoo.data import Tiling

__all__ = ["SCHEMA", "measured_split", "test"]

SCHEMA = "zoo.test/1"
_SPLITS = ("train", "val", "test")
# What only training needs, but would still be built or have to exist.
_TRAINING = (
    "train_dataloader",
    "train_cfg",
    "optim_wrapper",
    "param_scheduler",
    "val_dataloader",
    "val_loss_dataloader",
    "val_cfg",
    "val_evaluator",
    "auto_scale_lr",
)


def test(
    config: Config,
    checkpoint: str | Path,
    *,
    split: str = "test",
    out: str | Path | None = None,
    launcher: str = "none",
    tta: bool = False,
    tiles: bool | None = None,
    cfg_options: Sequence[str] = (),
    show_dir: str | Path | None = None,
    hooks: Sequence[Hook] = (),
    postprocess: bool = True,
) -> dict[str, float]:
    """Return the metrics of a checkpoint on one split of a config's data.

    Validation and test are measured as the config states, training images through the test
    pipeline; a config without a test part is measured as it is validated, with a notice.
    Instances are predicted as by ``zoo predict``, through windows if the config states them;
    validation during training uses whole images.
    mmengine's log goes to the folder ``test`` in the work dir, so that the config and the curves
    of training are kept.

    Args:
        config: As `read_config` returns it; not changed.
        checkpoint: A ``.pth`` of training, or a published ``.safetensors``.
        split: ``train``, ``val`` or ``test``.
        out: A JSON file for the metrics and each image's values (schema ``zoo.test/1``); written
            completely or not at all.
        launcher: ``none``, ``pytorch``, ``slurm`` or ``mpi``.
        tta: Whether to test with the config's test-time augmentation.
        tiles: True to process images through the config's windows, False as a whole; None for what
            ``zoo predict`` does.
        cfg_options: The ``key=value`` options that were applied to the config, for ``out``.
        show_dir: A folder for a picture of each image, prediction beside truth; the names begin
            with a number, lowest score first, and ``index.json`` lists them.
        hooks: Further hooks of the runner, called last.
        postprocess: Whether to apply the postprocessing that the config, else the published file,
            states.

    Returns:
        Name -> value, in the units of the metrics (mmseg's are percent).

    Raises:
        ConfigError: The config has no such split, or cannot be built.
        CheckpointError: The weights cannot be read, or do not fit model or classes.
        DataError: The data is missing or empty.
    """
    from zoo.engine.resuming.safe_loading import safe_loading

    split = measured_split(config, split)
    config = _config_for(config, split)
    config.launcher, config.load_from, config.resume = launcher, str(checkpoint), False
    config.work_dir = str(Path(config.work_dir) / "test")
    with explaining(config, doing="use the config"):
        _check(config)
    weights = load_checkpoint(checkpoint)
    tiling = choose_windows(config, tiles, tta=tta)
    plain = copy.deepcopy(config)
    if tta:
        use_test_time_augmentation(config)
    join_processes(config)
    with (
        safe_loading(),
        writing_configs(),
        leaving_no_results_out(),
        shielding_workers(),
        slimming_workers(),
        ending_workers(),
    ):
        runner = _build(config, hooks)
        model = unwrap_model(runner.model)
        module: Any = model.module if tta else model
        check_fits(module, weights.state_dict, checkpoint)
        _check_images(runner, config, split)
        seeing, drawing = _seeing(runner, config, tiling), _drawing(runner, plain, show_dir)
        cleaned = _postprocess(runner, config, wanted=postprocess)
        cleaning = cleaning_labels(model, cleaned, _classes(runner))
        with (
            _keeping_rows(runner, module, wanted=out is not None, tta=tta) as rows,
            seeing,
            cleaning,
            drawing,
        ):
            metrics = _run(runner)
        if out is not None:
            way = {"tta": tta, **_windows(config, tiling), **_way(cleaned, cfg_options)}
            way |= {**_scores(module), "classes": list(_classes(runner))}
            _write(Path(out), _document(config, weights, split, way, metrics, rows()))
    return metrics


def _build(config: Config, hooks: Sequence[Hook]) -> Runner:
    runner = build_runner(config)
    for hook in hooks:
        runner.register_hook(hook, priority="LOWEST")
    return runner


def _run(runner: Runner) -> dict[str, float]:
    with naming_plugin(), watch_runner(runner), explaining_workers():
        metrics: dict[str, float] = runner.test()
    return metrics


@contextlib.contextmanager
def _keeping_rows(
    runner: Runner, model: Any, *, wanted: bool, tta: bool
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Keep values and counts of each image; the yielded function returns them after the test."""
    if not wanted:
        yield list
        return
    # What mmseg merges keeps the scores of the last augmentation, not those of its labels.
    has_scores = not (tta or has_scores_of_masks(model))
    tallies = TestTallies(runner.test_loop.dataloader.dataset, has_scores=has_scores)
    runner.register_hook(tallies, priority="VERY_LOW")
    with keeping_per_image(runner.test_loop.evaluator) as kept:
        yield lambda: tallies.joined(kept.rows())


def _check_images(runner: Runner, config: Config, split: str) -> None:
    with explaining(config):
        loop = runner.test_loop
    if not len(loop.dataloader.dataset):
        message = f"cannot test: the split {split!r} has no images."
        raise DataError(message, where="test_dataloader.dataset", hint="choose another --split.")


@contextlib.contextmanager
def _drawing(runner: Runner, config: Config, folder: str | Path | None) -> Iterator[None]:
    """Draw the tested images, with the pipeline of a config without augmentation."""
    if folder is None:
        yield
        return
    dataset = runner.test_loop.dataloader.dataset
    comparer = Comparer(config, dataset.metainfo, family_of(config) or "semantic")
    pictures = TestPictures(Path(folder), comparer, dataset)
    runner.register_hook(pictures, priority="VERY_LOW")
    yield
    pictures.rank()


def _seeing(
    runner: Runner, config: Config, tiling: Tiling | None
) -> contextlib.AbstractContextManager[None]:
    hook = (config.get("default_hooks") or {}).get("visualization") or {}
    classes = _classes(runner)
    model = unwrap_model(runner.model)
    return seeing_windows(model, config, classes, tiling, dense=bool(hook.get("draw")))


def _classes(runner: Runner) -> tuple[str, ...]:
    return tuple(runner.test_loop.dataloader.dataset.metainfo.get("classes") or ())


def _postprocess(runner: Runner, config: Config, *, wanted: bool) -> Postprocess:
    if not wanted:
        return Postprocess()
    with explaining(config):
        return choose_postprocess(config, config.load_from, _classes(runner))


def _way(cleaned: Postprocess, cfg_options: Sequence[str]) -> dict[str, Any]:
    """Return how the test deviates from the config, as plain values."""
    from zoo.engine.provenance.public_texts import public_option

    after = {"postprocess": str(cleaned)} if cleaned else {}
    return {**after, "cfg_options": [public_option(option) for option in cfg_options]}


def _scores(model: Any) -> dict[str, Any]:
    """Return what the scores of label maps are, as plain values; empty for logits."""
    return {"scores": SCORES_OF_MASKS} if has_scores_of_masks(model) else {}


def _windows(config: Config, tiling: Tiling | None) -> dict[str, Any]:
    """Return how instances were predicted, as plain values; empty for label maps."""
    if tiling is not None:
        return {"tiling": {"tile_px": tiling.tile_px, "overlap_px": tiling.overlap_px}}
    return {"tiling": None} if family_of(config) == "instance" else {}


def _check(config: Config) -> None:
    check_type_names(config)
    check_data_roots(config, ("test",))
    check_run_classes(config, "test_dataloader")
    check_class_order(config, ("test",))


def measured_split(config: Config, split: str) -> str:
    """Return the split to measure: ``val`` for ``test`` if the config has no test part.

    Args:
        config: The whole config.
        split: ``train``, ``val`` or ``test``, as the user asked.
    """
    has_no_test = not config.get("test_dataloader") and config.get("val_dataloader")
    return "val" if split == "test" and has_no_test else split


def _config_for(config: Config, split: str) -> Config:
    """Return a copy of the config whose test loader reads the split."""
    config = copy.deepcopy(config)
    if split not in _SPLITS:
        message = f"no split {split!r}: expected one of {', '.join(_SPLITS)}."
        raise ConfigError(message, where="--split")
    # A config without a test part is tested like it is validated.
    for part in ("dataloader", "evaluator", "cfg"):
        source = config.get(f"val_{part}") if split == "val" else None
        if source is not None or config.get(f"test_{part}") is None:
            config[f"test_{part}"] = copy.deepcopy(source or config.get(f"val_{part}"))
    if split == "train" and config.get("train_dataloader") and config.get("test_dataloader"):
        _read_train_images(config)
    if not config.get(f"{split}_dataloader") or not config.get("test_evaluator"):
        message = f"cannot test on {split!r}: the config has no data loader or evaluator for it."
        raise ConfigError(message, where=config.filename, hint="choose another --split.")
    config.test_cfg = _test_loop(config.get("test_cfg"))
    for key in _TRAINING:
        config.pop(key, None)
    return config


def _read_train_images(config: Config) -> None:
    from zoo.engine.config.evaluators import bind_evaluator
    from zoo.engine.config_parts.parts import iterate_leaves

    _, source = next(iterate_leaves(config.train_dataloader["dataset"], ""))
    _, leaf = next(iterate_leaves(config.test_dataloader["dataset"], ""))
    config.test_dataloader["dataset"] = {**source, "pipeline": leaf["pipeline"]}
    truth = str(source.get("ann_file", ""))
    if truth.endswith(".json"):
        bind_evaluator(config, "test_evaluator", Path(source.get("data_root") or "", truth))


def _test_loop(config: Mapping[str, Any] | None) -> dict[str, Any]:
    loop = dict(config or {})
    if loop.get("type") in (None, "ValLoop"):
        loop["type"] = "TestLoop"
    return loop


def _document(
    config: Config,
    weights: Checkpoint,
    split: str,
    way: Mapping[str, Any],
    metrics: Mapping[str, Any],
    rows: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    from zoo.engine.config_parts.parts import iterate_leaves
    from zoo.engine.dataset.facts import evaluator_text, facts_of_images, facts_of_loader

    _, leaf = next(iterate_leaves(config.test_dataloader["dataset"], ""))
    root = leaf.get("data_root") or ""
    return {
        "schema": SCHEMA,
        "config": Path(config.filename or "").name,
        "checkpoint": weights.path.name,
        "checkpoint_sha256": digest_of_file(weights.path),
        "data": facts_of_loader(config.test_dataloader),
        "evaluator": evaluator_text(config.test_evaluator),
        "split": split,
        "images": facts_of_images([row["file"] for row in rows], root),
        **way,
        "metrics": {name: _plain(value) for name, value in metrics.items()},
        "per_image": [{**row, "file": _inside(row["file"], root)} for row in rows],
    }


def _inside(file: str, root: str) -> str:
    """Return a file's path relative to the data set's root, or unchanged if it is elsewhere."""
    path = Path(file)
    if root and path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    return file


def _plain(value: Any) -> Any:
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _write(path: Path, document: Mapping[str, Any]) -> None:
    from mmengine.dist import is_main_process

    if is_main_process():
        text = json.dumps(document, indent=1, allow_nan=False)
        replace_file(path, f"{text}\n".encode())
