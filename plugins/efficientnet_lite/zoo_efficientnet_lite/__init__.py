# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0, a small backbone without squeeze-and-excitation."""

# So that the stand-in for mmcv._ext is there in spawned workers, which import this package first.
import zoo as zoo
