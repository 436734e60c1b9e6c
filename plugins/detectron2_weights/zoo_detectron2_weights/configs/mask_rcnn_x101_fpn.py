"""detectron2's mask_rcnn_X_101_32x8d_FPN_3x: upstream's config of the same model.

Box AP 44.3 and mask AP 39.5 on COCO val2017, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mmdet::mask_rcnn/mask-rcnn_x101-32x8d_fpn_ms-poly-3x_coco.py"]
