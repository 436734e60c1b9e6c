# SPDX-License-Identifier: Apache-2.0
"""Your own images and masks: prepare them, load them and train on them without writing code."""

import zoo  # noqa: F401  (installs the substitute for mmcv._ext, also in spawned workers)

__all__: list[str] = []
