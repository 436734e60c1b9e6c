# SPDX-License-Identifier: Apache-2.0
"""Instance models as one graph: (Cascade) Mask R-CNN's proposals, boxes and masks, node by node."""
