"""DPT with ViT-L on ADE20K as transformers computes it.

Pixels are scaled to -1 to 1, as the hub's processor does. An image's shorter side becomes 480 px,
where the processor distorts it to 480x480.
"""

_base_ = ["mmseg::dpt/dpt_vit-b16_8xb2-160k_ade20k-512x512.py"]
crop_size = (480, 480)
scale = (2048, 480)
norm_cfg = dict(type="LN", eps=1e-12)
model = dict(
    data_preprocessor=dict(mean=[127.5] * 3, std=[127.5] * 3, size=crop_size),
    pretrained=None,
    backbone=dict(
        img_size=384,
        embed_dims=1024,
        num_layers=24,
        num_heads=16,
        out_indices=(5, 11, 17, 23),
        patch_bias=True,
        interpolate_mode="bilinear",
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        in_channels=(1024,) * 4,
        embed_dims=1024,
        post_process_channels=[256, 512, 1024, 1024],
        align_corners=True,
    ),
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", reduce_zero_label=True),
    dict(type="RandomResize", scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=0.75),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PhotoMetricDistortion"),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=scale, keep_ratio=True),
    dict(type="LoadAnnotations", reduce_zero_label=True),
    dict(type="PackSegInputs"),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
