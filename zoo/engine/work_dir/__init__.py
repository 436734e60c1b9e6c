# SPDX-License-Identifier: Apache-2.0
"""What a run leaves in its work dir, read back."""

from __future__ import annotations

__all__: list[str] = []
