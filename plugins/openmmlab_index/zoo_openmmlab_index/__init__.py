# SPDX-License-Identifier: Apache-2.0
"""An index of the checkpoints that mmdetection and mmsegmentation published."""

import zoo as zoo
