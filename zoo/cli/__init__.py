# SPDX-License-Identifier: Apache-2.0
"""The ``zoo`` command: one file per command group, each imported only when it is called."""

from __future__ import annotations

import click

from zoo.cli.output.groups import LazyGroup

__all__ = ["main"]

# Name -> (module:attribute, one-line help). The help stands beside the name so that
# `zoo --help` imports no command.
_COMMANDS = {
    "list": ("zoo.cli.list:command", "List the available weights."),
    "info": ("zoo.cli.info:command", "Show everything the manifests say about a name."),
    "download": ("zoo.cli.download:command", "Download and verify weights."),
    "verify": ("zoo.cli.verify:command", "Hash cached weights again."),
    "cache": ("zoo.cli.cache:group", "List or remove downloaded weights."),
    "rescue": ("zoo.cli.rescue:command", "Adopt old OpenMMLab checkpoints found on disk."),
    "publish": (
        "zoo.cli.publish:command",
        "Publish a run as one file with its card and manifest row.",
    ),
    "train": ("zoo.cli.train:command", "Train a config."),
    "test": ("zoo.cli.test:command", "Measure a checkpoint on a split."),
    "predict": ("zoo.cli.predict:command", "Segment images with a model."),
    "plot": ("zoo.cli.plot:command", "Draw loss and metric curves."),
    "config": ("zoo.cli.config:group", "List configs, or show one resolved."),
    "data": ("zoo.cli.data:group", "Sample, prepare, check and show data sets."),
    "plugin": ("zoo.cli.plugin:group", "List the plugins, including broken ones."),
    "doctor": ("zoo.cli.doctor:command", "Report what works here and how to fix the rest."),
}


def _show_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from zoo.cli.output.printing import say
        from zoo.version import __version__

        say(f"zoo {__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A plugin-based model zoo registry for image segmentation on OpenMMLab.",
)
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version)
def main() -> None:
    """Run the ``zoo`` command."""
