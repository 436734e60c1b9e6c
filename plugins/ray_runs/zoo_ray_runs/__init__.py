# SPDX-License-Identifier: Apache-2.0
"""Many runs on Ray: ``zoo sweep`` and ``zoo predict --ray``."""

# Spawned workers import this package first: importing zoo provides the substitute for mmcv._ext.
import zoo as zoo
