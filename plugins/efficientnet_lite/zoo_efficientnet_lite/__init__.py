# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0, a small backbone without squeeze-and-excitation."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
