# SPDX-License-Identifier: Apache-2.0
"""What OpenMMLab's test script can do beside measuring: test-time augmentation and display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoo.errors import ConfigError

if TYPE_CHECKING:
    from mmengine.config import Config

__all__ = ["show_while_testing", "use_test_time_augmentation"]

_WHERE = "default_hooks.visualization"


def use_test_time_augmentation(config: Config) -> None:
    """Wrap a config's model in its ``tta_model`` and read images by ``tta_pipeline``, in place.

    Args:
        config: A config with both, and a ``test_dataloader``.

    Raises:
        ConfigError: It lacks one of the two.
    """
    from zoo.engine.config_parts.parts import iterate_leaves

    for key in ("tta_model", "tta_pipeline"):
        if not config.get(key):
            message = f"cannot test with --tta: the config has no {key}."
            hint = "drop --tta, or add tta_model and tta_pipeline as in mmseg's configs."
            raise ConfigError(message, where=config.filename, hint=hint)
    for _, leaf in iterate_leaves(config.test_dataloader["dataset"], ""):
        leaf["pipeline"] = config.tta_pipeline
    config.model = {**config.tta_model, "module": config.model}


def show_while_testing(config: Config, *, wait_s: float = 2.0) -> None:
    """Make a config's visualisation hook open a window for every image, in place.

    Args:
        config: A config whose ``default_hooks`` has a visualisation hook.
        wait_s: Seconds that a window stays.

    Raises:
        ConfigError: The config has no visualisation hook.
    """
    hook = (config.get("default_hooks") or {}).get("visualization")
    if not hook:
        message = "cannot open windows: the config has no visualisation hook."
        hint = "add visualization=dict(type='SegVisualizationHook') to default_hooks, or give "
        hint += "--show-dir, which needs none."
        raise ConfigError(message, where=_WHERE, hint=hint)
    hook.update(draw=True, interval=1, show=True, wait_time=wait_s)
