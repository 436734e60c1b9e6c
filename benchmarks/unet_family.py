# SPDX-License-Identifier: Apache-2.0
"""Compare the U-Net family: parameters, FLOPs, seconds per step, Dice after a short training.

    python benchmarks/unet_family.py --out OUT [--steps 100] [--size 256] [--batch N]
                                     [--configs NAME ...]

The data is the synthetic sample of lung_xray, prepared into OUT/data. Each config trains in a
separate process with the same number of steps, images scaled to about --size (0: the config's own
size), and its own batch size unless --batch is given. FLOPs are those of convolutions in the
forward pass of one image, two for a multiplication and addition. The seconds of a step are medians
without the first steps and without loading: of wall time, and of the CPU time of all threads, which
other work on the machine hardly changes. Dice is that of the lung on the test split, at the size of
the files. Finished rows are saved in OUT/rows, so an interrupted run continues with the next
config. Writes OUT/table.md and OUT/table.json, and prints the table.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

CONFIGS = (
    "unet_small_lung-128",
    "unet_vgg16_lung-256",
    "unet_vgg16-nearest_lung-256",
    "unet_vgg16-bicubic_lung-256",
    "unet_vgg16-deconv_lung-256",
    "unet_vgg16-unpool_lung-256",
    "segnet_vgg16_lung-256",
    "unet_original-s16_lung-260",
    "unet_vgg16_5k_lung-576",
    "unet_original_5k_lung-572",
)
WARM_STEPS = 3  # the first steps fill caches and start workers
PIPELINES = ("train_dataloader", "val_dataloader", "test_dataloader")
COLUMNS = (
    *("config", "parameters", "input", "GFLOPs", "batch"),
    *("s a step", "CPU s a step", "steps", "lung Dice"),
)


def main() -> None:
    """Compute the missing rows, then write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="a folder for data, runs, table")
    parser.add_argument("--steps", type=int, default=100, help="of training, for every config")
    parser.add_argument("--size", type=int, default=256, help="px of a side; 0: each config's own")
    parser.add_argument("--batch", type=int, help="images a step; by default the config's own")
    parser.add_argument("--configs", nargs="+", default=list(CONFIGS))
    parser.add_argument("--row", help=argparse.SUPPRESS)
    args = parser.parse_args()
    settings = {"steps": args.steps, "size": args.size, "batch": args.batch}
    if args.row:
        measured = measure(args.row, args.out, **settings)
        write_json(row_path(args.out, args.row), {"settings": settings, **measured})
        return
    make_data(args.out)
    rows = [find_row(args.out, name, settings) or start_row(args, name) for name in args.configs]
    write_json(args.out / "table.json", rows)
    text = format_table(rows)
    (args.out / "table.md").write_text(text, encoding="utf-8")
    print(text, end="")


def make_data(out: Path) -> None:
    """Write and prepare the sample, unless it exists.

    Args:
        out: Output folder.
    """
    if (out / "data" / "dataset.json").is_file():
        return
    zoo: list[str | Path] = [sys.executable, "-m", "zoo", "data"]
    if not (out / "raw").is_dir():
        subprocess.run(
            [*zoo, "sample", "lung_xray", "--out", out / "raw"], check=True, stdout=sys.stderr
        )
    prepare = [*zoo, "prepare", "lung_xray", "--source", out / "raw", "--out", out / "data"]
    subprocess.run([*prepare, "--shares", "0.7,0.1,0.2"], check=True, stdout=sys.stderr)


def row_path(out: Path, name: str) -> Path:
    """Return the path of a config's results.

    Args:
        out: Output folder.
        name: Name of the config.
    """
    return out / "rows" / f"{name}.json"


