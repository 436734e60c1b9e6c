# SPDX-License-Identifier: Apache-2.0
"""Weights as files: where they are, and whether their bytes are the promised ones."""

from zoo.weights.files import find_weights_file, verify_file

__all__ = ["find_weights_file", "verify_file"]
