# SPDX-License-Identifier: Apache-2.0
"""The configs that mmseg, mmdet and this repository ship, and what records hold of them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["iterate_configs", "iterate_records"]

ROOT = Path(__file__).resolve().parent.parent


def iterate_records() -> Iterator[tuple[str, Any]]:
    """Yield ``(scope, config)`` of every shipped config: the model, then the pipeline."""
    from zoo.engine.records.config_values import plain_parts, record_parts

    for _, config in iterate_configs():
        scope, model, pipeline = record_parts(config)
        yield from ((scope, part) for part in (model, pipeline))
        # A record has no train_cfg, but a detector passes its parts to its heads when built.
        trained = {"type": model["type"], "train_cfg": config.model.get("train_cfg")}
        yield scope, plain_parts(trained, scope)


def iterate_configs() -> Iterator[tuple[str, Any]]:
    """Yield name and config of all readable configs with a model and a test pipeline."""
    from mmengine.config import Config

    from zoo.catalog import read_catalog
    from zoo.engine.config.reading import read_config

    sys.path.insert(0, str(ROOT / "benchmarks"))
    sweep_upstream = importlib.import_module("sweep_upstream")

    before = Path.cwd()
    for name, path in sweep_upstream.find_configs():
        # Configs of distillation name the teacher's config relative to the checkout.
        os.chdir(path.parents[len(path.parts) - path.parts.index(".mim") - 2])
        try:
            config = Config.fromfile(path)
        except (ImportError, OSError):  # a missing package or base
            continue
        config.setdefault("default_scope", name.partition("/")[0])
        if "model" in config and config.get("test_dataloader"):
            yield name, config
    os.chdir(before)
    for found in read_catalog().rows("config"):
        yield found.row.name, read_config(found.row.name, pretrained="none")
