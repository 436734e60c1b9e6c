# SPDX-License-Identifier: Apache-2.0
"""``zoo gallery``: the models and plugins of a zoo as a static site."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
