# SPDX-License-Identifier: Apache-2.0
"""Engine: train, test and predict with a config, and read checkpoints without running code."""

from zoo.engine.threads.defaults import set_thread_defaults

__all__: list[str] = []

# Whoever trains or predicts from Python comes through here before torch is loaded.
set_thread_defaults()