def find_row(out: Path, name: str, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the numbers of an earlier run with the same settings, or None.

    Args:
        out: Output folder.
        name: Name of the config.
        settings: Settings of the run.
    """
    path = row_path(out, name)
    if not path.is_file():
        return None
    row: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return row if row["settings"] == dict(settings) else None


def start_row(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """Measure one config in a new process and return its numbers.

    Args:
        args: The command line.
        name: Name of the config.
    """
    print(f"measuring {name}", file=sys.stderr)
    command = [sys.executable, __file__, "--row", name, "--out", str(args.out)]
    command += ["--steps", str(args.steps), "--size", str(args.size)]
    command += ["--batch", str(args.batch)] if args.batch else []
    # The log of the run is not part of the table.
    subprocess.run(command, check=True, stdout=sys.stderr)
    row: dict[str, Any] = json.loads(row_path(args.out, name).read_text(encoding="utf-8"))
    return row


def measure(name: str, out: Path, *, steps: int, size: int, batch: int | None) -> dict[str, Any]:
    """Return a config's numbers, after training it for ``steps``.

    Args:
        name: Name of the config.
        out: Output folder.
        steps: Number of steps.
        size: Approximate size in px, 0 for the config's own.
        batch: Batch size, None for the config's own.
    """
    import torch

    from zoo.engine.config.reading import read_config
    from zoo.engine.measuring.test import test
    from zoo.engine.runs.train import train

    work_dir = out / "runs" / name
    shutil.rmtree(work_dir, ignore_errors=True)  # of an interrupted run
    data = out / "data"
    options = short_run(read_config(name, data=data).to_dict(), steps, size, batch)
    config = read_config(name, data=data, cfg_options=options, work_dir=work_dir)
    row = {"config": name, "threads": torch.get_num_threads(), **count(config.model)}
    row |= {"batch": config.train_dataloader.batch_size, "steps": steps}
    cpu_seconds = watch_cpu()
    train(config)
    row["seconds_a_step"] = read_seconds(work_dir)
    row["cpu_seconds_a_step"] = take_median(cpu_seconds)
    metrics = test(config, str(work_dir / f"iter_{steps}.pth"), split="test")
    row["dice_lung"] = float(metrics["dice_lung"])
    return row


def count(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters, input size and forward FLOPs of one image; nothing is computed.

    Args:
        model: Config of the model and its pipelines.
    """
    import torch
    from mmseg.registry import MODELS
    from mmseg.utils import register_all_modules
    from torch.utils.flop_counter import FlopCounterMode

    register_all_modules()
    width, height = model["data_preprocessor"]["size"]
    network = MODELS.build(dict(model)).eval().to("meta")
    image = torch.empty(1, 3, height, width, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(image, mode="tensor")
    return {
        "parameters": sum(one.numel() for one in network.parameters()),
        "input_px": [width, height],
        "forward_flops": counter.get_total_flops(),
    }


def short_run(
    config: Mapping[str, Any], steps: int, size: int, batch: int | None
) -> dict[str, Any]:
    """Return the options that make a config train for ``steps`` at about ``size``.

    Args:
        config: The config.
        steps: Number of steps.
        size: Approximate size in px, 0 for the config's own.
        batch: Batch size, None for the config's own.
    """
    warm = min(50, max(1, steps // 10))
    options: dict[str, Any] = {
        "train_cfg.max_iters": steps,
        "train_cfg.val_interval": steps,
        "default_hooks.checkpoint.interval": steps,
        # Log the seconds of each step, without skipping or smoothing.
        "default_hooks.logger.interval": 1,
        "log_processor.window_size": 1,
        "param_scheduler.0.end": warm,
        "param_scheduler.1.begin": warm,
        "param_scheduler.1.end": steps,
    }
    if batch:
        options["train_dataloader.batch_size"] = batch
    return options | (scale(config, size) if size else {})


def scale(config: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return the options that scale the images of a config to about ``size`` px per side.

    Adds the margin that the network loses (MirrorPad's), then takes the next size that the poolings
    allow. A crop keeps its share of the image.

    Args:
        config: The config.
        size: Approximate size in px.
    """
    steps = config["train_dataloader"]["dataset"]["pipeline"]
    margins = [one["margin_px"] for one in steps if one["type"].endswith("MirrorPad")]
    if margins:
        size = 4 + -(-(size - 4) // 16) * 16
    options: dict[str, Any] = {
        "model.data_preprocessor.size": (size + 2 * sum(margins),) * 2,
    }
    for key, number, step in iterate_steps(config):
        if step["type"] == "Resize":
            options[f"{key}.{number}.scale"] = (size, size)
        elif step["type"].endswith("RandomAffine"):
            options[f"{key}.{number}.size"] = (size, size)
        elif step["type"] == "RandomCrop":
            own = next(one["scale"][0] for one in steps if one["type"] == "Resize")
            crop = round(size * step["crop_size"][0] / own)
            options[f"{key}.{number}.crop_size"] = (crop, crop)
            options["model.data_preprocessor.size"] = (crop, crop)
    return options


def iterate_steps(config: Mapping[str, Any]) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
    """Yield (dotted key of a pipeline, number, transform) of every pipeline.

    Args:
        config: The config.
    """
    for loader in PIPELINES:
        for number, step in enumerate(config[loader]["dataset"]["pipeline"]):
            yield f"{loader}.dataset.pipeline", number, step


def read_seconds(work_dir: Path) -> float:
    """Return the median seconds of a training step from a run's log, loading left out.

    Args:
        work_dir: Folder of the run.
    """
    path = next(work_dir.glob("*/vis_data/scalars.json"))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return take_median([one["time"] - one["data_time"] for one in lines if "loss" in one])


def watch_cpu() -> list[float]:
    """Return a list that fills with the CPU seconds of each step trained from now on.

    Not a hook: the config that a run leaves would name it, and be of no use without this script.
    """
    from mmengine.runner import IterBasedTrainLoop

    seconds: list[float] = []
    step = IterBasedTrainLoop.run_iter

    def run_iter(loop: IterBasedTrainLoop, data_batch: Any) -> None:
        start = time.process_time()
        step(loop, data_batch)
        seconds.append(time.process_time() - start)

    IterBasedTrainLoop.run_iter = run_iter
    return seconds


def take_median(seconds: Sequence[float]) -> float:
    """Return the median without the first steps.

    Args:
        seconds: Seconds of each step.
    """
    return statistics.median(seconds[WARM_STEPS:] or seconds)


def write_json(path: Path, value: Any) -> None:
    """Write a file atomically.

    Args:
        path: File to write.
        value: JSON value.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, path)


def format_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as Markdown.

    Args:
        rows: One row per config.
    """
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    for row in rows:
        width, height = row["input_px"]
        cells = (
            row["config"],
            f"{row['parameters'] / 1e6:.1f} M",
            f"{width}x{height}",
            f"{row['forward_flops'] / 1e9:.1f}",
            row["batch"],
            f"{row['seconds_a_step']:.2f}",
            f"{row['cpu_seconds_a_step']:.2f}",
            row["steps"],
            f"{row['dice_lung']:.4f}",
        )
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
