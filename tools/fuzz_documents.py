# SPDX-License-Identifier: Apache-2.0
"""Mutate manifests, indexes, data folders and results, and print the outcomes.

    python tools/fuzz_documents.py [--count 20000] [--seed 0] [--only KIND...]

Each document is read as the commands read it, mostly by the commands themselves. It must be
accepted or refused: an exception of another kind than zoo's, more than two seconds (15 if an image
is drawn) or output with terminal control sequences is a failure, and its document is saved. Exits
with 1 if there is a failure.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from document_checks import KINDS as CHECKED
from document_kinds import KINDS as READ
from document_kinds import Folder
from document_reading import Kind
from document_surroundings import surround

__all__ = ["fuzz", "main"]

KINDS = (*READ, *CHECKED)
MOST_S, DRAWN_S, HANGS_S = 2.0, 15.0, 60


@contextmanager
def alarmed(seconds: int) -> Iterator[None]:
    """Raise a TimeoutError if the block takes longer.

    Args:
        seconds: Time limit.
    """

    def ring(*_: object) -> None:
        message = f"still running after {seconds} s"
        raise TimeoutError(message)

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(kind: Kind, count: int, seed: int, kept: Path) -> Counter[str]:
    """Mutate a document ``count`` times; copy failures with their traceback to ``kept``.

    Args:
        kind: Kind of document.
        count: Number of mutations.
        seed: Seed.
        kept: Folder for failures.
    """
    counts: Counter[str] = Counter()
    for number in range(count):
        chance = random.Random(f"{seed}:{type(kind).__name__}:{number}")
        kind.write(chance)
        began = time.process_time()  # CPU time, independent of other programs
        try:
            with alarmed(HANGS_S):
                outcome = "taken" if kind.read(chance) else "refused"
            if time.process_time() - began > (DRAWN_S if kind.is_drawn else MOST_S):
                outcome = "slow"
        except Exception:  # noqa: BLE001 - what is none of zoo's is what is looked for
            outcome = "failed"
            kept.mkdir(parents=True, exist_ok=True)
            file = kept / f"failed-{type(kind).__name__}-{number}.txt"
            file.write_text(traceback.format_exc(), errors="backslashreplace")
        counts[outcome] += 1
        if outcome in ("failed", "slow"):
            _keep(kind, kept / f"{outcome}-{type(kind).__name__}-{number}")
        kind.clear()
    return counts


def _keep(kind: Kind, place: Path) -> None:
    """Copy the document, if it is a file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if kind.broken.is_file() and kind.broken.stat().st_size < 2**28:
        shutil.copy(kind.broken, place)


def main() -> int:
    """Run all kinds, or one, and print a row for each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--count", type=int, default=20_000, help="documents in all")
    parser.add_argument("--seed", type=int, default=0)
    names = [kind.__name__ for kind in KINDS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="KIND")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="of what fails")
    args = parser.parse_args()
    kinds = [kind for kind in KINDS if kind.__name__ in args.only]
    total, whole = Counter[str](), sum(kind.share for kind in kinds)
    print(f"{'kind':<16}{'documents':>10}{'taken':>8}{'refused':>9}{'failed':>8}{'slow':>6}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        surround(root, with_folders=any(issubclass(kind, Folder) for kind in kinds))
        for kind in kinds:  # import first, so that the first document is not charged for it
            good = kind(root)
            good.clear()
            if not good.read(random.Random(0)):
                parser.exit(1, f"error: the {kind.__name__} that holds is refused\n")
        for kind in kinds:
            count = round(args.count * kind.share / whole)
            counts = fuzz(kind(root), count, args.seed, args.keep)
            total += counts
            print(_row(kind.__name__, counts), flush=True)
    print(_row("all", total))
    return 1 if total["failed"] or total["slow"] else 0


def _row(name: str, counts: Counter[str]) -> str:
    parts = [counts[key] for key in ("taken", "refused", "failed", "slow")]
    return f"{name:<16}{sum(parts):>10}{parts[0]:>8}{parts[1]:>9}{parts[2]:>8}{parts[3]:>6}"


if __name__ == "__main__":
    sys.exit(main())
