# SPDX-License-Identifier: Apache-2.0
"""What ``zoo doctor`` looks at: one module a subject, each yields findings."""

from __future__ import annotations

__all__ = ["distributions", "finding", "machine", "packages", "plugins"]
