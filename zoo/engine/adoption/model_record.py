# SPDX-License-Identifier: Apache-2.0
"""The record of an adopted model: the row's facts, and the config that the row names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zoo.catalog import Found
from zoo.engine.checkpoints.checkpoint import Checkpoint, as_colors
from zoo.engine.checkpoints.classes import check_classes
from zoo.engine.config.reading import read_config
from zoo.engine.config_parts.parts import find_test_dataset
from zoo.engine.dataset.class_check import dataset_classes, dataset_palette
from zoo.engine.overlays.palette import default_palette
from zoo.engine.records.record import ModelRecord, make_record
from zoo.errors import CheckpointError, ConfigError
from zoo.manifest.rows import MetricValue, WeightsFacts

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["check_config", "describe_model"]


def check_config(found: Found) -> None:
    """Read the config of a row, before its source, which may be a gigabyte, is fetched.

    Args:
        found: A row of weights, and its plugin.

    Raises:
        ConfigError: The config cannot be read, or one that it is built on.
        UnknownNameError: There is no such config, or no such base.
    """
    row = found.row
    if isinstance(row, WeightsFacts) and row.config:
        read_config(_config_name(found, row), pretrained="none")


def describe_model(
    found: Found,
    *,
    trained: Checkpoint | None,
    provenance: Mapping[str, Any],
) -> ModelRecord:
    """Return the record of a row's model from its config; equal input gives equal records.

    Args:
        found: A row of weights with a config, and its plugin.
        trained: The source, if it is a checkpoint of OpenMMLab's, which may state its classes and
            colours.
        provenance: Plain values on how the file came to be.

    Raises:
        ConfigError: The config cannot be read, does not say how images are read, or holds values
            that are not plain; or no one names the classes.
        CheckpointError: Row, file and config name different classes.
    """
    row = found.row
    if not isinstance(row, WeightsFacts):
        raise TypeError(row)
    config = read_config(_config_name(found, row), pretrained="none")
    dataset = dict(find_test_dataset(config))
    classes = _classes(config, dataset, row, None if trained is None else trained.classes)
    stated = dataset_palette(config, dataset) if dataset else None
    own = None if trained is None else trained.palette
    palette = own or as_colors(stated, classes)
    try:
        return make_record(
            config,
            classes=classes,
            palette=palette or default_palette(classes),
            provenance=provenance,
            **_facts(row),
        )
    except CheckpointError as error:
        message = f"cannot adopt {row.name!r}: {error.message.partition(': ')[2] or error.message}"
        where = f"{error.path} of the config {row.config}"
        hint = f"tell the author of that config: {error.hint}"
        raise ConfigError(message, where=where, hint=hint) from error


def _facts(row: WeightsFacts) -> dict[str, Any]:
    return {
        "name": row.name,
        "task": row.task,
        "labels": row.metrics[0].labels if row.metrics else "true",
        "licence": row.licence,
        "data_licence": row.data_licence,
        "trained_with": row.config,
        "parameters": row.parameters or 0,  # counted once the model is built
        "metrics": [_metric(each) for each in row.metrics],
        "non_commercial": row.non_commercial,
    }


def _config_name(found: Found, row: WeightsFacts) -> str:
    """Return the name of the row's config, of the row's own plugin if that has it."""
    own = [each.name for each in found.record.checked().configs]
    return f"{found.record.name}.{row.config}" if row.config in own else row.config


def _classes(
    config: Config, dataset: dict[str, Any], row: WeightsFacts, trained: Sequence[str] | None
) -> tuple[str, ...]:
    stated = dataset_classes(config, dataset) if dataset else None
    # A file of OpenMMLab's names its classes as its time did; the config, as today's data set does.
    check_classes(trained, row.classes or None, None if trained else stated, where=row.name)
    classes = trained or row.classes or stated
    if not classes:
        message = f"cannot adopt {row.name!r}: neither its row nor its config names classes."
        hint = "report it to the plugin's author: add classes = [...] to the row."
        raise ConfigError(message, where=row.config, hint=hint)
    return tuple(classes)


def _metric(metric: MetricValue) -> dict[str, Any]:
    keys = ("name", "value", "dataset", "split", "labels", "protocol", "unit")
    known = {key: getattr(metric, key) for key in keys}
    return known if metric.published is None else {**known, "published": metric.published}
