# SPDX-License-Identifier: Apache-2.0
"""What is printed while Python winds up after a command that was stopped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.mm, pytest.mark.slow]

# Workers that die of SIGTERM, as those do that have not set torch's handlers yet.
STOPPED = """
import signal

import click
from torch.utils.data import DataLoader

from zoo.cli.output.errors import ZooCommand

KEPT = []


def die_of_sigterm(number):
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


@click.command(cls=ZooCommand)
def command():
    batches = iter(
        DataLoader(range(100), num_workers=2, worker_init_fn=die_of_sigterm)
    )
    KEPT.append(batches)
    type(batches).__del__ = lambda self: None
    next(batches)
    raise KeyboardInterrupt


command()
"""


def test_stopped_command_whose_workers_python_ends_shows_no_traceback(tmp_path: Path) -> None:
    """torch raises where a worker dies, and Python ends those that are left as it winds up."""
    script = tmp_path / "stopped.py"
    script.write_text(STOPPED)

    ends = [
        subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
        )
        for _ in range(4)  # it takes two of three runs without the mend
    ]

    assert [(end.returncode, end.stderr) for end in ends] == [(130, "interrupted\n")] * 4
