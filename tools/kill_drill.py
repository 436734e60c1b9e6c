# SPDX-License-Identifier: Apache-2.0
"""Kill training runs with SIGKILL at random moments, and compare them with runs left alone.

    python tools/kill_drill.py [--kills 60] [--seed 0] [--arm "semantic, steps" ...]
    python tools/kill_drill.py --semantic 50 --instance 10

The runs are small but have everything that has a state: data workers, augmentation, warm-up,
moving averages, stages, accumulated gradients, validation loss, early stopping. A killed run is
started again, and killed again, until it ends; then its weights, optimizer, schedules, gradients,
curves, best checkpoint and files must equal those of the run that nobody killed, byte for byte. A
third of the kills come at a random time, a third before a random write, flush, renaming or removal
of a file in the work dir, and a third in the middle of a write. After every kill the work dir must
hold a checkpoint that loads, unless none was written yet. At the end stands a table with a row for
each kind of run. Exits with 1 if a requirement is not met.

Each run is a process of its own, forked from one that has imported OpenMMLab and done nothing else.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from drill_runs import ARMS, end_of, write_arm, write_pictures
from killing import KillAtWrite

_LIMIT_S = 600
_PARTS = ("models", "datasets", "evaluation", "visualization", "engine")
_KINDS = ("time", "syscall", "torn write")


@dataclass
class Row:
    """What was done to runs of an arm.

    Attributes:
        arm: Name of the arm.
        whole_s: How long a run takes that nobody kills.
        kills: Number of kills, by kind.
        runs: Number of killed runs.
        alike: Number of those that ended like the one left alone.
        faults: Number of requirements that were not met.
        seconds: How long the killed runs took in all.
    """

    arm: str
    whole_s: float = 0.0
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_KINDS, 0))
    runs: int = 0
    alike: int = 0
    faults: int = 0
    seconds: float = 0.0

    @property
    def count(self) -> int:
        """Number of kills."""
        return sum(self.kills.values())

    def cells(self) -> list[str]:
        """Return it as texts, in the order of `_HEAD`."""
        each = f"{self.seconds / self.count:.1f}" if self.count else "-"
        counts = [str(self.kills[kind]) for kind in _KINDS]
        ends = [str(self.runs), str(self.alike), str(self.faults)]
        return [self.arm, f"{self.whole_s:.1f}", str(self.count), *counts, *ends, each]


_HEAD = ["arm", "alone s", "kills", *_KINDS, "runs", "alike", "faults", "s a kill"]


def table(rows: list[Row]) -> str:
    """Return rows and their sums as a table in Markdown.

    Args:
        rows: Of each arm.
    """
    total = Row("all", sum(row.whole_s for row in rows))
    for row in rows:
        total.kills = {kind: total.kills[kind] + row.kills[kind] for kind in _KINDS}
        total.runs, total.alike = total.runs + row.runs, total.alike + row.alike
        total.faults, total.seconds = total.faults + row.faults, total.seconds + row.seconds
    cells = [_HEAD, *(row.cells() for row in (*rows, total))]
    widths = [max(len(line[at]) for line in cells) for at in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(c.ljust(w) if not at else c.rjust(w) for at, (c, w) in pairs) + " |"
        for pairs in (list(enumerate(zip(line, widths, strict=True))) for line in cells)
    ]
    marks = ["-" * width if not at else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    return "\n".join([lines[0], "| " + " | ".join(marks) + " |", *lines[1:]])


@dataclass
class Drill:
    """A folder with pictures, a random generator, and the faults found.

    Attributes:
        folder: The folder.
        rng: Chooses the moments.
        faults: Descriptions of what went wrong.
        rows: What was done so far, a row for each arm; the last one grows.
        kinds: Kinds of moments to choose from.
    """

    folder: Path
    rng: random.Random
    faults: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    kinds: tuple[str, ...] = _KINDS

    def check(self, holds: bool, what: str) -> None:
        """Record a fault unless a condition holds.

        Args:
            holds: The condition.
            what: Description of the fault.
        """
        if not holds:
            self.faults.append(what)
            self.rows[-1].faults += 1
            print(f"  FAULT: {what}", flush=True)


def start(config: Path, folder: Path, killer: KillAtWrite | None = None) -> int:
    """Fork a process that starts or resumes a run, and return its id.

    Args:
        config: Its config.
        folder: Its work dir.
        killer: Kills it at a write, or nobody.
    """
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _train(config, folder, killer)
        code = 0
    except Exception as error:  # noqa: BLE001 - the parent reads it in the log
        traceback.print_exception(error)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _train(config: Path, folder: Path, killer: KillAtWrite | None) -> None:
    from zoo.engine.config.reading import read_config
    from zoo.engine.runs.train import train

    whole = read_config(config, work_dir=folder)
    count = KillAtWrite(folder, -1) if killer is None else killer
    count.install()
    train(whole, resume="auto")
    print(f"events: {count.seen}")


def wait(pid: int, seconds: float) -> int | None:
    """Return the exit code of a process, or None if it still runs after a while.

    Args:
        pid: The process.
        seconds: How long to wait.
    """
    end_s = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end_s:
            return None
        time.sleep(0.01)


@dataclass(frozen=True)
class Whole:
    """The run that nobody killed.

    Attributes:
        end: Its final state.
        seconds: How long it took.
        events: Number of its events on files.
    """

    end: dict[str, Any]
    seconds: float
    events: int


def run_whole(drill: Drill, config: Path, name: str) -> Whole:
    """Do a run without killing it.

    Args:
        drill: The drill.
        config: The run's config.
        name: Name of its work dir.

    Raises:
        SystemExit: It fails.
    """
    folder, begun_s = drill.folder / name, time.monotonic()
    code = wait(start(config, folder), _LIMIT_S)
    text = folder.with_suffix(".log").read_text("utf-8", "replace")
    if code != 0:
        message = f"the run that nobody killed failed ({code}):\n{text[-3000:]}"
        raise SystemExit(message)
    events = int(text.rpartition("events: ")[2].split()[0])
    return Whole(end_of(folder), time.monotonic() - begun_s, events)


def kill_once(drill: Drill, config: Path, folder: Path, whole: Whole) -> bool:
    """Start or resume a run and kill it; return False if it ended before.

    Args:
        drill: The drill.
        config: The run's config.
        folder: Its work dir.
        whole: The run left alone.
    """
    kind = drill.rng.choice(drill.kinds)
    killer, wait_s = None, float(_LIMIT_S)
    if kind == "time":
        wait_s = drill.rng.uniform(0.3, whole.seconds)
    else:
        is_torn = kind == "torn write"
        events = whole.events // 2 if not is_torn else whole.events
        killer = KillAtWrite(folder, drill.rng.randint(1, max(events, 1)), is_torn)
    pid = start(config, folder, killer)
    code = wait(pid, wait_s)
    if code is None:
        os.kill(pid, signal.SIGKILL)
        code = wait(pid, _LIMIT_S)
    if code == 0:
        return False
    drill.check(code == -signal.SIGKILL, f"exit code {code}: {folder.with_suffix('.log')}")
    drill.rows[-1].kills[kind] += 1
    check_usable(drill, folder)
    return code == -signal.SIGKILL


def check_usable(drill: Drill, folder: Path) -> None:
    """Check that what a killed run left can be used at once.

    Args:
        drill: The drill.
        folder: Work dir of the run.
    """
    from zoo.engine.checkpoints.checkpoint import load_checkpoint
    from zoo.engine.checkpoints.kept import choose_checkpoint
    from zoo.errors import ZooError

    files = sorted(path.name for path in folder.glob("*.pth"))
    try:
        for path in folder.glob("*.pth"):
            load_checkpoint(path)
        last, best = (choose_checkpoint(folder, prefer=kind) for kind in ("last", "best"))
    except ZooError as error:
        drill.check(False, f"{folder.name}: {error.message}")
        return
    drill.check((last is None) == (not files), f"{folder.name}: no last checkpoint among {files}")
    drill.check((best is None) == (not files), f"{folder.name}: no best checkpoint among {files}")
    note = folder / "last_checkpoint"
    if note.is_file():
        drill.check(Path(note.read_text("utf-8")).is_file(), f"{folder.name}: dangling {note.name}")


def drill_arm(drill: Drill, arm: str, kills: int) -> None:
    """Kill runs of an arm until all kills are used, and compare the end of every run.

    Args:
        drill: The drill.
        arm: Name of the arm.
        kills: Number of kills.
    """
    name = arm.replace(", ", "_").replace(" ", "_")
    config = write_arm(arm, drill.folder / "pictures", drill.folder / f"{name}.py")
    whole = run_whole(drill, config, name)
    print(f"{arm}: left alone {whole.seconds:.1f} s, {whole.events} events", flush=True)
    row, begun_s = Row(arm, whole.seconds), time.monotonic()
    drill.rows.append(row)
    while row.count < kills:
        row.runs += 1
        folder, count = drill.folder / f"{name}_{row.runs}", 0
        most = min(drill.rng.randint(1, 4), kills - row.count)
        while count < most and kill_once(drill, config, folder, whole):
            count += 1
        code = wait(start(config, folder), _LIMIT_S)
        drill.check(code == 0, f"{arm}, run {row.runs}, does not end ({code}): {folder}.log")
        found = end_of(folder)
        wrong = [key for key, value in whole.end.items() if found.get(key) != value]
        drill.check(not wrong, f"{arm}, run {row.runs}, killed {count}x: {wrong} differ at the end")
        row.alike += not wrong
        row.seconds = time.monotonic() - begun_s
        print(f"{arm}, run {row.runs}: killed {count} times, compared", flush=True)


def shares(args: argparse.Namespace) -> dict[str, int]:
    """Return the number of kills of each arm.

    Args:
        args: What was typed: kills of each task, or over all arms.
    """
    arms = args.arm or list(ARMS)
    parts = [(args.kills, arms)]
    if args.semantic is not None or args.instance is not None:
        tasks = {"semantic": args.semantic or 0, "instance": args.instance or 0}
        parts = [
            (count, [arm for arm in arms if ARMS[arm]["task"] == task])
            for task, count in tasks.items()
        ]
    return {
        arm: count // len(some) + (number < count % len(some))
        for count, some in parts
        for number, arm in enumerate(some)
    }


def warm_up(folder: Path) -> None:
    """Import what every run imports, so that forked processes need not.

    Args:
        folder: Where to write a config.
    """
    import importlib

    import torch

    modules = ["zoo.engine.runs.train"]  # first: it brings mmcv's operations
    modules += [f"{name}.{part}" for name in ("mmseg", "mmdet") for part in _PARTS]
    for name in modules:
        importlib.import_module(name)
    torch.set_num_threads(1)
    write_pictures(folder / "pictures")


def main() -> None:
    """Run the drill and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=60, help="over all arms")
    for task in ("semantic", "instance"):
        parser.add_argument(f"--{task}", type=int, metavar="KILLS", help=f"over {task} arms only")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--arm", action="append", choices=ARMS, help="only this one; repeatable")
    parser.add_argument("--kind", action="append", choices=_KINDS, help="only this one")
    parser.add_argument("--keep", type=Path, help="work in this folder, and leave it")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill_drill_") as place:
        drill = Drill(args.keep or Path(place), random.Random(args.seed))
        drill.kinds = tuple(args.kind or _KINDS)
        warm_up(drill.folder)
        for arm, count in shares(args).items():
            if count:
                drill_arm(drill, arm, count)
    print(f"\n{table(drill.rows)}\n")
    print(f"{sum(row.count for row in drill.rows)} kills, {len(drill.faults)} faults")
    raise SystemExit(bool(drill.faults))


if __name__ == "__main__":
    main()
