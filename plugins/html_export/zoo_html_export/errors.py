# SPDX-License-Identifier: Apache-2.0
"""What an export ends with if there is no page."""

from __future__ import annotations

from zoo.errors import ZooError

__all__ = ["PageError"]


class PageError(ZooError):
    """A model cannot run in a page, or the package that would run it is not what it should be."""
