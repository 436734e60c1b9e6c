"""detectron2's mask_rcnn_R_50_FPN_1x and _3x: upstream's config of the same model.

Box AP 38.6 and mask AP 35.2 (1x), 41.0 and 37.2 (3x) on COCO val2017, as detectron2's MODEL_ZOO.md
states them.
"""

_base_ = ["mmdet::mask_rcnn/mask-rcnn_r50-caffe_fpn_ms-poly-3x_coco.py"]
