# SPDX-License-Identifier: Apache-2.0
"""``zoo test`` as a script: ``python tools/test.py --help``."""

# Spawned workers run this file again, and need the substitute for mmcv's kernels.
import zoo  # noqa: F401
from zoo.cli.test import command

if __name__ == "__main__":
    command()
