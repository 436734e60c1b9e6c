# SPDX-License-Identifier: Apache-2.0
"""The parts of a config that other modules need: data sets, heads, numbers of classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.tree import iterate_dicts, join_key
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = [
    "STUFF",
    "THINGS",
    "class_count",
    "family_of",
    "find_test_dataset",
    "find_test_pipeline",
    "iterate_heads",
    "iterate_leaves",
    "iterate_metrics",
    "iterate_panoptic_heads",
    "loaders_of",
]

# Parts whose number of classes is not the data set's, by key and by type.
_OTHER_COUNTS = frozenset(
    {"backbone", "detector", "reid", "rpn_head", "semantic_head", "teacher"},
)
_OTHER_HEADS = frozenset({"STDCHead"})  # boundary or not
# The keys of panoptic heads.
THINGS, STUFF = "num_things_classes", "num_stuff_classes"


def iterate_leaves(dataset: dict[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(dotted key, config)`` of each data set inside wrappers, or of the one given.

    Args:
        dataset: A data set's config, perhaps of RepeatDataset, ConcatDataset or another wrapper.
        key: Its dotted key.
    """
    if isinstance(dataset.get("dataset"), dict):
        yield from iterate_leaves(dataset["dataset"], join_key(key, "dataset"))
    elif isinstance(dataset.get("datasets"), (list, tuple)):
        for index, inner in enumerate(dataset["datasets"]):
            yield from iterate_leaves(inner, join_key(key, f"datasets.{index}"))
    else:
        yield key, dataset


def iterate_heads(model: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(dotted key, config)`` of each head that has the data set's classes.

    Args:
        model: The config's model.
    """
    for key, node in iterate_dicts(model, "model"):
        kind = str(node.get("type")).rpartition(".")[2]
        is_other = kind in _OTHER_HEADS or not _OTHER_COUNTS.isdisjoint(key.split("."))
        if "num_classes" in node and not is_other:
            yield key, node


def iterate_panoptic_heads(model: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(dotted key, config)`` of each part that counts things and stuff separately.

    Args:
        model: The config's model; Mask2Former's and MaskFormer's heads count so in mmdet.
    """
    for key, node in iterate_dicts(model, "model"):
        if THINGS in node:
            yield key, node


def class_count(head: dict[str, Any]) -> Any:
    """Return the number of classes that the config of a head of either kind states.

    Args:
        head: A head that `iterate_heads` or `iterate_panoptic_heads` yields.
    """
    if THINGS in head:
        return head[THINGS] + (head.get(STUFF) or 0)
    return head["num_classes"]


def family_of(config: dict[str, Any]) -> str | None:
    """Return ``"semantic"`` or ``"instance"`` by the model's parts, or None if they do not say.

    Args:
        config: The whole config.
    """
    model = config.get("model") or {}
    if "decode_head" in model:
        return "semantic"
    if not {"roi_head", "bbox_head", "mask_head", "panoptic_head"}.isdisjoint(model):
        return "instance"
    return None


def find_test_dataset(config: Config) -> Mapping[str, Any]:
    """Return the first dataset of the test (else the validation) loader, or an empty dict.

    Args:
        config: The whole config.
    """
    for loader in ("test_dataloader", "val_dataloader"):
        dataset = (config.get(loader) or {}).get("dataset")
        if dataset:
            _, leaf = next(iterate_leaves(dataset, ""))
            return leaf
    return {}


def find_test_pipeline(config: Config) -> Sequence[Any]:
    """Return the transforms of the test dataset, else the config's ``test_pipeline``.

    Args:
        config: The whole config.

    Raises:
        ConfigError: It has neither.
    """
    pipeline = find_test_dataset(config).get("pipeline") or config.get("test_pipeline")
    if not pipeline:
        message = "cannot read images for this model: its config has no test pipeline."
        hint = "give it a test_dataloader, whose dataset has a pipeline."
        raise ConfigError(message, where="test_dataloader.dataset.pipeline", hint=hint)
    found: Sequence[Any] = pipeline
    return found


def iterate_metrics(evaluator: Any, key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ``(dotted key, config)`` of each metric: of a dict, a list, or an evaluator's own.

    An evaluator that brings its own metrics is yielded itself.

    Args:
        evaluator: The config's value of ``key``.
        key: ``val_evaluator`` or ``test_evaluator``.
    """
    if isinstance(evaluator, (list, tuple)):
        for number, part in enumerate(evaluator):
            yield from iterate_metrics(part, join_key(key, number))
    elif isinstance(evaluator, dict) and "metrics" in evaluator:
        yield from iterate_metrics(evaluator["metrics"], join_key(key, "metrics"))
    elif isinstance(evaluator, dict):
        yield key, evaluator


def loaders_of(config: Mapping[str, Any], split: str) -> list[str]:
    """Return the keys of the data loaders that read a split.

    They are named ``<split>_dataloader`` or, for hooks, ``<split>_..._dataloader``.

    Args:
        config: The whole config.
        split: ``train``, ``val`` or ``test``.
    """
    return [
        key
        for key, loader in config.items()
        if loader and key.startswith(f"{split}_") and key.endswith("_dataloader")
    ]
