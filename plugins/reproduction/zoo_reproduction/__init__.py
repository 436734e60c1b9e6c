# SPDX-License-Identifier: Apache-2.0
"""``zoo reproduce``: measure the numbers of published weights again."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
