# SPDX-License-Identifier: Apache-2.0
"""Weights that authors of papers published in their own forks, for upstream's models."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
