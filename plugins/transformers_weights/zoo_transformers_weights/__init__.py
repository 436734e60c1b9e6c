# SPDX-License-Identifier: Apache-2.0
"""Models of the Hugging Face hub as mmseg and mmdet models."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
