# SPDX-License-Identifier: Apache-2.0
"""``python -m zoo_runtime``."""

from __future__ import annotations

import sys

from zoo_runtime.command import main

if __name__ == "__main__":
    sys.exit(main())
