# SPDX-License-Identifier: Apache-2.0
"""Bind a config to the bands of a prepared folder: loading steps, means, first layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo.engine.config_parts.bands import band_names, iterate_band_steps
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from zoo.data import Prepared

__all__ = ["bind_bands"]

_CONFIGS = "`zoo config list` has configs for either."


def bind_bands(config: dict[str, Any], prepared: Prepared) -> None:
    """Set what depends on the bands of the data, in place.

    Every loading step with ``bands=None`` gets the table of ``dataset.json``; the mean and the std
    of the model's ``data_preprocessor`` and the ``in_channels`` of its backbone follow. A config
    that was bound before keeps its own statistics, those that its weights know.

    Args:
        config: The whole config.
        prepared: The folder.

    Raises:
        ConfigError: The config reads pictures and the data are bands, or the other way round; or it
            was bound to other bands.
    """
    steps = list(iterate_band_steps(config))
    if prepared.bands is None:
        if steps:
            message = f"cannot use the pictures of {str(prepared.root)!r}: the config reads bands."
            hint = f"prepare them with bands: docs/guide/bands.md; {_CONFIGS}"
            raise ConfigError(message, where=steps[0][0], hint=hint)
        return
    choice = prepared.bands.choice
    if not steps:
        message = f"cannot use the bands of {str(prepared.root)!r}: the config reads pictures."
        hint = f"load them with a step that has bands=None: docs/guide/bands.md; {_CONFIGS}"
        raise ConfigError(message, where="train_pipeline", hint=hint)
    own = next((step["bands"] for _, step in steps if step["bands"]), None)
    if own is not None and (tuple(own["names"]), own["dtype"]) != (choice.names, choice.dtype):
        message = f"cannot use the bands of {str(prepared.root)!r}: found "
        message += f"{', '.join(choice.names)} of {choice.dtype}, the config reads "
        message += f"{', '.join(band_names(config) or ())} of {own['dtype']}."
        hint = "prepare the data with these --bands."
        raise ConfigError(message, where=steps[0][0], hint=hint)
    values = dict(own) if own is not None else prepared.bands.to_loader()
    for _, step in steps:
        step["bands"] = dict(values)
    model = config.get("model") or {}
    before = model.get("data_preprocessor")
    if isinstance(before, dict):
        before.update(mean=list(values["mean"]), std=list(values["std"]), bgr_to_rgb=False)
    if isinstance(model.get("backbone"), dict):
        model["backbone"]["in_channels"] = len(choice.names)
