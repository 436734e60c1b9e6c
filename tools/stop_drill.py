# SPDX-License-Identifier: Apache-2.0
"""Press Ctrl-C in training runs repeatedly, and compare them with uninterrupted runs.

    python tools/stop_drill.py [--stops 20] [--kills 4] [--seed 0] [--arm forked ...]

Each run has its own terminal, so that a key also reaches its data workers. A stopped run continues
with ``--resume`` until it is done. Nothing may be lost: every stop leaves a checkpoint of the last
step, and in the end weights, optimizer, schedules and logged losses equal those of the
uninterrupted run, bit for bit. Exits with 1 if a requirement is not met.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drill_runs import plain
from terminal import Terminal

STEPS, VALIDATES_EVERY, SAVES_EVERY = 24, 8, 6
CONFIG = "unet_small_lung-128"
COMMON = (
    "default_hooks.logger.interval=1",
    *("train_dataloader.batch_size=2", "train_dataloader.num_workers=2"),
    *("model.decode_head.dropout_ratio=0.3", "randomness.seed=7", "log_level=INFO"),
)
SAVING = f"default_hooks.checkpoint.interval={SAVES_EVERY}"
BY_EPOCHS = """
_base_ = [{base!r}]
train_cfg = dict(_delete_=True, type="EpochBasedTrainLoop", max_epochs=2, val_interval=1)
train_dataloader = dict(sampler=dict(type="DefaultSampler"))
default_hooks = dict(checkpoint=dict(by_epoch=True, interval=1))
log_processor = dict(by_epoch=True)
"""
BY_STEPS = (SAVING, f"train_cfg.max_iters={STEPS}", f"train_cfg.val_interval={VALIDATES_EVERY}")
ARMS = {
    "forked": BY_STEPS,
    "by epoch": (),
    "spawned": (*BY_STEPS, "env_cfg.mp_cfg.mp_start_method=spawn"),
    "no workers": (
        *(*BY_STEPS, "train_dataloader.num_workers=0"),
        "train_dataloader.persistent_workers=False",
    ),
}
_STEP = r"(?:Iter\(train\) \[\s*|Epoch\(train\)\s+\[\d+\]\[\s*){}(?=/)"


@dataclass
class Drill:
    """A folder with data, a random generator, and the faults found."""

    folder: Path
    rng: random.Random
    faults: list[str] = field(default_factory=list)
    stops: int = 0

    def check(self, holds: bool, what: str) -> None:
        """Record a fault unless a condition holds.

        Args:
            holds: The condition.
            what: Description of the fault.
        """
        if not holds:
            self.faults.append(what)
            print(f"  FAULT: {what}", flush=True)

    def start(self, arm: str, work_dir: Path) -> Terminal:
        """Start or resume a run of an arm.

        Args:
            arm: Name of the arm.
            work_dir: Work dir of the run.
        """
        config: str | Path = CONFIG
        if arm == "by epoch":
            config = self.folder / "by_epochs.py"
            base = Path(__file__).resolve().parent.parent / f"configs/unet/{CONFIG}.py"
            config.write_text(BY_EPOCHS.format(base=str(base)), encoding="utf-8")
        words = [sys.executable, "-m", "zoo", "train", config, "--verbose"]
        words += ["--data", self.folder / "data"]
        words += ["--work-dir", work_dir, "--resume", "--cfg-options", *COMMON, *ARMS[arm]]
        return Terminal(words, folder=self.folder)


def steps_in(folder: Path) -> dict[int, float]:
    """Return the losses that a run logged, by step.

    Args:
        folder: Work dir of the run.
    """
    losses: dict[int, float] = {}
    for path in sorted(folder.glob("*/vis_data/scalars.json")):
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            if "loss" in row:
                losses[row["iter" if "iter" in row else "step"]] = row["loss"]
    return losses


def last_step(folder: Path) -> int:
    """Return the step of the last checkpoint, or 0.

    Args:
        folder: Work dir of the run.
    """
    from zoo.engine.checkpoints.checkpoint import find_checkpoint, load_checkpoint

    found = find_checkpoint(folder)
    return 0 if found is None else int(load_checkpoint(found).meta["iter"])


def end_of(folder: Path) -> dict[str, Any]:
    """Return the final state of a run, in comparable values.

    Args:
        folder: Work dir of the run.
    """
    from zoo.engine.checkpoints.checkpoint import find_checkpoint
    from zoo.engine.checkpoints.kept import find_best_checkpoint
    from zoo.engine.checkpoints.pickles import read_pickled

    found, best = find_checkpoint(folder), find_best_checkpoint(folder)
    if found is None or best is None:
        return {}
    tree = read_pickled(found)
    keys = ("state_dict", "optimizer", "param_schedulers")
    return {
        **{key: plain(tree[key]) for key in keys},
        "steps": (tree["meta"]["epoch"], tree["meta"]["iter"]),
        "best": (best.name, plain(read_pickled(best)["state_dict"])),
        "losses": steps_in(folder),
    }


def press_at(drill: Drill, run: Terminal, before: int, start_s: float) -> str:
    """Wait for a random moment, press Ctrl-C, and return the moment.

    Args:
        drill: The drill.
        run: Terminal of the run.
        before: Step at which the run started.
        start_s: Seconds that a start takes.
    """
    moment = drill.rng.choice(["start", "step", "step", "validation", "saving", "twice"])
    if moment == "start":
        wait_s = drill.rng.uniform(0, start_s)
        time.sleep(wait_s)
        run.press_ctrl_c()
        return f"{wait_s:.2f} s after the start"
    patterns = {
        "validation": r"(Iter|Epoch)\(val\)|Saving checkpoint at (8|16|24) ",
        "saving": r"Saving checkpoint at",
    }
    step = min(before + drill.rng.randint(1, 6), STEPS)
    run.wait_for(patterns.get(moment, _STEP.format(step)))
    time.sleep(drill.rng.uniform(0, 0.5 if moment == "step" else 0.1))
    run.press_ctrl_c()
    if moment == "twice":
        run.wait_for("stopping after")
        run.wait_for("being saved", timeout_s=0.05)
    return moment


def check_stopped(drill: Drill, run: Terminal, folder: Path, code: int, before: int) -> None:
    """Check the state that a stopped run left.

    Args:
        drill: The drill.
        run: Terminal of the run.
        folder: Work dir of the run.
        code: Exit code of the run.
        before: Step at which the run started.
    """
    from zoo.engine.checkpoints.checkpoint import load_checkpoint

    drill.check("Traceback" not in run.text, f"a traceback: {run.text[-2000:]}")
    drill.check(code in (0, 130), f"exit code {code}: {run.text[-2000:]}")
    drill.check(not run.others(wait_s=8), "processes are left over")
    for path in folder.glob("*.pth"):
        load_checkpoint(path)
    drill.check(not [*folder.glob(".*.part")], "something half written is left")
    logged = [int(word) for word in re.findall(r"Iter\(train\) \[\s*(\d+)/", run.text)]
    after = last_step(folder)
    drill.check(after >= max(logged, default=before), f"lost steps: {logged} but {after}")
    if code == 130 and after > before:
        drill.check("resume with: " in run.text, "nothing says how to go on")


def drill_arm(drill: Drill, arm: str, stops: int, kills: int) -> None:
    """Stop runs of an arm until all stops are used, and compare the end of every run.

    Args:
        drill: The drill.
        arm: Name of the arm.
        stops: Number of stops.
        kills: Number of kills.
    """
    whole = drill.folder / arm.replace(" ", "_")
    begun_s = time.monotonic()
    run = drill.start(arm, whole)
    run.wait_for(_STEP.format(1))
    start_s = time.monotonic() - begun_s
    drill.check(run.wait(600) == 0, f"the run that nobody stopped failed: {run.text[-2000:]}")
    expected, number = end_of(whole), 0
    is_kill = [True] * kills + [False] * stops
    drill.rng.shuffle(is_kill)
    while is_kill:
        number += 1
        folder = drill.folder / f"{whole.name}_{number}"
        while is_kill and stop_once(drill, arm, folder, start_s, kills=is_kill.pop()):
            pass
        run = drill.start(arm, folder)
        drill.check(run.wait(600) == 0, f"{arm}, run {number} does not end: {run.text[-2000:]}")
        found = end_of(folder)
        for key, value in expected.items():
            drill.check(found.get(key) == value, f"{arm}, run {number}: {key} differs in the end")
        print(f"{arm}, run {number}: compared with the run left alone", flush=True)
        shutil.rmtree(folder)


def stop_once(drill: Drill, arm: str, folder: Path, start_s: float, *, kills: bool) -> bool:
    """Start or resume a run and stop it; return False if it ended before.

    Args:
        drill: The drill.
        arm: Name of the arm.
        folder: Work dir of the run.
        start_s: Seconds that a start takes.
        kills: Whether to kill the run instead.
    """
    before = last_step(folder) if folder.exists() else 0
    run = drill.start(arm, folder)
    if kills:
        run.wait_for(_STEP.format(r"\d+"))
        time.sleep(drill.rng.uniform(0, 1.5))
        run.kill()
        code, moment = run.wait(), "kill -9"
        drill.check(not run.others(wait_s=8), "processes are left over after kill -9")
    else:
        moment = press_at(drill, run, before, start_s)
        code = run.wait()
        check_stopped(drill, run, folder, code, before)
    drill.stops += 1
    step = last_step(folder) if folder.exists() else 0
    print(f"{arm}: {moment}: exit {code}, step {before} -> {step}", flush=True)
    return code != 0


def make_data(folder: Path) -> None:
    """Sample and prepare the synthetic X-rays.

    Args:
        folder: Working folder.
    """
    for words in (
        ("sample", "lung_xray", "--out", "raw"),
        ("prepare", "lung_xray", "--source", "raw", "--out", "data"),
    ):
        made = Terminal([sys.executable, "-m", "zoo", "data", *words], folder=folder)
        if made.wait():
            raise SystemExit(made.text)


def main() -> None:
    """Run the drill and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stops", type=int, default=20, help="Ctrl-C's, over all arms")
    parser.add_argument("--kills", type=int, default=4, help="kill -9's, over all arms")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arm", action="append", choices=ARMS, help="only this one; repeatable")
    args = parser.parse_args()
    arms = args.arm or list(ARMS)
    with tempfile.TemporaryDirectory(prefix="stop_drill_") as place:
        drill = Drill(Path(place), random.Random(args.seed))
        make_data(drill.folder)
        for number, arm in enumerate(arms):
            share, kills = (
                total // len(arms) + (number < total % len(arms))
                for total in (args.stops, args.kills)
            )
            drill_arm(drill, arm, share, kills)
    print(f"{drill.stops} stops, {len(drill.faults)} faults")
    raise SystemExit(bool(drill.faults))


if __name__ == "__main__":
    main()
