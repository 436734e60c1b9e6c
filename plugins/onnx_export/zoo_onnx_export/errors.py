# SPDX-License-Identifier: Apache-2.0
"""What an export ends with if there is no file."""

from __future__ import annotations

from zoo.errors import ZooError

__all__ = ["ExportError", "FileError"]


class ExportError(ZooError):
    """A model cannot be exported, or its export departs from it."""


class FileError(ZooError):
    """A file is no export, was changed, or cannot be run here."""
