# SPDX-License-Identifier: Apache-2.0
"""``zoo train`` as a script: ``python tools/train.py --help``."""

# Spawned workers run this file again, and need the substitute for mmcv's kernels.
import zoo  # noqa: F401
from zoo.cli.train import command

if __name__ == "__main__":
    command()
