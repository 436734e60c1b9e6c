"""torchvision's FCN with ResNet-50, for the 20 classes of Pascal VOC and the background.

Published: mIoU 60.5 % on COCO val2017 with VOC's labels (torchvision 0.28.0); not measured with
zoo. Trained on images of COCO.
"""

_base_ = ["mmseg::fcn/fcn_r50-d8_4xb4-20k_voc12aug-512x512.py"]
norm_cfg = dict(_delete_=True, type="BN", requires_grad=True)

model = dict(
    # torchvision's: RGB, ImageNet's mean and standard deviation.
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
    ),
    pretrained=None,
    backbone=dict(type="ResNet", norm_cfg=norm_cfg),  # a stem of 7x7, not of three 3x3
    decode_head=dict(num_convs=1, concat_input=False, norm_cfg=norm_cfg),
    auxiliary_head=dict(norm_cfg=norm_cfg),
)
# The shorter side becomes 520 px.
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(2080, 520), keep_ratio=True),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
