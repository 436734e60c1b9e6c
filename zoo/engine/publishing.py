# SPDX-License-Identifier: Apache-2.0
"""From a run's checkpoint to a published file, and the manifest row that offers it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import zoo
from zoo.engine.checkpoints import Checkpoint, load_checkpoint
from zoo.engine.fitting import check_fits
from zoo.engine.published import read_published, write_published
from zoo.engine.records import ModelRecord, make_record
from zoo.errors import CheckpointError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["ModelCard", "Published", "publish", "read_metric_rows"]

_METRIC_KEYS = ("name", "value", "dataset", "split", "labels", "protocol")
_KEPT_META = ("epoch", "iter", "seed", "mmengine_version")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What a publisher states of the weights; a checkpoint does not know it.

    Attributes:
        name: Name of the weights.
        config_name: Name of the config that they were trained with.
        task: ``semantic`` or ``instance``.
        licence: Of the weights.
        data_licence: Of the data they were trained on.
        labels: ``true``, or ``derived`` where masks were drawn from something else.
        metrics: Rows of name, value, dataset, split, labels, protocol.
        provenance: More plain facts, such as the digest of the training split.
    """

    name: str
    config_name: str
    licence: str
    data_licence: str
    metrics: Sequence[Mapping[str, Any]]
    task: str = "semantic"
    labels: str = "true"
    provenance: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """A published file.

    Attributes:
        path: The file.
        sha256: Its digest.
        size_bytes: Its size.
        record: What it says of itself.
    """

    path: Path
    sha256: str
    size_bytes: int
    record: ModelRecord

    def manifest_row(self) -> str:
        """Return the ``[[weights]]`` row for the plugin whose package brings the file."""
        record = self.record
        values = {
            "name": record.name,
            "task": record.task,
            "config": record.trained_with,
            "urls": [f"package:weights/{self.path.name}"],
            "sha256": self.sha256,
            "size_bytes": self.size_bytes,
            "format": "safetensors",
            "licence": record.licence,
            "data_licence": record.data_licence,
            "parameters": record.parameters,
        }
        lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
        metrics = [{key: row[key] for key in _METRIC_KEYS} for row in record.metrics]
        rows = [f"    {_toml_table(row)}," for row in metrics]
        return "\n".join(["[[weights]]", *lines, "metrics = [", *rows, "]", ""])


def publish(config: Config, checkpoint: str | Path, out: str | Path, card: ModelCard) -> Published:
    """Write ``OUT/NAME.safetensors`` and return what is to be said of it.

    The model is built from the record that was written and compared with the weights, so that
    what is published can be opened. Equal input gives an equal file.

    Args:
        config: The resolved training config.
        checkpoint: What training wrote; its classes and colours go into the record.
        out: Folder for the file.
        card: What the publisher states.

    Raises:
        CheckpointError: The checkpoint names no classes, does not fit, or cannot be read.
    """
    weights = load_checkpoint(checkpoint)
    if weights.classes is None:
        msg = f"cannot publish {weights.path.name!r}: it does not say its classes."
        hint = "publish a checkpoint that training wrote on prepared data."
        raise CheckpointError(msg, path=weights.path, hint=hint)
    record = make_record(
        config,
        name=card.name,
        task=card.task,
        classes=weights.classes,
        palette=_palette(weights, weights.classes),
        labels=card.labels,
        licence=card.licence,
        data_licence=card.data_licence,
        trained_with=card.config_name,
        parameters=_count_parameters(config, weights),
        metrics=card.metrics,
        provenance={**_provenance(weights), **(card.provenance or {})},
    )
    path = write_published(Path(out) / f"{card.name}.safetensors", weights.state_dict, record)
    written, state_dict = read_published(path)
    check_fits(_build(written.config["model"], written.scope), state_dict, path)
    data = path.read_bytes()
    return Published(path, hashlib.sha256(data).hexdigest(), len(data), written)


def read_metric_rows(path: str | Path, **stated: str) -> list[dict[str, Any]]:
    """Return metric rows from a JSON file.

    Args:
        path: Either a list of rows, each with name, value, dataset, split, labels and protocol, or
            what ``zoo test --out`` wrote (``metrics`` and ``split``).
        stated: ``dataset``, ``labels``, ``protocol``, ... for the rows that lack them.

    Raises:
        CheckpointError: It is neither, or a row lacks a key.
    """
    full = [{**stated, **row} for row in _rows_in(Path(path))]
    for row in full:
        lacks = [key for key in _METRIC_KEYS if row.get(key) is None]
        if lacks:
            msg = f"metric {row.get('name')!r} has no {', '.join(lacks)}."
            hint = "a published number says its data set, split, labels and protocol."
            raise CheckpointError(msg, path=path, hint=hint)
    return [{key: row[key] for key in _METRIC_KEYS} for row in full]


def _rows_in(path: Path) -> list[dict[str, Any]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _no_metrics(path, str(error)) from error
    rows = document
    if isinstance(document, dict) and isinstance(document.get("metrics"), dict):
        split = {"split": document["split"]} if "split" in document else {}
        rows = [{"name": name, "value": value, **split} for name, value in rows["metrics"].items()]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise _no_metrics(path, f"found a {type(document).__name__}")
    return rows


def _no_metrics(path: Path, reason: str) -> CheckpointError:
    msg = f"cannot read the metrics in {path.name!r}: {reason}, expected rows or zoo test's JSON."
    return CheckpointError(msg, path=path, hint="give a file that zoo test --out wrote.")


def _palette(weights: Checkpoint, classes: Sequence[str]) -> list[Sequence[int]]:
    palette = weights.meta["dataset_meta"].get("palette")
    if palette is None or len(palette) != len(classes):
        from zoo.engine.overlay import default_palette

        return list(default_palette(tuple(classes)))
    return [tuple(int(value) for value in color) for color in palette]


def _provenance(weights: Checkpoint) -> dict[str, Any]:
    kept = {key: weights.meta[key] for key in _KEPT_META if key in weights.meta}
    digest = hashlib.sha256(weights.path.read_bytes()).hexdigest()
    return {**kept, "checkpoint_sha256": digest, "zoo_version": zoo.__version__}


def _count_parameters(config: Config, weights: Checkpoint) -> int:
    model = _build(config.model, str(config.get("default_scope") or "mmengine"))
    check_fits(model, weights.state_dict, weights.path)
    return sum(parameter.numel() for parameter in model.parameters())


def _build(model: Any, scope: str) -> Any:
    from mmengine.config import ConfigDict
    from mmengine.registry import MODELS, init_default_scope

    init_default_scope(scope)
    return MODELS.build(ConfigDict(model))


def _toml(value: Any) -> str:
    # JSON's texts, numbers and lists of texts are TOML's too.
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _toml_table(row: Mapping[str, Any]) -> str:
    return "{ " + ", ".join(f"{key} = {_toml(value)}" for key, value in row.items()) + " }"
