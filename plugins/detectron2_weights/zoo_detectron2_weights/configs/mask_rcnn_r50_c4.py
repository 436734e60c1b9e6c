"""detectron2's mask_rcnn_R_50_C4_1x and _3x: upstream's model, anchors in detectron2's order.

Box AP 36.8 and mask AP 32.2 (1x), 39.8 and 34.4 (3x) on COCO val2017, as detectron2's MODEL_ZOO.md
states them.
"""

_base_ = ["mmdet::mask_rcnn/mask-rcnn_r50-caffe-c4_1x_coco.py"]
# Of the 15 anchors of a place, the three ratios of one size follow each other.
model = dict(rpn_head=dict(anchor_generator=dict(scale_major=False)))
