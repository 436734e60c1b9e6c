# SPDX-License-Identifier: Apache-2.0
"""``zoo test``, the same as ``tools/test.py``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from zoo.cli.options.completion import complete_file, complete_model
from zoo.cli.options.mm_options import (
    MMCommand,
    config_options,
    launcher_options,
    set_local_rank,
    verbose_option,
)
from zoo.cli.options.trust import trust_option
from zoo.cli.output.printing import say, say_json
from zoo.errors import CheckpointError, UnknownNameError
from zoo.names import hint_near
from zoo.texts import unit_text

if TYPE_CHECKING:
    from zoo.engine.metric_facts import MetricFacts

__all__ = ["command"]

# Which value is best, where it is not the highest, as one expects of a score.
_BEST = {"lower": ", lower is better", "zero": ", 0 is best"}


@click.command("test", cls=MMCommand)
@click.argument("config", metavar="CONFIG|WORK_DIR|NAME", shell_complete=complete_model)
@click.argument("checkpoint", metavar="[CHECKPOINT]", required=False, shell_complete=complete_file)
@config_options
@click.option(
    "--split",
    type=click.Choice(["train", "val", "test"]),
    default="test",
    show_default=True,
    help="Split to measure.",
)
@click.option("--out", type=click.Path(), help="JSON file for metrics and per-image values.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as JSON.")
@click.option(
    "--no-postprocess",
    is_flag=True,
    help="Measure label maps as the network gives them, without the stated postprocessing.",
)
@click.option("--tta", is_flag=True, help="Test with the config's test-time augmentation.")
@click.option(
    "--tiles/--whole",
    default=None,
    help="Process images of an instance model in windows or whole (default: as `zoo predict` "
    "does).",
)
@click.option(
    "--show-dir",
    type=click.Path(file_okay=False),
    help="Draw prediction, truth and difference of every image into this folder, worst first.",
)
@click.option("--show", is_flag=True, help="Open a window for every image; needs a display.")
@click.option(
    "--wait-time", type=float, default=2.0, show_default=True, help="Seconds to show each image."
)
@verbose_option
@trust_option
@launcher_options
def command(
    config: str,
    checkpoint: str | None,
    cfg_options: tuple[str, ...],
    data: str | None,
    work_dir: str | None,
    split: str,
    out: str | None,
    as_json: bool,
    no_postprocess: bool,
    tta: bool,
    tiles: bool | None,
    show_dir: str | None,
    show: bool,
    wait_time: float,
    verbose: bool,
    launcher: str,
    local_rank: int,
) -> None:
    """Measure CHECKPOINT with CONFIG, or the best (else last) checkpoint of WORK_DIR.

    NAME is a weights name (`zoo list`); the weights are downloaded if necessary, and measured with
    their config.

    An instance model whose config states windows is measured through them, as `zoo predict`
    processes images; --whole processes each image whole, as validation during training does.
    """
    set_local_rank(local_rank, launcher)
    if checkpoint is None and Path(config).is_dir():
        work_dir = work_dir or config
    from mmengine.dist import is_main_process

    from zoo.engine.config.reading import read_config
    from zoo.engine.dataset.facts import evaluator_text, labels_of
    from zoo.engine.measuring.test import measured_split, test
    from zoo.engine.measuring.test_extras import show_while_testing
    from zoo.engine.measuring.window_tests import seen_text
    from zoo.engine.metric_facts import MetricFacts, types_in
    from zoo.engine.runs.report import showing_run

    with showing_run(verbose=verbose) as report:
        config, checkpoint = _config_and_checkpoint(config, checkpoint)
        resolved = read_config(
            config, cfg_options=cfg_options, data=data, pretrained="none", work_dir=work_dir
        )
        if show:
            show_while_testing(resolved, wait_s=wait_time)
        split = measured_split(resolved, split)
        metrics = test(
            resolved,
            checkpoint,
            split=split,
            out=out,
            launcher=launcher,
            tta=tta,
            postprocess=not no_postprocess,
            tiles=tiles,
            cfg_options=cfg_options,
            show_dir=show_dir,
            hooks=[report],
        )
    if not is_main_process():
        return
    numbers = {name: getattr(value, "item", lambda v=value: v)() for name, value in metrics.items()}
    if as_json:
        # JSON has no NaN, which a class that occurs nowhere has for its value.
        finite = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        say_json(finite, indent=None, allow_nan=False)
        return
    labels = labels_of(resolved, split)
    suffix = "" if labels == "true" else f", whose labels are {labels}"
    seen = seen_text(resolved, tiles, tta=tta)
    say(f"{checkpoint} on {split}{suffix}{f', {seen}' if seen else ''}:")
    facts = MetricFacts.of_types(types_in(evaluator_text(resolved.get("test_evaluator"))))
    for name, value in numbers.items():
        say(f"  {name}: {_shown(value, name, facts)}")


def _shown(value: object, name: str, facts: MetricFacts) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        # As of a class that occurs nowhere, or COCO's -1: there was nothing to measure.
        return "no result"
    number = f"{value:.4g}" if isinstance(value, float) else str(value)
    best = _BEST.get(facts.stated_direction(name) or "", "")
    return f"{number}{unit_text(facts.unit(name))}{best}"


def _config_and_checkpoint(config: str, checkpoint: str | None) -> tuple[str, str]:
    if checkpoint is not None:
        return config, checkpoint
    from zoo.cli.output.progress import byte_progress
    from zoo.engine.prediction.model_files import find_model_files, is_weights_name

    near: tuple[str, ...] = ()
    found: str | Path | None = None
    if Path(config).is_dir() or is_weights_name(config):
        try:
            with byte_progress(config) as progress:
                files = find_model_files(config, progress=progress)
            found = files.config or files.trained_with
        except UnknownNameError as error:
            near = error.near
    if found is None:
        message = f"cannot test {config!r}: it is not a work dir, and no checkpoint is given."
        hint = hint_near(near, "zoo test CONFIG CHECKPOINT, or a name from `zoo list`.")
        raise CheckpointError(message, path=config, hint=hint)
    return str(found), str(files.checkpoint)
