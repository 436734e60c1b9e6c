# SPDX-License-Identifier: Apache-2.0
"""Engine: train, test and predict with a config, and read checkpoints without running code."""

__all__: list[str] = []
