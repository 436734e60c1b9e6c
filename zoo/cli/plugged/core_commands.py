# SPDX-License-Identifier: Apache-2.0
"""zoo's own commands, in the order of ``zoo --help``; no plugin's command replaces one."""

from __future__ import annotations

import importlib
from collections.abc import Collection

__all__ = ["CORE_COMMANDS", "core_names"]

# Name -> (module:attribute, one-line help). The help stands beside the name so that
# `zoo --help` imports no command.
CORE_COMMANDS = {
    "list": ("zoo.cli.list:command", "List the available weights."),
    "search": ("zoo.cli.shelf.search:command", "Search the weights of plugins and sources."),
    "info": ("zoo.cli.info:command", "Show everything the manifests say about a name."),
    "download": ("zoo.cli.download:command", "Download and verify weights."),
    "verify": ("zoo.cli.verify:command", "Hash cached weights again."),
    "cache": ("zoo.cli.cache:group", "List or remove downloaded weights."),
    "source": (
        "zoo.cli.shelf.source:group",
        "Add and update indexes of weights that third parties publish.",
    ),
    "lock": ("zoo.cli.shelf.lock:command", "Write the digests of what a team uses to zoo.lock."),
    "sync": ("zoo.cli.shelf.sync:command", "Bring this machine to what zoo.lock states."),
    "rescue": ("zoo.cli.rescue:command", "Adopt old OpenMMLab checkpoints found on disk."),
    "publish": (
        "zoo.cli.publish:command",
        "Publish a run as one file with its card and manifest row.",
    ),
    "train": ("zoo.cli.train:command", "Train a config."),
    "test": ("zoo.cli.test:command", "Measure a checkpoint on a split."),
    "predict": ("zoo.cli.predict:command", "Segment images with a model."),
    "config": ("zoo.cli.config:group", "List configs, or show one resolved."),
    "data": ("zoo.cli.data:group", "Sample, prepare, check and show data sets."),
    "plugin": ("zoo.cli.plugin.group:group", "List, describe, check and build plugins."),
    "doctor": ("zoo.cli.doctor:command", "Report what works here and how to fix the rest."),
}


def core_names(group: str | None) -> Collection[str]:
    """Return the names of zoo's own commands in a group.

    Args:
        group: A group of `zoo.manifest.kinds.COMMAND_GROUPS`; None for ``zoo`` itself.
    """
    if group is None:
        return CORE_COMMANDS
    module, _, attribute = CORE_COMMANDS[group][0].partition(":")
    names: Collection[str] = getattr(importlib.import_module(module), attribute).lazy
    return names
