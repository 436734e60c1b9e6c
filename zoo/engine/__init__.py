# SPDX-License-Identifier: Apache-2.0
"""From a config to a run: train, test, predict, and checkpoints read without running code."""

__all__: list[str] = []
