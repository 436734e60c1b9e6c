# SPDX-License-Identifier: Apache-2.0
"""Predict one image with a model, as a typed result."""

from __future__ import annotations

__all__ = ["exports", "image_reader", "model", "model_files", "notices", "predictor", "results"]
