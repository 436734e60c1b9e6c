"""detectron2's mask_rcnn_R_50_FPN_3x_gn, and the same from scratch: upstream's config.

Box AP 42.6 and mask AP 38.6; from scratch 39.9 and 36.6; on COCO val2017, as detectron2's
MODEL_ZOO.md states them.
"""

_base_ = ["mmdet::gn/mask-rcnn_r50_fpn_gn-all_3x_coco.py"]
