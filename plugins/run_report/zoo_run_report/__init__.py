# SPDX-License-Identifier: Apache-2.0
"""``zoo report``: runs and tests as one page."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
