# SPDX-License-Identifier: Apache-2.0
"""zoo fit: from data and a time to a trained model."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
