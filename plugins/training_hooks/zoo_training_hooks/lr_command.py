# SPDX-License-Identifier: Apache-2.0
"""``zoo lr``: find a learning rate to begin with."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

import click

from zoo.data import replace_file
from zoo.errors import DataError, TrainingError
from zoo.texts import printable
from zoo_training_hooks.rate_curve import smoothed, suggested

__all__ = ["command"]

_FORMATS = (".png", ".pdf", ".svg")
_RATE = click.FloatRange(min=0, min_open=True)


@click.command("lr")
@click.argument("config")
@click.option("--data", type=click.Path(), help="A prepared folder.")
@click.option("--steps", type=click.IntRange(min=10), default=100, show_default=True)
@click.option("--low", type=_RATE, default=1e-6, show_default=True, help="The first rate.")
@click.option("--high", type=_RATE, default=1.0, show_default=True, help="The last rate.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Images in a step.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A picture: .png, .pdf or .svg."
)
def command(
    config: str,
    data: str | None,
    steps: int,
    low: float,
    high: float,
    batch_size: int | None,
    out: Path | None,
) -> None:
    """Train CONFIG for a few steps with a rising learning rate, and print the rate to begin with.

    It is the rate at which the loss falls fastest, at most a tenth of the one at which it is
    smallest. The run is kept nowhere.
    """
    _check_out(out)
    rates, losses = _measure(config, data, steps, low, high, batch_size)
    best = suggested(rates, losses)
    if best is not None:  # first: a picture that cannot be written takes nothing away
        lowest = min(zip(smoothed(losses), rates, strict=True))[1]
        click.echo(f"learning rate: {best:.2g} (the loss is smallest at {lowest:.2g})")
    if out is not None:
        replace_file(out, _draw(rates, losses, best, out.suffix.lower()[1:]))
        click.echo(printable(f"drawn: {out}"))
    if best is None:
        message = f"cannot suggest a learning rate: the loss of {len(losses)} steps never falls."
        hint = "give more --steps, a lower --low, or look at the curve with --out curve.png."
        raise TrainingError(message, where=config, hint=hint)


def _check_out(out: Path | None) -> None:
    """Refuse a picture of another kind before the steps are trained."""
    if out is not None and out.suffix.lower() not in _FORMATS:
        message = f"cannot draw {out.name!r}: expected a name that ends in {', '.join(_FORMATS)}."
        raise DataError(message, path=out, hint=f"use --out {out.with_suffix('.png')}.")


def _measure(
    config: str, data: str | None, steps: int, low: float, high: float, batch_size: int | None
) -> tuple[list[float], list[float]]:
    import zoo

    with tempfile.TemporaryDirectory(prefix="zoo-lr-") as folder:
        curve = Path(folder, "curve.json")
        ramp = {"type": "zoo.training_hooks.RateRamp", "out": str(curve), "low": low, "high": high}
        options: dict[str, object] = {
            f"val_{part}": None for part in ("cfg", "dataloader", "evaluator")
        }
        options |= {
            "val_loss_dataloader": None,
            "custom_hooks": [ramp, {"type": "zoo.training_hooks.ChannelsLast"}],
            "default_hooks.checkpoint": {
                "type": "CheckpointHook",
                "by_epoch": False,
                "interval": 10 * steps,
                "save_last": False,
            },
        }
        zoo.train(
            config,
            data=data,
            max_steps=steps,
            batch_size=batch_size,
            work_dir=Path(folder, "run"),
            cfg_options=options,
        )
        found = json.loads(curve.read_text())
    return found["rates"], found["losses"]


def _draw(rates: list[float], losses: list[float], best: float | None, kind: str) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(rates, losses, color="0.75", label="loss")
    axes.plot(rates, smoothed(losses), color="#0072b2", label="smoothed")
    if best is not None:
        axes.axvline(best, color="#d55e00", linestyle="--", label=f"suggested: {best:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format=kind)
    return picture.getvalue()
