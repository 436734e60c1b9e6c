"""detectron2's mask_rcnn_R_101_FPN_3x: upstream's config of the same model.

Box AP 42.9 and mask AP 38.6 on COCO val2017, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mmdet::mask_rcnn/mask-rcnn_r101-caffe_fpn_ms-poly-3x_coco.py"]
