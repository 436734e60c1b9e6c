# SPDX-License-Identifier: Apache-2.0
"""Images and masks of one's own: prepare, a data set and a reader, with no code to write."""

import zoo  # noqa: F401  (installs the stand-in for mmcv._ext, also in spawned workers)

__all__: list[str] = []
