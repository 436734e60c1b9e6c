# SPDX-License-Identifier: Apache-2.0
"""Training side by side: zoo, mmengine's bare Runner, a plain loop in torch, and MONAI's U-Net.

    python benchmarks/throughput.py CONFIG --data DIR [--arms stock zoo amp] [--rounds 3]

Every arm trains the same config on the same images, in a process of its own; they take turns.

- `stock`: `Runner.from_cfg(config).train()` with the losses of mmseg or mmdet, none of zoo's hooks,
  and threads as libgomp sets them.
- `zoo` and `amp`: `zoo train`, and with `--amp`.
- `plain`: the same model, data loader and AdamW in a loop of ten lines, without any hook.
- `monai`: as `plain`, with MONAI's BasicUNet of the same width in place of mmseg's (semantic only).

Prints a Markdown table: images per second of the wall clock, CPU seconds of an image (with those of
data workers), peak memory. Steps that warm up are not counted. The wall clock only means something
on CPUs that nothing else uses.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

WARM_UP = 4  # steps
ARMS = ("stock", "zoo", "amp", "plain", "monai")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("--data", required=True)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=["stock", "zoo", "amp"])
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cfg-options", nargs="+", default=[])
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.arm:
        print(json.dumps(run_arm(args)))
        return
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in args.arms}
    for _ in range(args.rounds):
        for arm, rows in found.items():
            words = [sys.executable, __file__, *sys.argv[1:], "--arm", arm]
            done = subprocess.run(words, capture_output=True, text=True)
            if done.returncode:
                sys.exit(done.stderr)
            rows.append(json.loads(done.stdout.splitlines()[-1]))
    print_table(found)


def print_table(found: dict[str, list[dict[str, float]]]) -> None:
    """Print medians, and the ratios to the first arm, round by round.

    Args:
        found: Rows of each arm.
    """
    first = next(iter(found.values()))
    print("| arm | images/s | CPU s an image | CPU, times faster | peak MiB | loss at the end |")
    print("|---|---|---|---|---|---|")
    for arm, rows in found.items():
        pairs = zip(first, rows, strict=True)
        ratio = statistics.median(one["cpu_s"] / other["cpu_s"] for one, other in pairs)
        rate, cpu, peak, loss = (
            statistics.median(row[key] for row in rows)
            for key in ("images_per_s", "cpu_s", "peak_mib", "loss")
        )
        print(f"| {arm} | {rate:.2f} | {cpu:.3f} | {ratio:.2f} | {peak:.0f} | {loss:.4f} |")


class Meter:
    """Wall clock and CPU time from the end of the warm-up on, workers included.

    Args:
        batch: Images in a step.
    """

    def __init__(self, batch: int) -> None:
        self._batch, self._steps = batch, 0
        self._wall_s = self._cpu_s = 0.0

    def step(self) -> None:
        """Note that a step has ended."""
        self._steps += 1
        if self._steps == WARM_UP:
            self._wall_s, self._cpu_s = time.perf_counter(), cpu_seconds()

    def result(self, loss: float) -> dict[str, float]:
        """Return what one arm measured.

        Args:
            loss: Of the last step.
        """
        images = (self._steps - WARM_UP) * self._batch
        return {
            "images_per_s": images / (time.perf_counter() - self._wall_s),
            "cpu_s": (cpu_seconds() - self._cpu_s) / images,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "loss": loss,
        }


def cpu_seconds() -> float:
    """Return the CPU time of this process and of those that it started, running or not."""
    ticks, me = 0, str(os.getpid())
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if words[1] == me or path.parent.name == me:
            ticks += sum(int(word) for word in words[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def run_arm(args: argparse.Namespace) -> dict[str, float]:
    """Train one arm and return its row.

    Args:
        args: The command line.
    """
    if args.arm in ("stock", "plain", "monai"):
        import torch  # noqa: F401 - before zoo, which then leaves threads as libgomp sets them
    import zoo.engine  # noqa: F401
    from zoo.engine.config.reading import read_config

    with tempfile.TemporaryDirectory() as folder:
        steps = args.steps + WARM_UP
        config = read_config(
            args.config, data=args.data, work_dir=folder, cfg_options=args.cfg_options
        )
        prepare(config, steps, is_stock=args.arm not in ("zoo", "amp"))
        meter = Meter(config.train_dataloader.batch_size)
        if args.arm == "stock":
            return run_stock(config, meter)
        if args.arm in ("zoo", "amp"):
            return run_zoo(config, meter, amp=args.arm == "amp")
        return run_plain(config, meter, steps, is_monai=args.arm == "monai")


def prepare(config: Any, steps: int, *, is_stock: bool) -> None:
    """Leave out what is not training, and what is zoo's where it is not measured.

    Args:
        config: Changed in place.
        steps: Steps of the run.
        is_stock: Whether losses and hooks are upstream's.
    """
    config.train_cfg.update(max_iters=steps, val_interval=10**6)
    for name in ("val", "test"):
        for part in ("dataloader", "cfg", "evaluator"):
            config[f"{name}_{part}"] = None
    config.val_loss_dataloader = None
    config.default_hooks.checkpoint = {
        "type": "CheckpointHook",
        "by_epoch": False,
        "interval": 10**6,
        "save_last": False,
    }
    if not is_stock:
        return
    zoos = ("zoo.training_hooks",)
    config.custom_hooks = [hook for hook in config.custom_hooks if not hook.type.startswith(zoos)]
    head = config.model.get("decode_head")
    if head is not None:
        for loss in head.loss_decode:
            loss.type = loss.type.replace("zoo.dice_loss.", "")
    else:
        config.model.roi_head.mask_head.loss_mask = {"type": "CrossEntropyLoss", "use_mask": True}


def note(meter: Meter, losses: list[float]) -> Any:
    """Return a hook that tells the meter of each step.

    Args:
        meter: Measures.
        losses: Receives the loss of each step.
    """
    from mmengine.hooks import Hook

    class Note(Hook):
        def after_train_iter(
            self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None
        ) -> None:
            meter.step()
            losses.append(float(outputs["loss"]))

    return Note()


def run_stock(config: Any, meter: Meter) -> dict[str, float]:
    """Train on mmengine's Runner.

    Args:
        config: The config.
        meter: Measures.
    """
    from mmengine.runner import Runner

    losses: list[float] = []
    runner = Runner.from_cfg(config)
    runner.register_hook(note(meter, losses))
    runner.register_hook(result := read_at_end(meter, losses))
    runner.train()
    return result.row


def run_zoo(config: Any, meter: Meter, *, amp: bool) -> dict[str, float]:
    """Train as `zoo train` does.

    Args:
        config: The config.
        meter: Measures.
        amp: In mixed precision.
    """
    from zoo.engine.runs.train import train

    losses: list[float] = []
    result = read_at_end(meter, losses)
    train(config, amp=amp, hooks=[note(meter, losses), result])
    return result.row


def read_at_end(meter: Meter, losses: list[float]) -> Any:
    """Return a hook that reads the meter while the data workers still run.

    Args:
        meter: Measures.
        losses: Of each step.
    """
    from mmengine.hooks import Hook

    class Reader(Hook):
        row: dict[str, float]

        def after_train(self, runner: Any) -> None:
            self.row = meter.result(losses[-1])

    return Reader()


def run_plain(config: Any, meter: Meter, steps: int, *, is_monai: bool) -> dict[str, float]:
    """Train in a plain loop.

    Args:
        config: The config.
        meter: Measures.
        steps: Steps of the run.
        is_monai: Whether the network is MONAI's.
    """
    import torch
    from mmengine.registry import MODELS, init_default_scope
    from mmengine.runner import Runner

    init_default_scope(config.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(config.model).train()
    loss_of: Callable[[Any], Any] = lambda data: model.parse_losses(model(**data, mode="loss"))[0]  # noqa: E731
    network = model
    if is_monai:
        network, loss_of = monai_network(config)
    optimizer = torch.optim.AdamW(network.parameters(), lr=config.optim_wrapper.optimizer.lr)
    loader = Runner.build_dataloader(config.train_dataloader, seed=0)
    loss = torch.zeros(())
    for _, batch in zip(range(steps), loader, strict=False):
        loss = loss_of(model.data_preprocessor(batch, True))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        meter.step()
    return meter.result(loss.item())


def monai_network(config: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return MONAI's U-Net with as many channels, and its loss of a batch.

    Args:
        config: Of a U-Net of mmseg.
    """
    import torch
    from monai.losses import DiceCELoss
    from monai.networks.nets import BasicUNet

    width = config.model.backbone.base_channels
    classes = config.model.decode_head.num_classes
    features = [width * factor for factor in (1, 2, 4, 8, 16, 1)]
    network = BasicUNet(
        2, 3, classes, features, act="relu", norm="batch", upsample="nontrainable"
    ).train()
    loss = DiceCELoss(to_onehot_y=True, softmax=True)

    def loss_of(data: Any) -> Any:
        labels = torch.stack([each.gt_sem_seg.data for each in data["data_samples"]])
        return loss(network(data["inputs"]), labels.clamp(max=classes - 1))

    return network, loss_of


if __name__ == "__main__":
    main()
