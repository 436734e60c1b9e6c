# SPDX-License-Identifier: Apache-2.0
"""Measure what checkpoints cost: their share of the time of a run of the lung config.

    python benchmarks/checkpoint_cost.py [--steps 120] [--images 120]

Trains ``unet_small_lung-128`` on synthetic X-rays with its own intervals, and times each checkpoint
(the tensors copied, the file written beside its place, flushed and renamed, the note, removals) in
CPU and wall time. Prints one JSON object. Other work on the machine lengthens the wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--images", type=int, default=120)
    args = parser.parse_args()
    from mmengine.hooks import CheckpointHook

    import zoo

    spent = {"cpu_s": 0.0, "wall_s": 0.0, "count": 0}

    def timed(name: str) -> None:
        method = getattr(CheckpointHook, name)

        def around(self: Any, *words: Any, **more: Any) -> None:
            begun = time.process_time(), time.perf_counter()
            method(self, *words, **more)
            spent["cpu_s"] += time.process_time() - begun[0]
            spent["wall_s"] += time.perf_counter() - begun[1]
            spent["count"] += 1

        setattr(CheckpointHook, name, around)

    for name in ("_save_checkpoint", "_save_best_checkpoint"):
        timed(name)
    with tempfile.TemporaryDirectory() as place:
        raw, data = Path(place, "raw"), Path(place, "data")
        zoo.sample("lung_xray", raw, count=args.images)
        zoo.prepare("lung_xray", raw, data)
        options = ["train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False"]
        begun = time.process_time(), time.perf_counter()
        result = zoo.train(
            "unet_small_lung-128",
            data=data,
            max_steps=args.steps,
            work_dir=Path(place, "run"),
            cfg_options=options,
        )
        cpu_s, wall_s = time.process_time() - begun[0], time.perf_counter() - begun[1]
        assert result.last_checkpoint is not None
        size = result.last_checkpoint.stat().st_size
    found = {
        "run": {"steps": args.steps, "cpu_s": round(cpu_s, 2), "wall_s": round(wall_s, 2)},
        "checkpoints": {key: round(value, 3) for key, value in spent.items()},
        "size_bytes": size,
        "share_of_cpu": round(spent["cpu_s"] / cpu_s, 4),
        "share_of_wall": round(spent["wall_s"] / wall_s, 4),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
