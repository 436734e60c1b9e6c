"""detectron2's LVISv0.5-InstanceSegmentation/mask_rcnn_X_101_32x8d_FPN_1x.

Box AP 26.7 and mask AP 27.1 on LVIS v0.5 val, as detectron2's MODEL_ZOO.md states them.
"""

_base_ = ["mask_rcnn_r50_fpn_lvis.py"]
model = dict(
    data_preprocessor=dict(std=[57.375, 57.12, 58.395]),
    backbone=dict(
        type="ResNeXt",
        depth=101,
        groups=32,
        base_width=8,
        style="pytorch",
        init_cfg=dict(checkpoint="open-mmlab://detectron2/resnext101_32x8d"),
    ),
)
