# SPDX-License-Identifier: Apache-2.0
"""What manifests said when they were read, kept so that unchanged ones need not be read again."""

from __future__ import annotations

__all__ = ["kept", "reading"]
