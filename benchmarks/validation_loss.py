# SPDX-License-Identifier: Apache-2.0
"""What the validation loss costs, against one bare forward pass over the same images.

    OMP_NUM_THREADS=1 python benchmarks/validation_loss.py CONFIG --data DIR [--rounds 5]

Both read the images of `val_loss_dataloader`, and take turns. The bare pass reads a batch, puts it
through the data preprocessor and the network with its losses, and does nothing else. Prints medians
of CPU time and of their ratio.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Print the two times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config")
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cfg-options", nargs="+", default=[])
    args = parser.parse_args()
    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.runner import build_runner

    with tempfile.TemporaryDirectory() as folder:
        config = read_config(
            args.config, data=args.data, work_dir=folder, cfg_options=args.cfg_options
        )
        runner = build_runner(config)
        runner._val_loop = runner.build_val_loop(runner._val_loop)
        hook = next(hook for hook in runner.hooks if type(hook).__name__ == "ValidationLoss")
        hook.before_train(runner)
        loader = runner.build_dataloader(dict(config.val_loss_dataloader), seed=0)
        times: dict[str, list[float]] = {"bare pass": [], "ValidationLoss": []}
        for _ in range(args.rounds + 1):
            times["bare pass"].append(seconds(lambda: bare_pass(runner, loader)))
            times["ValidationLoss"].append(seconds(lambda: hook.after_val_epoch(runner, {})))
    found = {name: rows[1:] for name, rows in times.items()}  # without the first round
    for name, rows in found.items():
        print(f"{name}: {statistics.median(rows):.3f} s of CPU")
    pairs = zip(found["ValidationLoss"], found["bare pass"], strict=True)
    print(f"ratio: {statistics.median(one / other for one, other in pairs):.3f}")


def seconds(call: Callable[[], Any]) -> float:
    """Return the CPU seconds of a call.

    Args:
        call: Called once.
    """
    before = time.process_time()
    call()
    return time.process_time() - before


def bare_pass(runner: Any, loader: Any) -> None:
    """Put the images through the network.

    Args:
        runner: With the model.
        loader: Of the images.
    """
    import torch

    model = runner.model.eval()
    with torch.no_grad():
        for batch in loader:
            model(**model.data_preprocessor(batch, True), mode="loss")


if __name__ == "__main__":
    main()
