# SPDX-License-Identifier: Apache-2.0
"""Cut a config to a run of seconds: few images, small batches, no processes that load images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.parts import iterate_leaves
from zoo.engine.config_parts.tree import iterate_dicts

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["STEPS", "cut", "shorten", "shrink"]

STEPS = 2
"""Steps of training: in the first, rates of a warm-up may be 0."""
_BATCH = 2  # batch norm needs two
_IMAGES = 2
_LARGEST_PX = 128
_MULTIPLE_PX = 32  # what most networks divide by
# Keys of sizes in pixels, in pipelines and in the model; floats under them are ratios.
_OF_PIPELINES = ("scale", "scales", "crop_size", "size", "img_scale")
_OF_MODELS = ("crop_size", "stride")
_MOST = {"max_per_img": 20, "nms_pre": 200}
_OF_WORKERS = ("prefetch_factor", "pin_memory", "timeout", "multiprocessing_context")


def shorten(config: Config, cfg_options: Mapping[str, Any], scope: str) -> None:
    """Set the length of a run and its batches, as ``zoo train --max-steps`` does.

    Args:
        config: The whole config, bound to data; changed in place.
        cfg_options: None are given.
        scope: The default scope of its types.

    Raises:
        ConfigError: Its training loop cannot be shortened.
    """
    from zoo.engine.runs.options import RunOptions, set_run_options

    loader = config.get("train_dataloader") or {}
    composed = "batch_size" in (loader.get("batch_sampler") or loader.get("sampler") or {})
    size = None if composed or not loader else _BATCH
    if config.get("train_cfg"):
        set_run_options(RunOptions(max_steps=STEPS, batch_size=size), config, cfg_options, scope)


def cut(config: Config) -> None:
    """Let a config read few images, in this process.

    Args:
        config: The whole config; changed in place.
    """
    for key, loader in config._cfg_dict.items():
        if not (key.endswith("_dataloader") and isinstance(loader, dict)):
            continue
        loader["num_workers"] = 0
        loader["persistent_workers"] = False
        for name in _OF_WORKERS:
            loader.pop(name, None)
        if not key.startswith("train") and isinstance(loader.get("dataset"), dict):
            for _, leaf in iterate_leaves(loader["dataset"], key):
                leaf["indices"] = _IMAGES
    _keep_few_instances(config.get("model") or {})
    checkpoint = (config.get("default_hooks") or {}).get("checkpoint")
    if isinstance(checkpoint, dict):
        checkpoint["save_optimizer"] = False


def _keep_few_instances(model: Mapping[str, Any]) -> None:
    """Let an untrained detector find a little: not all of what it might, and not nothing."""
    for part in ("train_cfg", "test_cfg"):
        for _, node in iterate_dicts(model.get(part)):
            for key, most in _MOST.items():
                if isinstance(node.get(key), int):
                    node[key] = min(node[key], most)
            if "score_thr" in node:  # with nothing found, metrics of COCO give no values
                node["score_thr"] = 0.0


def shrink(config: Config) -> bool:
    """Reduce the sizes of images and crops, and return whether any was large.

    Args:
        config: The whole config; changed in place.
    """
    tree = config._cfg_dict
    loaders = [value for key, value in tree.items() if key.endswith("_dataloader") and value]
    places: list[tuple[dict[str, Any], tuple[str, ...]]] = [
        (node, _OF_PIPELINES) for each in loaders for _, node in iterate_dicts(each)
    ]
    model = tree.get("model") or {}
    places += [(model.get("test_cfg") or {}, _OF_MODELS)]
    # And to what whole batches are padded, which would be as large as ever.
    places += [(node, ("size",)) for _, node in iterate_dicts(model.get("data_preprocessor"))]
    found = [
        (node, key)
        for node, keys in places
        for key in keys
        if "type" in node or key in (*_OF_MODELS, "size")
        if _largest(node.get(key)) > 0
    ]
    largest = max((_largest(node[key]) for node, key in found), default=0)
    if largest <= _LARGEST_PX:
        return False
    for node, key in found:
        node[key] = _scaled(node[key], _LARGEST_PX / largest)
    return True


def _largest(value: Any) -> int:
    """Return the largest size in a value; 0 if it holds anything but whole numbers."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, (list, tuple)) and value:
        sizes = [_largest(each) for each in value]
        return max(sizes) if min(sizes) > 0 else 0
    return 0


def _scaled(value: Any, factor: float) -> Any:
    if isinstance(value, int):
        return max(_MULTIPLE_PX, round(value * factor / _MULTIPLE_PX) * _MULTIPLE_PX)
    return type(value)(_scaled(each, factor) for each in value)
