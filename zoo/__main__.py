# SPDX-License-Identifier: Apache-2.0
"""``python -m zoo``: the same as the ``zoo`` command."""

from zoo.cli import main

if __name__ == "__main__":
    main(prog_name="zoo")
