# SPDX-License-Identifier: Apache-2.0
"""A complete plugin of one's own to start from: ``zoo plugin new``."""

import zoo  # noqa: F401  (installs the substitute for mmcv._ext, also in spawned workers)

__all__: list[str] = []
