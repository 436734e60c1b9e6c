"""detectron2's scratch_mask_rcnn_R_50_FPN_9x_gn: pixels are divided by their deviation.

Box AP 43.7 and mask AP 39.6 on COCO val2017, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mask_rcnn_r50_fpn_gn.py"]
model = dict(data_preprocessor=dict(std=[57.375, 57.12, 58.395]))
