# SPDX-License-Identifier: Apache-2.0
"""A training step on CPUs that other work wants too, with threads as libgomp sets them and as zoo.

    python benchmarks/threads.py [--busy 0 2 4] [--rounds 3]

Each measurement is a new process that trains a small U-Net on random pixels, beside some processes
that only count. The ways to wait take turns, so that other load on the machine meets all of them.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator

# As before zoo set anything; as zoo sets it; and two ways that people set by hand.
WAYS = {
    "libgomp's own: 300,000 turns": {"GOMP_SPINCOUNT": "300000"},
    "zoo: 1,000 turns": {},
    "OMP_WAIT_POLICY=PASSIVE": {"OMP_WAIT_POLICY": "PASSIVE"},
    "OMP_NUM_THREADS=1": {"OMP_NUM_THREADS": "1"},
}
STEP = """
import zoo.engine
import time, torch
from torch import nn

def block(before, after):
    convs = [nn.Conv2d(each, after, 3, padding=1) for each in (before, after)]
    return [layer for conv in convs for layer in (conv, nn.BatchNorm2d(after), nn.ReLU())]

torch.manual_seed(0)
widths = (3, 16), (16, 32), (32, 64)
down = [layer for width in widths for layer in (*block(*width), nn.MaxPool2d(2))]
net = nn.Sequential(*down, *block(64, 128), nn.Upsample(scale_factor=8), nn.Conv2d(128, 2, 1))
optimizer = torch.optim.SGD(net.parameters(), 0.01)
images, labels = torch.randn(2, 3, 128, 128), torch.randint(0, 2, (2, 128, 128))
for step in range(STEPS):
    started_s = time.perf_counter()
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(net(images), labels)
    loss.backward()
    optimizer.step()
    if step >= 2:
        print(time.perf_counter() - started_s)
print(loss.item().hex())
"""


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Let processes that only count run beside the block."""
    words = [sys.executable, "-c", "while True: pass"]
    counting = [subprocess.Popen(words) for _ in range(count)]
    try:
        yield
    finally:
        for process in counting:
            process.kill()
            process.wait()


def measure(variables: dict[str, str], steps: int) -> tuple[list[float], str]:
    """Return the seconds of each step, and the last loss."""
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP", "GOMP"))
    }
    code = STEP.replace("STEPS", str(steps))
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=env | variables, capture_output=True, text=True, check=True)
    *times_s, loss = done.stdout.split()
    return [float(each) for each in times_s], loss


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2, 4])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=12)
    args = parser.parse_args()
    print("| busy processes beside it | " + " | ".join(WAYS) + " |")
    print("|---" * (len(WAYS) + 1) + "|")
    losses: dict[str, set[str]] = {way: set() for way in WAYS}
    for count in args.busy:
        times_s: dict[str, list[float]] = {way: [] for way in WAYS}
        with busy(count):
            for _ in range(args.rounds):
                for way, variables in WAYS.items():
                    found, loss = measure(variables, args.steps)
                    times_s[way] += found
                    losses[way].add(loss)
        cells = [f"{min(each):.3f}, {statistics.median(each):.3f}" for each in times_s.values()]
        print(f"| {count} | " + " | ".join(cells) + " |", flush=True)
    print("last losses:", {way: sorted(each) for way, each in losses.items()})


if __name__ == "__main__":
    main()
