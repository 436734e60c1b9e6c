# SPDX-License-Identifier: Apache-2.0
"""Convert a source to a prepared folder."""

from __future__ import annotations

__all__ = ["coco_document", "instance", "instance_masks", "instances", "pair", "semantic"]
