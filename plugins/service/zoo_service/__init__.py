# SPDX-License-Identifier: Apache-2.0
"""``zoo serve``: models over HTTP."""

# Spawned processes import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
